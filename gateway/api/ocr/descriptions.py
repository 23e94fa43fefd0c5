"""What OpenAPI says of `POST /ocr`, whose body FastAPI doesn't parse: refusing comes before reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.api.example import EXAMPLE_PICTURE
from gateway.api.ocr.options import RequestOptions
from gateway.api.openapi import written_schemas
from gateway.api.problems import problem_responses

OCR_DESCRIPTION = """Reads one document (PNG, JPEG, WebP, BMP, GIF, TIFF, JPEG 2000, HEIC, AVIF or PDF; told by its
bytes, not by its name).

Send it as `multipart/form-data` with a part `file`, as JSON with `source`, or as the bare bytes. Options may stand in
the query, in form fields, or beside `source`; they mean the same everywhere. `Accept` may choose the format instead of
`format`, and `Accept: text/event-stream` means `stream=true`.

With `stream=true` the answer is a stream of server-sent events: `meta` (id, model, engine, document, numbers of the
pages to come), `page` (one page as in the JSON answer, with its own `images`) as each is finished, in order, then
`done` (id, status, usage, timings, warnings) or `error` (a problem).

`status` is `ok`, `partial` (each loss is named in `warnings` and in its block's `status`) or `failed`.
"""

_EXAMPLE_BLOCK = {
    "id": "p1-b1",
    "label": "doc_title",
    "bbox": [90, 80, 1100, 140],
    "polygon": None,
    "order": 1,
    "content": "A title",
    "spots": None,
    "lines": None,
    "confidence": 0.98,
    "title_level": None,
    "continues": None,
    "status": "ok",
    "error": None,
}
_EXAMPLE = {
    "id": "0f0c6f0e2b3f4f0c8c0e8c2a8f3d1b7e",
    "status": "ok",
    "model": "PaddleOCR-VL-1.6",
    "engine": "vllm",
    "document": {"name": "a.pdf", "media_type": "application/pdf", "pages_total": 12, "sha256": "9f86d081…"},
    "pages": [
        {
            "page": 1,
            "width": 1190,
            "height": 1684,
            "dpi": 144,
            "status": "ok",
            "markdown": "# A title",
            "blocks": [_EXAMPLE_BLOCK],
            "warnings": [],
        }
    ],
    "markdown": "# A title",
    "images": {},
    "usage": {"pages": 1, "regions": 1, "prompt_tokens": 120, "completion_tokens": 4},
    "timings": {"total_ms": 410, "intake_ms": 20, "layout_ms": 130, "recognition_ms": 250},
    "warnings": [],
}


def _option_schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = RequestOptions.model_json_schema()["properties"]
    return schemas


def _form_schema() -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "description": "The document"}
    return {"type": "object", "required": ["file"], "properties": {"file": file, **written_schemas(_option_schemas())}}


def _json_schema() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    source = {
        "type": "object",
        "description": "The document: exactly one of `base64`, `url`, `s3`",
        "oneOf": [{"required": [kind]} for kind in ("base64", "url", "s3")],
        "properties": {
            "base64": {**text, "description": "The document's bytes; a base64 `data:` URL is taken too"},
            "name": {"type": "string", "description": "A name to show in the answer"},
            "url": {**text, "description": "Where the service fetches it, by the rules of `URL_FETCH`"},
            "s3": {**text, "description": "Its key in the bucket of the service, or `s3://bucket/key`"},
        },
    }
    return {
        "type": "object",
        "required": ["source"],
        "additionalProperties": False,
        "properties": {"source": source, **_option_schemas()},
    }


IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "A request that is sent again with the same key gets the answer of the first one; not for streams",
}


def _parameters() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": schema,
            "description": schema.get("description", ""),
            **_separation(schema),
        }
        for name, schema in written_schemas(_option_schemas()).items()
    ] + [IDEMPOTENCY_KEY]


def _separation(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Lists are written with commas; OpenAPI takes them for repeated parameters unless it is told."""
    return {"style": "form", "explode": False} if schema.get("type") == "array" else {}


def _form_encoding() -> dict[str, Any]:
    separations = {name: _separation(schema) for name, schema in written_schemas(_option_schemas()).items()}
    return {name: separation for name, separation in separations.items() if separation}


_BYTES = {"schema": {"type": "string", "format": "binary"}}
_TEXT = {"schema": {"type": "string"}}

OCR_REQUEST: dict[str, Any] = {
    "parameters": _parameters(),
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _form_schema(), "encoding": _form_encoding()},
            "application/json": {
                "schema": _json_schema(),
                "example": {"source": {"base64": EXAMPLE_PICTURE}, "pages": "1", "images": "none"},
            },
            "application/octet-stream": _BYTES,
            "application/pdf": _BYTES,
        },
    },
}

OCR_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What was read. `X-OCR-Status` and `X-OCR-ID` repeat the status and id for every format.",
        "content": {
            "application/json": {"example": _EXAMPLE},
            "text/markdown": {**_TEXT, "example": "# A title\n"},
            "text/html": _TEXT,
            "text/plain": _TEXT,
            "text/vnd.hocr+html": _TEXT,
            "text/csv": _TEXT,
            "application/xml": _TEXT,
            "application/pdf": _BYTES,
            "application/zip": _BYTES,
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document": _BYTES,
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": _BYTES,
            "text/event-stream": {**_TEXT, "example": 'event: meta\ndata: {"id": "…"}\n\nevent: page\ndata: {…}\n\n'},
        },
    },
    **problem_responses(400, 401, 408, 413, 415, 422, 429, 500, 502, 503, 504),
}
