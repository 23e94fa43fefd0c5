"""Jobs that can't be read whatever their file is: refused at once in each dialect's own words, and nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.support.server import Gateway, gateway

FILE = ("a.pdf", pdf(1), "application/pdf")
ANALYZE = "/documentintelligence/documentModels/prebuilt-read:analyze"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Gateway]:
    with gateway(folder, jobs=True) as running:
        yield running


def _azure(client: httpx.Client) -> httpx.Response:
    headers = {"content-type": "application/pdf"}
    return client.post(ANALYZE, params={"pages": "0"}, content=FILE[1], headers=headers)


def _form(path: str, field: str, **fields: Any) -> Callable[[httpx.Client], httpx.Response]:  # noqa: ANN401
    return lambda client: client.post(path, files={field: FILE}, data=fields)


@pytest.mark.parametrize(
    ("send", "status", "names"),
    [
        (_form("/jobs", "file", pages="0"), 422, {"title", "detail", "code"}),
        (_form("/jobs", "file", pages="3-2"), 422, {"title", "detail", "code"}),
        (_form("/api/v2/ocr/jobs", "file", model="PaddleOCR-VL", pageRanges="0-2"), 400, {"code", "msg", "traceId"}),
        (_form("/v1/convert/file/async", "files", page_range=["3", "2"]), 422, {"detail"}),
        (_form("/tasks", "files", start_page_id="3", end_page_id="1"), 422, {"detail"}),
        (_form("/api/v1/marker", "file", page_range="5-2"), 422, {"detail"}),
        (_azure, 400, {"error"}),
    ],
)
def test_pages_that_no_file_has(
    served: Gateway, folder: Path, send: Callable[[httpx.Client], httpx.Response], status: int, names: set[str]
) -> None:
    answer = send(served.client)
    assert (answer.status_code, names <= set(answer.json())) == (status, True), answer.text
    assert not list((folder / "data" / "jobs").glob("*"))


@pytest.mark.parametrize("url", ["report.pdf", "file:///etc/passwd", "http://[::1", "http://me:secret@example.com/"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/jobs", lambda url: {"source": {"url": url}}),
        ("/api/v2/ocr/jobs", lambda url: {"model": "PaddleOCR-VL", "fileUrl": url}),
        ("/v1/convert/source/async", lambda url: {"sources": [{"kind": "http", "url": url}]}),
        (ANALYZE, lambda url: {"urlSource": url}),
    ],
)
def test_urls_that_are_never_fetched(
    served: Gateway, folder: Path, path: str, body: Callable[[str], Any], url: str
) -> None:
    answer = served.client.post(path, json=body(url))
    assert answer.status_code in (400, 422), answer.text
    assert not list((folder / "data" / "jobs").glob("*"))


def test_a_query_at_fault_is_named_as_fastapi_names_it(served: Gateway) -> None:
    answer = served.client.get("/v1/status/poll/unknown", params={"wait": "soon"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "wait"]


def test_an_item_at_fault_is_named_as_fastapi_names_it(served: Gateway) -> None:
    sources = [{"kind": "file", "filename": "a.pdf", "base64_string": "***"}]
    answer = served.client.post("/v1/convert/source", json={"sources": sources})
    assert answer.json()["detail"][0]["loc"] == ["body", "sources", 0, "base64_string"]
