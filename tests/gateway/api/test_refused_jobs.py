"""Jobs that can't be read whatever their file is: refused at once in each dialect's own words, and nothing is kept."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.gateway.intake.render.test_pdf import encrypted_pdf
from tests.support.answers import assert_problem
from tests.support.server import Gateway, gateway

FILE = ("a.pdf", pdf(1), "application/pdf")
ENCRYPTED = ("a.pdf", encrypted_pdf(), "application/pdf")
DATA_URL = {"document_url": f"data:application/pdf;base64,{base64.b64encode(FILE[1]).decode()}"}
ANALYZE = "/documentintelligence/documentModels/prebuilt-read:analyze"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Gateway]:
    with gateway(folder, jobs=True) as running:
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("closed"), jobs=True, url_fetch="off") as running:
        yield running


def _azure(client: httpx.Client) -> httpx.Response:
    headers = {"content-type": "application/pdf"}
    return client.post(ANALYZE, params={"pages": "0"}, content=FILE[1], headers=headers)


def _form(path: str, field: str, **fields: Any) -> Callable[[httpx.Client], httpx.Response]:  # noqa: ANN401
    return lambda client: client.post(path, files={field: FILE}, data=fields)


@pytest.mark.parametrize(
    ("send", "status", "names", "field"),
    [
        (_form("/jobs", "file", pages="0"), 422, {"title", "detail", "code"}, "`pages`: '0'"),
        (_form("/jobs", "file", pages="3-2"), 422, {"title", "detail", "code"}, "`pages`: '3-2'"),
        (
            _form("/api/v2/ocr/jobs", "file", model="PaddleOCR-VL", pageRanges="0-2"),
            400,
            {"code", "msg", "traceId"},
            "`pageRanges`: '0-2'",
        ),
        (_form("/v1/convert/file/async", "files", page_range=["3", "2"]), 422, {"detail"}, '"page_range"'),
        (_form("/tasks", "files", start_page_id="3", end_page_id="1"), 422, {"detail"}, '"end_page_id"'),
        (_form("/api/v1/marker", "file", page_range="5-2"), 422, {"detail"}, "`page_range`: '5-2'"),
        (_azure, 400, {"error"}, "`pages`: '0'"),
    ],
)
def test_pages_that_no_file_has(
    served: Gateway,
    folder: Path,
    send: Callable[[httpx.Client], httpx.Response],
    status: int,
    names: set[str],
    field: str,
) -> None:
    """The refusal names the field as it was sent, with its numbers."""
    answer = send(served.client)
    assert (answer.status_code, names <= set(answer.json())) == (status, True), answer.text
    assert field in answer.text
    assert not list((folder / "data" / "jobs").glob("*"))


@pytest.mark.parametrize(
    ("send", "told"),
    [
        (_form("/file_parse", "files", start_page_id="4", end_page_id="6"), "`start_page_id`: '4-6'"),
        (_form("/marker/upload", "file", page_range="4,6"), "`page_range`: '4'"),
        (_form("/v1/convert/file", "files", page_range=["5", "6"]), "`page_range`: '5-6'"),
        (lambda client: client.post("/v1/ocr", json={"document": DATA_URL, "pages": [0, 4]}), "`pages`: '4'"),
    ],
)
def test_pages_that_this_file_lacks(served: Gateway, send: Callable[[httpx.Client], httpx.Response], told: str) -> None:
    assert f"{told} names a page that does not exist: the file has 1 page" in send(served.client).text


@pytest.mark.parametrize(
    ("send", "has_password"),
    [
        (lambda client: client.post("/ocr", files={"file": ENCRYPTED}), True),
        (lambda client: client.post("/v2/parse/file", files={"file": ENCRYPTED}), False),
        (lambda client: client.post("/file_parse", files={"files": ENCRYPTED}), False),
        (lambda client: client.put("/process", content=ENCRYPTED[1]), False),
    ],
)
def test_a_password_is_asked_for_where_one_can_be_given(
    served: Gateway, send: Callable[[httpx.Client], httpx.Response], has_password: bool
) -> None:
    answer = send(served.client).text
    assert "asks for a password" in answer
    assert ("give it in `password`" in answer) == has_password


by_url = pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/jobs", lambda url: {"source": {"url": url}}),
        ("/api/v2/ocr/jobs", lambda url: {"model": "PaddleOCR-VL", "fileUrl": url}),
        ("/v1/convert/source/async", lambda url: {"sources": [{"kind": "http", "url": url}]}),
        (ANALYZE, lambda url: {"urlSource": url}),
    ],
)


@pytest.mark.parametrize(
    "url",
    [
        "report.pdf",
        "file:///etc/passwd",
        "http://[::1",
        "http://me:secret@example.com/",
        "http://192.168.0.1/a.pdf",
        "https://example.com:8443/a.pdf",
    ],
)
@by_url
def test_urls_that_are_never_fetched(
    served: Gateway, folder: Path, path: str, body: Callable[[str], Any], url: str
) -> None:
    answer = served.client.post(path, json=body(url))
    assert answer.status_code in (400, 422), answer.text
    assert not list((folder / "data" / "jobs").glob("*"))


@by_url
def test_a_service_that_fetches_nothing(closed: Gateway, path: str, body: Callable[[str], Any]) -> None:
    """Each dialect says so in its own words, and nothing is kept."""
    answer = closed.client.post(path, json=body("https://example.com/a.pdf"))
    assert answer.status_code in (400, 422), answer.text
    assert "fetches no URLs (URL_FETCH=off)" in answer.text
    assert not list((closed.service.settings.data_dir / "jobs").glob("*"))


@pytest.mark.parametrize("place", ["inbox/a.pdf", "s3://elsewhere/a.pdf"])
def test_a_service_without_a_bucket(closed: Gateway, place: str) -> None:
    answer = closed.client.post("/jobs", json={"sources": [{"s3": place}, {"s3": "inbox/b.pdf"}]})
    assert_problem(answer, 400, "source_not_supported")
    assert not list((closed.service.settings.data_dir / "jobs").glob("*"))


def test_a_query_at_fault_is_named_as_fastapi_names_it(served: Gateway) -> None:
    answer = served.client.get("/v1/status/poll/unknown", params={"wait": "soon"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "wait"]


def test_an_item_at_fault_is_named_as_fastapi_names_it(served: Gateway) -> None:
    sources = [{"kind": "file", "filename": "a.pdf", "base64_string": "***"}]
    answer = served.client.post("/v1/convert/source", json={"sources": sources})
    assert answer.json()["detail"][0]["loc"] == ["body", "sources", 0, "base64_string"]
