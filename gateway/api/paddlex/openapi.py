"""What OpenAPI says of PaddleX's routes, whose bodies FastAPI doesn't parse: refusing comes before reading."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from gateway.api.ocr.openapi import IDEMPOTENCY_KEY
from gateway.api.openapi import inlined_schema
from gateway.api.paddlex.errors import Envelope
from gateway.api.paddlex.schema import LayoutParsingRequest, RestructurePagesRequest

LAYOUT_PARSING_DESCRIPTION = """PaddleX's and PaddleOCR's serving API for PaddleOCR-VL: their clients work unchanged.

`file` is a PDF, PNG, JPEG, WebP, BMP, GIF or TIFF document, as base64 or as a URL; told by its bytes. Fields that
PaddleX does not know are ignored. Boxes are pixels of the page; of PDF pages at 144 dpi. Where a part of the document
could not be read, `result.warnings` names it.
"""

RESTRUCTURE_PAGES_DESCRIPTION = """Puts pages together as one document: tables that page breaks cut, levels of headings.

`pages` are results of `POST /layout-parsing`, all and in order: each with its `prunedResult`, unchanged, and its
`markdown.images` as `markdownImages`. No engine is needed.
"""

_ENVELOPE = {"application/json": {"schema": Envelope.model_json_schema(by_alias=True)}}


def _request(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": inlined_schema(model), "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


_EXAMPLE_DOCUMENT = {"file": "iVBORw0KGgo…", "fileType": 1, "visualize": False}
LAYOUT_PARSING_REQUEST = {"parameters": [IDEMPOTENCY_KEY], **_request(LayoutParsingRequest, _EXAMPLE_DOCUMENT)}

_EXAMPLE_PAGE = {
    "prunedResult": {
        "page_count": 2,
        "width": 1190,
        "height": 1684,
        "model_settings": {"use_layout_detection": True},
        "parsing_res_list": [
            {"block_label": "doc_title", "block_content": "A title", "block_bbox": [90, 80, 1100, 140]},
        ],
    },
    "markdownImages": {},
}

RESTRUCTURE_PAGES_REQUEST = _request(RestructurePagesRequest, {"pages": [_EXAMPLE_PAGE], "concatenatePages": True})

PADDLEX_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": _ENVELOPE}
    for status in (401, 408, 413, 422, 429, 500, 503, 504)
}
