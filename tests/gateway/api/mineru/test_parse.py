"""MinerU's `/file_parse` and `/tasks`, by the requests that RAGFlow, Dify, Open WebUI and LightRAG send."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.support.pages import script_page
from tests.support.server import Gateway, gateway
from tests.support.waiting import wait_until

PARSE, TASKS = "/file_parse", "/tasks"
ALL = {"return_md": "True", "return_content_list": "true", "return_images": "true", "backend": "pipeline"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, jobs=True, api_keys="one,two", max_upload_mb=2) as running:
        script_page(running)
        running.client.headers["authorization"] = "Bearer one"
        yield running


def post(served: Gateway, path: str, data: bytes, **fields: Any) -> httpx.Response:  # noqa: ANN401 - a form's fields
    return served.client.post(path, files={"files": ("report.pdf", data, "application/pdf")}, data=fields)


def check_contents(contents: list[dict[str, Any]]) -> None:
    kinds = ["header", "text", "text", "list", "table", "image", "equation", "text", "page_number"]
    assert [one["type"] for one in contents] == kinds * 2
    assert [one["text_level"] for one in contents if "text_level" in one] == [1, 3] * 2
    assert {one["page_idx"] for one in contents} == {0, 1}
    assert all(0 <= edge <= 1000 for one in contents for edge in one["bbox"])
    assert contents[4]["table_body"].startswith("<table><tr><td>Name</td>")
    assert contents[5]["image_caption"] == ["Figure 1. A picture"]
    assert (contents[6]["text"], contents[6]["text_format"]) == ("$$\nE = m c^2\n$$", "latex")


def test_json(served: Gateway) -> None:
    answer = post(served, PARSE, pdf(2), **ALL, lang_list="en")
    assert answer.status_code == 200, answer.text
    result = answer.json()["results"]["report"]
    assert result["md_content"].count("# A title") == 2
    contents = json.loads(result["content_list"])
    check_contents(contents)
    for one in (contents[5], contents[14]):
        assert f"![]({one['img_path']})" in result["md_content"]
        assert result["images"][one["img_path"].removeprefix("images/")].startswith("data:image/jpeg;base64,/9j/")


def test_a_zip(served: Gateway) -> None:
    answer = post(served, PARSE, pdf(2), **ALL, response_format_zip="true")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        contents = json.loads(archive.read("report/vlm/report_content_list.json"))
        check_contents(contents)
        assert archive.read("report/vlm/report.md").startswith(b"# A title")
        assert archive.read(f"report/vlm/{contents[5]['img_path']}").startswith(b"\xff\xd8")


def test_pages_count_from_zero_and_only_what_is_asked_for_comes(served: Gateway) -> None:
    answer = post(served, PARSE, pdf(3), start_page_id="1", end_page_id="1")
    result = answer.json()["results"]["report"]
    assert (set(result), result["md_content"].count("# A title")) == ({"md_content"}, 1)


@pytest.mark.parametrize(("start", "count"), [(0, 3), (1, 2)])
def test_an_end_below_zero_is_the_last_page(served: Gateway, start: int, count: int) -> None:
    """As MinerU's own server has it."""
    answer = post(served, PARSE, pdf(3), start_page_id=str(start), end_page_id="-1")
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"]["report"]["md_content"].count("# A title") == count


def test_a_task(served: Gateway) -> None:
    submitted = post(served, TASKS, pdf(2), **ALL)
    assert submitted.status_code == 202, submitted.text
    task = submitted.json()
    assert task["file_names"] == ["report.pdf"]
    wait_until(lambda: served.client.get(task["status_url"]).json()["status"] == "completed", "the task")
    answer = served.client.get(task["result_url"]).json()
    assert (answer["task_id"], answer["status"]) == (task["task_id"], "completed")
    check_contents(json.loads(answer["results"]["report"]["content_list"]))
    other = served.client.get(task["result_url"], headers={"authorization": "Bearer two"})
    assert (other.status_code, set(other.json())) == (404, {"detail"})


def test_a_task_that_fails(served: Gateway) -> None:
    task = post(served, TASKS, b"plain text").json()
    wait_until(lambda: served.client.get(task["status_url"]).json()["status"] == "failed", "the task")
    answer = served.client.get(task["result_url"])
    assert (answer.status_code, "plain text" in answer.json()["error"]) == (409, True)


@pytest.mark.parametrize("path", [PARSE, TASKS])
def test_what_is_refused(served: Gateway, path: str) -> None:
    sent: list[dict[str, Any]] = [
        {"content": b""},
        {"json": {}},
        {"files": {"file": ("a.pdf", pdf(1))}},
        {"files": [("files", ("a.pdf", b"a")), ("files", ("b.pdf", b"b"))]},
        {"files": {"files": ("a.pdf", pdf(1))}, "data": {"return_md": "perhaps"}},
        {"files": {"files": ("a.pdf", pdf(1))}, "data": {"start_page_id": "-1"}},
    ]
    for body in sent:
        answer = served.client.post(path, **body)
        assert answer.status_code == 422, answer.text
        assert {*answer.json()["detail"][0]} == {"loc", "msg", "type"}
    assert served.client.post(path, files={"files": ("a.pdf", b"")}).status_code == 422
    assert served.client.post(path, files={"files": ("a.pdf", bytes(3_000_000))}).status_code == 413
    assert served.client.post(path, headers={"authorization": "Bearer no"}).status_code == 401


def test_a_file_that_is_no_document_and_unknown_tasks(served: Gateway) -> None:
    answer = post(served, PARSE, b"plain text")
    assert (answer.status_code, "plain text" in answer.json()["detail"]) == (422, True)
    assert served.client.get(f"{TASKS}/{'0' * 32}").status_code == 404
    # Open WebUI takes any answer of MinerU 4's probe for MinerU 4.
    assert served.client.get("/v1/health").status_code == 404


def test_a_service_that_takes_nothing_says_when_to_come_back(served: Gateway) -> None:
    served.service.draining = True
    try:
        answers = [post(served, path, pdf(1)) for path in (PARSE, TASKS)]
    finally:
        served.service.draining = False
    for answer in answers:
        assert (answer.status_code, set(answer.json())) == (503, {"detail"})
        assert int(answer.headers["retry-after"]) > 0
