"""What OpenAPI says of `POST /layout-parsing`, whose body FastAPI doesn't parse: refusing comes before reading."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from gateway.api.description import IDEMPOTENCY_KEY
from gateway.api.paddlex.errors import Envelope
from gateway.api.paddlex.request import LayoutParsingRequest

LAYOUT_PARSING_DESCRIPTION = """PaddleX's and PaddleOCR's serving API for PaddleOCR-VL: their clients work unchanged.

`file` is a PDF, PNG, JPEG, WebP, BMP, GIF or TIFF document, as base64 or as a URL; told by its bytes. Fields that
PaddleX does not know are ignored. Boxes are pixels of the page; of PDF pages at 144 dpi. Where a part of the document
could not be read, `result.warnings` names it.
"""

_ENVELOPE = {"application/json": {"schema": Envelope.model_json_schema(by_alias=True)}}

LAYOUT_PARSING_REQUEST: dict[str, Any] = {
    "parameters": [IDEMPOTENCY_KEY],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": LayoutParsingRequest.model_json_schema(by_alias=True),
                "example": {"file": "iVBORw0KGgo…", "fileType": 1, "visualize": False},
            }
        },
    },
}

LAYOUT_PARSING_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": _ENVELOPE}
    for status in (401, 408, 413, 422, 429, 500, 501, 503, 504)
}
