"""Requests to the service, which the client for threads and the one for asyncio send alike."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from paddleocr_vl_client.options import drop_none, encode_query
from paddleocr_vl_client.sources import FileUpload, SteadyFile, Upload

IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, which may be sent several times: the service tells repetitions by the `Idempotency-Key`.

    `query` goes into the URL, `options` beside the document.
    """

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    upload: Upload | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Of httpx's `build_request`, for the next try."""
        arguments: dict[str, Any] = {"method": self.method, "url": self.path, "headers": dict(self.headers)}
        if self.query:
            arguments["params"] = encode_query(self.query)
        match self.upload:
            case None:
                return arguments
            case FileUpload(file, name):
                files = {"file": (name, SteadyFile(file))}
                return arguments | {"files": files, "data": encode_query(self.options)}
            case remote:
                source = {remote.kind: remote.place}
                return arguments | {"json": {"source": source, **drop_none(self.options)}}


def ocr_call(upload: Upload, options: Mapping[str, object], idempotency_key: str | None) -> Call:
    return _document_call("/ocr", upload, options, _idempotent(idempotency_key))


def stream_call(upload: Upload, options: Mapping[str, object]) -> Call:
    """Streams have no `Idempotency-Key`: the service refuses it."""
    return _document_call("/ocr", upload, {**options, "stream": True}, {})


def submit_call(upload: Upload, options: Mapping[str, object], idempotency_key: str | None) -> Call:
    return _document_call("/jobs", upload, options, _idempotent(idempotency_key))


def job_path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"


def job_call(job_id: str, part: str = "", method: str = "GET", **query: object) -> Call:
    return Call(method, f"{job_path(job_id)}{part}", query)


def _document_call(path: str, upload: Upload, options: Mapping[str, object], headers: Mapping[str, str]) -> Call:
    """The priority goes into the URL, where the service sees it before it admits the body."""
    beside = {name: value for name, value in options.items() if name != "priority"}
    return Call("POST", path, {"priority": options.get("priority")}, upload, beside, headers)


def _idempotent(key: str | None) -> dict[str, str]:
    return {IDEMPOTENCY_KEY: key or uuid.uuid4().hex}
