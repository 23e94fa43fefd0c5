"""Datalab's Marker, by the requests that its SDK and Open WebUI's loader send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.support.pages import script_page
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until

MARKER, CONVERT, UPLOAD = "/api/v1/marker", "/api/v1/convert", "/marker/upload"
OPEN_WEBUI = {
    **dict.fromkeys(("use_llm", "skip_cache", "force_ocr", "paginate", "strip_existing_ocr", "format_lines"), "false"),
    "disable_image_extraction": "false",
    "output_format": "markdown",
}


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, jobs=True, api_keys="one,two", max_upload_mb=2) as running:
        running.client.headers["x-api-key"] = "one"
        yield running


@pytest.fixture
def served(_running: Gateway) -> Gateway:
    _running.reset()
    script_page(_running)
    return _running


def post(served: Gateway, path: str, data: bytes, name: str = "report.pdf", **fields: str) -> httpx.Response:
    return served.client.post(path, files={"file": (name, data, "application/octet-stream")}, data=fields)


def read(served: Gateway, data: bytes, path: str = MARKER, **fields: str) -> dict[str, Any]:
    """What polling ends with."""
    submitted = post(served, path, data, **fields)
    assert submitted.status_code == 200, submitted.text
    url = submitted.json()["request_check_url"]
    assert url.endswith(f"{path}/{submitted.json()['request_id']}")
    answers: list[dict[str, Any]] = []

    def is_over() -> bool:
        answers.append(served.client.get(url).json())
        return bool(answers[-1]["status"] != "processing")

    wait_until(is_over, "the document")
    assert all(answer["success"] is not False for answer in answers[:-1])
    return answers[-1]


@pytest.mark.parametrize("path", [MARKER, CONVERT])
def test_markdown_and_pictures(served: Gateway, path: str) -> None:
    got = read(served, pdf(2), path, **OPEN_WEBUI)
    assert (got["status"], got["success"], got["page_count"], got["html"]) == ("complete", True, 2, None)
    assert got["markdown"].count("# A title") == 2
    assert len(got["images"]) == 2
    for name, picture in got["images"].items():
        assert f"![]({name})" in got["markdown"]
        assert picture.startswith("/9j/")


def test_pages_are_named_and_chosen_from_zero(served: Gateway) -> None:
    got = read(served, pdf(4), paginate="true", page_range="0,2-3", disable_image_extraction="True")
    marks = [line for line in got["markdown"].splitlines() if line.endswith("-" * 48)]
    assert [mark.rstrip("-") for mark in marks] == ["{0}", "{2}", "{3}"]
    assert (got["images"], "![" in got["markdown"]) == ({}, False)
    assert read(served, pdf(4), max_pages="2")["page_count"] == 2


def test_html_and_the_tree(served: Gateway) -> None:
    html = read(served, pdf(1), output_format="html")
    assert "<h1>A title</h1>" in html["html"]
    assert f'src="{next(iter(html["images"]))}"' in html["html"]
    (page,) = read(served, pdf(1), output_format="json")["json"]["children"]
    blocks = page["children"]
    assert [block["block_type"] for block in blocks] == [
        *("PageHeader", "SectionHeader", "SectionHeader", "ListGroup", "Table", "Picture", "Caption"),
        *("Equation", "Text", "PageFooter"),
    ]
    assert "<td>Name</td>" in blocks[4]["html"]
    assert f'src="{next(iter(blocks[5]["images"]))}"' in blocks[5]["html"]
    assert [len(block["images"]) for block in blocks] == [0] * 5 + [1] + [0] * 4
    assert (blocks[1]["bbox"], page["block_type"]) == ([20, 29, 145, 54], "Page")


def test_a_self_hosted_marker_answers_at_once(served: Gateway) -> None:
    answer = post(served, UPLOAD, pdf(2), paginate_output="true", output_format="markdown").json()
    assert (answer["success"], answer["format"], answer["page_count"]) == (True, "markdown", 2)
    assert answer["output"].startswith("{0}" + "-" * 48 + "\n\n# A title")
    assert all(f"![]({name})" in answer["output"] for name in answer["images"])
    failed = post(served, UPLOAD, b"plain text")
    assert (failed.status_code, failed.json()["success"]) == (200, False)
    assert "plain text" in failed.json()["error"]


def test_a_document_that_fails(served: Gateway) -> None:
    failed = read(served, b"plain text")
    assert (failed["status"], failed["success"]) == ("failed", False)
    assert "plain text" in failed["error"]
    served.engine.answer = lambda _request: Reply(status=400, text="no")
    unread = read(served, pdf(1))
    assert (unread["status"], unread["success"], bool(unread["error"])) == ("failed", False, True)


def test_documents_belong_to_their_key(served: Gateway) -> None:
    url = post(served, MARKER, pdf(1)).json()["request_check_url"]
    other = served.client.get(url, headers={"x-api-key": "two"})
    assert (other.status_code, set(other.json())) == (404, {"detail"})
    assert served.client.get(f"{CONVERT}/{'0' * 32}").status_code == 404
    wrong = served.client.post(MARKER, headers={"x-api-key": "no"})
    assert (wrong.status_code, set(wrong.json())) == (401, {"detail"})


@pytest.mark.parametrize("path", [MARKER, CONVERT, UPLOAD])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": b""}, 422),
        ({"json": {}}, 422),
        ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 422),
        ({"files": {"document": ("a.pdf", b"a")}}, 422),
        ({"files": [("file", ("a.pdf", b"a")), ("file", ("b.pdf", b"b"))]}, 422),
        ({"files": {"file": ("a.pdf", b"a")}, "data": {"output_format": "docx"}}, 422),
        ({"files": {"file": ("a.pdf", b"a")}, "data": {"paginate": "perhaps"}}, 422),
        ({"files": {"file": ("a.pdf", b"a")}, "data": {"page_range": "one"}}, 422),
        ({"files": {"file": ("a.pdf", b"a")}, "data": {"page_range": "1", "max_pages": "2"}}, 422),
        ({"files": {"file": ("a.pdf", b"")}}, 422),
        ({"files": {"file": ("a.pdf", bytes(3_000_000))}}, 413),
    ],
)
def test_what_is_refused_leaves_nothing(served: Gateway, path: str, body: dict[str, Any], status: int) -> None:
    folder = served.service.settings.data_dir / "jobs"
    before = {*folder.iterdir()}
    answer = served.client.post(path, **body)
    assert (answer.status_code, set(answer.json())) == (status, {"detail"}), answer.text
    assert {*folder.iterdir()} == before


def test_a_service_that_takes_nothing_says_when_to_come_back(served: Gateway) -> None:
    served.service.draining = True
    try:
        answers = [post(served, path, pdf(1)) for path in (MARKER, UPLOAD)]
    finally:
        served.service.draining = False
    for answer in answers:
        assert (answer.status_code, set(answer.json())) == (503, {"detail"})
        assert int(answer.headers["retry-after"]) > 0
