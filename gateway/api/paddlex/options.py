"""What a PaddleX request asks of our pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.api.paddlex.layout import layout_options
from gateway.api.paddlex.request import LayoutParsingRequest, PromptLabel
from gateway.model import OcrOptions

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
