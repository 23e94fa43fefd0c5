"""The options of a document, by the names that the service has for them (docs/api.md, "Options")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

Task = Literal["document", "text", "table", "formula", "chart", "seal", "spotting"]
Format = Literal["json", "markdown", "html", "text", "pdf", "hocr", "alto", "docx", "xlsx", "csv"]
"""What a document is converted to."""
Included = Literal["lines", "words", "cells", "html", "page_image"]
JsonObject = dict[str, Any]


class ReadOptions(TypedDict, total=False):
    """None counts as not given."""

    pages: str | None
    password: str | None
    model: str | None
    task: Task | None
    priority: Literal["interactive", "batch"] | None
    images: Literal["inline", "stored", "none"] | None
    include: Sequence[Included] | None
    chart: bool | None
    seal: bool | None
    image_text: bool | None
    text_layer: Literal["auto", "never", "only"] | None
    recognition: Literal["vlm", "hybrid"] | None
    dpi: int | None
    orientation: bool | None
    min_pixels: int | None
    max_pixels: int | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    repetition_penalty: float | None
    min_confidence: float | None
    ignore_labels: Sequence[str] | None
    merge_blocks: bool | None
    merge_tables: bool | None
    join_paragraphs: bool | None
    relevel_titles: bool | None


def encode_query(options: Mapping[str, object]) -> dict[str, str]:
    """As the query and form fields have them."""
    return {name: _encode(value) for name, value in options.items() if value is not None}


def drop_none(options: Mapping[str, object]) -> JsonObject:
    return {name: value for name, value in options.items() if value is not None}


def _encode(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return ",".join(map(str, value)) if isinstance(value, Sequence) else str(value)
