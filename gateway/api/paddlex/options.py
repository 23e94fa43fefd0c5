"""What a PaddleX request asks of our pipeline and of the layout model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from gateway.api.paddlex.schema import LayoutParsingRequest, PromptLabel
from gateway.layout.base import LayoutDetector
from gateway.layout.detections import LABELS
from gateway.model import LayoutOptions, OcrOptions, Stretch

FEWEST_PIXELS, MOST_PIXELS = 784, 12_845_056


MOST_TOKENS = 16_384


"""Bounds of `POST /ocr`. PaddleX has none, and hands a value that no engine can serve on to the engine."""


_TASKS: Mapping[PromptLabel, str] = {
    "ocr": "text",
    "formula": "formula",
    "table": "table",
    "chart": "chart",
    "seal": "seal",
    "spotting": "spotting",
}


_DEFAULTS = OcrOptions()


def ocr_options(wishes: LayoutParsingRequest) -> OcrOptions:
    return OcrOptions(
        task="document" if wishes.has_layout else _TASKS[wishes.prompt_label or "ocr"],
        orientation=bool(wishes.use_doc_orientation_classify),
        chart=bool(wishes.use_chart_recognition),
        seal=bool(wishes.use_seal_recognition),
        image_text=bool(wishes.use_ocr_for_image_block),
        min_pixels=_pixels(wishes.min_pixels),
        max_pixels=_pixels(wishes.max_pixels),
        task_pixels=_task_pixels(wishes),
        max_tokens=wishes.max_new_tokens and min(wishes.max_new_tokens, MOST_TOKENS),
        temperature=wishes.temperature,
        top_p=wishes.top_p,
        repetition_penalty=wishes.repetition_penalty,
        ignore_labels=_ignored(wishes),
        merge_blocks=wishes.merge_layout_blocks is not False,
        pretty=wishes.prettify_markdown,
        formula_numbers=wishes.show_formula_number,
        layout=layout_options(wishes),
    )


def model_settings(wishes: LayoutParsingRequest, options: OcrOptions) -> dict[str, Any]:
    """The switches as PaddleX repeats them in each page's result."""
    return {
        "use_doc_preprocessor": options.orientation,
        "use_layout_detection": wishes.has_layout,
        "use_chart_recognition": options.chart or options.task == "chart",
        "use_seal_recognition": options.seal or options.task == "seal",
        "use_ocr_for_image_block": options.image_text,
        "format_block_content": bool(wishes.format_block_content),
        "merge_layout_blocks": options.merge_blocks,
        "markdown_ignore_labels": sorted(options.ignore_labels),
        "return_layout_polygon_points": wishes.layout_shape_mode != "rect",
    }


def _pixels(asked: int | None) -> int | None:
    return None if asked is None else min(max(asked, FEWEST_PIXELS), MOST_PIXELS)


def _task_pixels(wishes: LayoutParsingRequest) -> dict[str, tuple[int | None, int | None]]:
    limits = wishes.vlm_extra_args.limits if wishes.vlm_extra_args else {}
    return {kind: (_pixels(least), _pixels(most)) for kind, (least, most) in limits.items()}


def _ignored(wishes: LayoutParsingRequest) -> frozenset[str]:
    asked = wishes.markdown_ignore_labels
    return _DEFAULTS.ignore_labels if asked is None else frozenset(asked)


_FIELDS = {"nms": "layoutNms", "merge": "layoutMergeBboxesMode", "shape": "layoutShapeMode"}


Value = TypeVar("Value")


def layout_options(wishes: LayoutParsingRequest) -> LayoutOptions:
    threshold, ratio, merge = wishes.layout_threshold, wishes.layout_unclip_ratio, wishes.layout_merge_bboxes_mode
    return LayoutOptions(
        threshold=_by_label(threshold) if isinstance(threshold, Mapping) else threshold,
        nms=wishes.layout_nms is not False,
        stretch=_stretches(ratio),
        merge=_by_label(merge) if isinstance(merge, Mapping) else merge,
        shape=wishes.layout_shape_mode or "auto",
    )


def layout_warnings(layout: LayoutDetector, options: LayoutOptions) -> Sequence[str]:
    """What is not as asked for: another layout model serves, or it can't do what the request wants of it."""
    fields = ", ".join(f"`{_FIELDS[name]}`" for name in layout.unheeded(options))
    unheeded = f"{fields}: no effect with the layout model {layout.name}" if fields else None
    return [warning for warning in (layout.warning, unheeded) if warning]


def _by_label(values: Mapping[str, Value]) -> dict[str, Value]:
    """Classes that there are none of are left out, as PaddleX ignores them."""
    numbered = {str(at): label for at, label in enumerate(LABELS)}
    return {numbered[key]: value for key, value in values.items() if key in numbered}


def _stretches(ratio: float | Stretch | Mapping[str, float | Stretch] | None) -> Stretch | dict[str, Stretch] | None:
    if isinstance(ratio, Mapping):
        return {label: _stretch(one) for label, one in _by_label(ratio).items()}
    return None if ratio is None else _stretch(ratio)


def _stretch(ratio: float | Stretch) -> Stretch:
    return ratio if isinstance(ratio, tuple) else (ratio, ratio)
