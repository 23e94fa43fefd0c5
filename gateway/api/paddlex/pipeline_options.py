"""What a PaddleX request asks of our pipeline and of the layout model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from gateway.api.paddlex.schema import LayoutParsingRequest, PromptLabel
from gateway.layout.base import LayoutDetector
from gateway.layout.pp_doclayout.postprocess import LABELS
from gateway.reading_options import NAMELESS, LayoutOptions, OcrOptions, Stretch

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


def ocr_options(params: LayoutParsingRequest) -> OcrOptions:
    return OcrOptions(
        names=NAMELESS,
        task="document" if params.has_layout else _TASKS[params.prompt_label or "ocr"],
        orientation=bool(params.use_doc_orientation_classify),
        chart=bool(params.use_chart_recognition),
        seal=bool(params.use_seal_recognition),
        image_text=bool(params.use_ocr_for_image_block),
        min_pixels=_pixels(params.min_pixels),
        max_pixels=_pixels(params.max_pixels),
        task_pixels=_task_pixels(params),
        max_tokens=params.max_new_tokens and min(params.max_new_tokens, MOST_TOKENS),
        temperature=params.temperature,
        top_p=params.top_p,
        repetition_penalty=params.repetition_penalty,
        ignore_labels=_choose_ignored_labels(params),
        merge_blocks=params.merge_layout_blocks is not False,
        pretty=params.prettify_markdown,
        formula_numbers=params.show_formula_number,
        text_layer=params.text_layer or _DEFAULTS.text_layer,
        recognition=params.recognition or _DEFAULTS.recognition,
        cells="known",
        layout=layout_options(params),
    )


def model_settings(params: LayoutParsingRequest, options: OcrOptions) -> dict[str, Any]:
    """The switches as PaddleX repeats them in each page's result."""
    return {
        "use_doc_preprocessor": options.orientation,
        "use_layout_detection": params.has_layout,
        "use_chart_recognition": options.chart or options.task == "chart",
        "use_seal_recognition": options.seal or options.task == "seal",
        "use_ocr_for_image_block": options.image_text,
        "format_block_content": bool(params.format_block_content),
        "merge_layout_blocks": options.merge_blocks,
        "markdown_ignore_labels": sorted(options.ignore_labels),
        "return_layout_polygon_points": params.layout_shape_mode != "rect",
    }


def _pixels(asked: int | None) -> int | None:
    return None if asked is None else min(max(asked, FEWEST_PIXELS), MOST_PIXELS)


def _task_pixels(params: LayoutParsingRequest) -> dict[str, tuple[int | None, int | None]]:
    limits = params.vlm_extra_args.limits if params.vlm_extra_args else {}
    return {kind: (_pixels(least), _pixels(most)) for kind, (least, most) in limits.items()}


def _choose_ignored_labels(params: LayoutParsingRequest) -> frozenset[str]:
    asked = params.markdown_ignore_labels
    return _DEFAULTS.ignore_labels if asked is None else frozenset(asked)


_FIELDS = {"nms": "layoutNms", "merge": "layoutMergeBboxesMode", "shape": "layoutShapeMode"}
Value = TypeVar("Value")


def layout_options(params: LayoutParsingRequest) -> LayoutOptions:
    threshold, ratio, merge = params.layout_threshold, params.layout_unclip_ratio, params.layout_merge_bboxes_mode
    return LayoutOptions(
        threshold=_map_to_labels(threshold) if isinstance(threshold, Mapping) else threshold,
        nms=params.layout_nms is not False,
        stretch=_stretches(ratio),
        merge=_map_to_labels(merge) if isinstance(merge, Mapping) else merge,
        shape=params.layout_shape_mode or "auto",
    )


def layout_warnings(layout: LayoutDetector, options: LayoutOptions) -> Sequence[str]:
    """What is not as asked for: another layout model serves, or it can't do what the request wants of it."""
    fields = ", ".join(f"`{_FIELDS[name]}`" for name in layout.list_unsupported(options))
    list_unsupported = f"{fields}: no effect with the layout model {layout.name}" if fields else None
    return [warning for warning in (layout.warning, list_unsupported) if warning]


def _map_to_labels(values: Mapping[str, Value]) -> dict[str, Value]:
    """Classes that there are none of are left out, as PaddleX ignores them."""
    numbered = {str(at): label for at, label in enumerate(LABELS)}
    return {numbered[key]: value for key, value in values.items() if key in numbered}


def _stretches(ratio: float | Stretch | Mapping[str, float | Stretch] | None) -> Stretch | dict[str, Stretch] | None:
    if isinstance(ratio, Mapping):
        return {label: _stretch(one) for label, one in _map_to_labels(ratio).items()}
    return None if ratio is None else _stretch(ratio)


def _stretch(ratio: float | Stretch) -> Stretch:
    return ratio if isinstance(ratio, tuple) else (ratio, ratio)
