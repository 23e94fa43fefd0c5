"""The service that a tool asks: one that runs already, or one of the tool's own with the embedded engine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.processes import START_S
from benchmarks.service import start_service

NO_ANSWER = 0
"""In place of an HTTP status: the connection broke, or nothing came in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a request; `status` is that of HTTP or `NO_ANSWER`, where `body` says why."""

    status: int
    body: bytes
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """The body's JSON object; empty where it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def markdown(self) -> str:
        return str(self.fields.get("markdown") or "")

    @property
    def code(self) -> str | None:
        """Of an error, as docs/api.md lists them."""
        return self.fields.get("code")

    @property
    def pages(self) -> Sequence[Mapping[str, Any]]:
        pages: Sequence[Mapping[str, Any]] = self.fields.get("pages") or []
        return pages

    @property
    def warnings(self) -> list[str]:
        """Of the document and of its pages, each once."""
        found = [*self.fields.get("warnings", []), *(text for page in self.pages for text in page.get("warnings", []))]
        return list(dict.fromkeys(found))


@contextmanager
def open_service(url: str | None, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """The URL of a service. Without `url` one is started with these settings, and stopped at the end."""
    if url:
        yield url.rstrip("/")
        return
    with start_service(START_S, **{"VLM_ENGINE": "embedded", **(environment or {})}) as service:
        yield service.url


def send_document(url: str, file: Path, options: Mapping[str, str], timeout_s: float | None = None) -> Answer:
    """Answer of `POST /ocr` to a file. Options go into the query, pictures are left out."""
    start = time.perf_counter()
    try:
        with file.open("rb") as data:
            answer = httpx2.post(
                f"{url}/ocr", params={"images": "none", **options}, files={"file": (file.name, data)},
                timeout=timeout_s, trust_env=False,
            )  # fmt: skip
    except httpx2.HTTPError as error:
        return Answer(NO_ANSWER, repr(error).encode(), time.perf_counter() - start)
    return Answer(answer.status_code, answer.content, time.perf_counter() - start, dict(answer.headers))
