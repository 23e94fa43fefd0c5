"""What docling-serve's routes refuse, in FastAPI's shape."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.support.server import Gateway

FILE, SOURCE = "/v1/convert/file", "/v1/convert/source"
DOCUMENT = {"kind": "file", "filename": "a.pdf", "base64_string": base64.b64encode(pdf(1)).decode()}


def assert_refused(answer: httpx.Response, status: int, field: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"detail"}
    if field is None:
        assert isinstance(body["detail"], str)
    else:
        (error,) = body["detail"]
        assert set(error) == {"loc", "msg", "type"}
        assert error["loc"][:2] == ["body", field]


@pytest.mark.parametrize("ending", ["", "/async"])
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"to_formats": "docx"}, "to_formats"),
        ({"to_formats": "[" * 50_000}, "to_formats"),
        ({"page_range": "1"}, "page_range"),
        ({"page_range": ["one", "two"]}, "page_range"),
        ({"page_range": ["3", "2"]}, "page_range"),
        ({"page_range": ["0", "2"]}, "page_range"),
        ({"image_export_mode": "drawn"}, "image_export_mode"),
        ({"include_images": "perhaps"}, "include_images"),
        ({"target_type": "put"}, "target"),
        ({"callbacks": '[{"url": "http://a"}]'}, "callbacks"),
    ],
)
def test_fields_of_forms(served: Gateway, ending: str, fields: dict[str, Any], field: str) -> None:
    answer = served.client.post(FILE + ending, files={"files": ("a.pdf", pdf(1))}, data=fields)
    assert_refused(answer, 422, field)


@pytest.mark.parametrize("ending", ["", "/async"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "sources"),
        ({"sources": []}, "sources"),
        ({"sources": [DOCUMENT, DOCUMENT]}, "sources"),
        ({"sources": [{"kind": "s3"}]}, "sources"),
        ({"sources": [{**DOCUMENT, "base64_string": "***"}]}, "sources"),
        ({"sources": [{**DOCUMENT, "base64_string": 7}]}, "sources"),
        ({"sources": [{**DOCUMENT, "base64_string": ""}]}, "sources"),
        ({"sources": [DOCUMENT], "options": []}, "options"),
        ({"sources": [DOCUMENT], "options": {"page_range": [3, 2]}}, "options"),
        ({"sources": [DOCUMENT], "callbacks": [{"url": "http://a"}]}, "callbacks"),
        ({"sources": [{"kind": "http", "url": "http://a", "headers": {"a": "b"}}]}, "sources"),
    ],
)
def test_fields_of_json(served: Gateway, ending: str, body: dict[str, Any], field: str) -> None:
    assert_refused(served.client.post(SOURCE + ending, json=body), 422, field)


@pytest.mark.parametrize("path", [FILE, SOURCE, f"{FILE}/async", f"{SOURCE}/async"])
@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b'{"sources":', b"\xff", b"[]"])
def test_bodies_that_are_none(served: Gateway, path: str, content: bytes) -> None:
    answer = served.client.post(path, content=content, headers={"content-type": "application/json"})
    assert_refused(answer, 422, "files" if "/file" in path else None)


def test_a_form_without_a_file_or_with_several(served: Gateway) -> None:
    assert_refused(served.client.post(FILE, files={"other": ("a", b"b")}), 422, "files")
    assert_refused(served.client.post(FILE, files=[("files", ("a", b"b")), ("files", ("c", b"d"))]), 422, "files")
    assert_refused(served.client.post(FILE, files={"files": ("a.pdf", b"")}), 422)


def test_presigned_results_are_refused_in_words_that_clients_know(served: Gateway) -> None:
    for path, sent in (
        (FILE, {"files": {"files": ("a.pdf", pdf(1))}, "data": {"target_type": "presigned_url"}}),
        (SOURCE, {"json": {"sources": [DOCUMENT], "target": {"kind": "presigned_url"}}}),
    ):
        answer = served.client.post(f"{path}/async", **sent)
        assert_refused(answer, 422)
        assert "artifact storage to be configured" in answer.json()["detail"]


def test_wrong_keys_and_large_bodies(served: Gateway) -> None:
    assert_refused(served.client.post(FILE, headers={"x-api-key": "wrong"}, files={"files": ("a", b"b")}), 401)
    assert_refused(served.client.post(FILE, files={"files": ("a", bytes(3_000_000))}), 413)
    assert_refused(served.client.get("/v1/status/poll/1", headers={"x-api-key": "wrong"}), 401)
    wait = served.client.get("/v1/status/poll/1", params={"wait": "inf"})
    assert wait.status_code == 422
    assert set(wait.json()) == {"detail"}


def test_nothing_is_left_of_what_was_refused(served: Gateway) -> None:
    folder = served.service.settings.data_dir / "jobs"
    before = {*folder.iterdir()}
    served.client.post(f"{FILE}/async", files={"files": ("a.pdf", pdf(1))}, data={"to_formats": "docx"})
    served.client.post(f"{SOURCE}/async", json={"sources": [{**DOCUMENT, "base64_string": "***"}]})
    assert {*folder.iterdir()} == before


def test_a_service_that_takes_nothing_says_when_to_come_back(served: Gateway) -> None:
    served.service.draining = True
    try:
        answers = [served.client.post(path, files={"files": ("a.pdf", pdf(1))}) for path in (FILE, f"{FILE}/async")]
    finally:
        served.service.draining = False
    for answer in answers:
        assert_refused(answer, 503)
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/v1/chunk/hybrid/file", "/v1/chunk/hierarchical/source/async"])
def test_chunks_are_refused_by_what_makes_them(served: Gateway, path: str) -> None:
    answer = served.client.post(path, files={"files": ("a.pdf", pdf(1))})
    assert_refused(answer, 404)
    assert "docling-core" in answer.json()["detail"]
