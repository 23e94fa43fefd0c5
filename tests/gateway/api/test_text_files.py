"""Text files, as loaders send them in each dialect: they come back as they are, and no engine is asked."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.support.pages import script_page
from tests.support.server import Gateway, gateway
from tests.support.waiting import wait_until

TEXT = "# Заметки \\$5\r\n\r\n*  a;b\n\n\n<b>1 &amp; 2</b> [x](javascript:y)\n"
MARKDOWN = "notes.md"
WAIT = {"wait": "50"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), jobs=True) as running:
        script_page(running)
        yield running


def post(served: Gateway, path: str, field: str, data: bytes, name: str, **fields: Any) -> httpx.Response:  # noqa: ANN401
    answer = served.client.post(path, files={field: (name, data, "application/octet-stream")}, data=fields)
    assert answer.is_success, answer.text
    return answer


def convert(served: Gateway, data: bytes, name: str) -> str:
    answer = post(served, "/v1/convert/file", "files", data, name).json()
    assert (answer["status"], answer["errors"]) == ("success", [])
    return str(answer["document"]["md_content"])


def convert_source(served: Gateway, data: bytes, name: str) -> str:
    source = {"kind": "file", "filename": name, "base64_string": base64.b64encode(data).decode()}
    answer = served.client.post("/v1/convert/source", json={"sources": [source]}).json()
    return str(answer["document"]["md_content"])


def convert_task(served: Gateway, data: bytes, name: str) -> str:
    task = post(served, "/v1/convert/file/async", "files", data, name).json()["task_id"]
    assert served.client.get(f"/v1/status/poll/{task}", params=WAIT).json()["task_status"] == "success"
    return str(served.client.get(f"/v1/result/{task}").json()["document"]["md_content"])


def mistral(served: Gateway, data: bytes, name: str) -> str:
    url = f"data:text/plain;base64,{base64.b64encode(data).decode()}"
    document = {"type": "document_url", "document_url": url, "document_name": name}
    (page,) = served.client.post("/v1/ocr", json={"model": "any", "document": document}).json()["pages"]
    return str(page["markdown"])


def mistral_upload(served: Gateway, data: bytes, name: str) -> str:
    file = post(served, "/v1/files", "file", data, name, purpose="ocr").json()["id"]
    document = {"type": "file", "file_id": file}
    (page,) = served.client.post("/v1/ocr", json={"model": "any", "document": document}).json()["pages"]
    return str(page["markdown"])


def mineru(served: Gateway, data: bytes, name: str) -> str:
    (result,) = post(served, "/file_parse", "files", data, name).json()["results"].values()
    return str(result["md_content"])


def mineru_task(served: Gateway, data: bytes, name: str) -> str:
    task = post(served, "/tasks", "files", data, name, response_format_zip="true").json()
    wait_until(lambda: served.client.get(task["status_url"]).json()["status"] == "completed", "the task")
    with zipfile.ZipFile(BytesIO(served.client.get(task["result_url"]).content)) as archive:
        (member,) = archive.namelist()
        return archive.read(member).decode()


def datalab(served: Gateway, data: bytes, name: str) -> str:
    url = post(served, "/api/v1/marker", "file", data, name).json()["request_check_url"]
    wait_until(lambda: served.client.get(url).json()["status"] == "complete", "the document")
    return str(served.client.get(url).json()["markdown"])


def datalab_upload(served: Gateway, data: bytes, name: str) -> str:
    return str(post(served, "/marker/upload", "file", data, name).json()["output"])


def fastgpt(served: Gateway, data: bytes, name: str) -> str:
    return str(post(served, "/v2/parse/file", "file", data, name).json()["markdown"])


def openwebui(served: Gateway, data: bytes, name: str) -> str:
    (page,) = served.client.put("/process", content=data, headers={"X-Filename": name}).json()
    return str(page["page_content"])


LOADERS = [
    *(convert, convert_source, convert_task, mistral, mistral_upload, mineru, mineru_task),
    *(datalab, datalab_upload, fastgpt, openwebui),
]


@pytest.mark.parametrize("load", LOADERS)
def test_a_text_comes_back_as_it_is(served: Gateway, load: Callable[[Gateway, bytes, str], str]) -> None:
    asked = len(served.engine.requests)
    assert load(served, TEXT.encode("utf-16"), "table.csv") == TEXT
    assert load(served, TEXT.encode(), MARKDOWN) == TEXT
    assert len(served.engine.requests) == asked


@pytest.mark.parametrize("load", LOADERS)
def test_a_document_that_is_named_as_a_text_is_read(
    served: Gateway, load: Callable[[Gateway, bytes, str], str]
) -> None:
    assert "# A title" in load(served, pdf(1), "scan.txt")


def test_all_of_docling_s_formats(served: Gateway) -> None:
    formats = ["md", "json", "html", "text", "doctags"]
    answer = post(served, "/v1/convert/file", "files", TEXT.encode(), MARKDOWN, to_formats=formats).json()
    document = answer["document"]
    assert document["text_content"] == TEXT
    assert "<h1>Заметки" in document["html_content"]
    (text,) = document["json_content"]["texts"]
    assert (text["label"], text["text"]) == ("text", TEXT)
    assert TEXT in document["doctags_content"]


def test_what_mineru_lists(served: Gateway) -> None:
    answer = post(served, "/file_parse", "files", TEXT.encode(), MARKDOWN, return_content_list="true").json()
    (entry,) = json.loads(answer["results"]["notes"]["content_list"])
    assert entry == {"type": "text", "text": TEXT, "bbox": [0, 0, 1000, 1000], "page_idx": 0}


def test_the_declared_charset_holds_for_tasks_too(served: Gateway) -> None:
    file = ("a", "é".encode("latin-1"), "text/plain; charset=iso-8859-1")
    task = served.client.post("/v1/convert/file/async", files={"files": file}).json()["task_id"]
    served.client.get(f"/v1/status/poll/{task}", params=WAIT)
    assert served.client.get(f"/v1/result/{task}").json()["document"]["md_content"] == "é"


def test_what_is_no_text_fails_as_a_document_does(served: Gateway) -> None:
    for name, data in (("a.txt", b"\xff\xfa"), ("a.bin", b"plain"), ("a.docx", b"PK\x03\x04word")):
        answer = post(served, "/v1/convert/file", "files", data, name).json()
        assert (answer["status"], answer["document"]["md_content"]) == ("failure", None)
        assert answer["errors"][0]["error_message"]
    pages = post(served, "/v1/convert/file", "files", b"one page", "a.txt", page_range=["2", "3"]).json()
    assert pages["status"] == "failure"


def test_a_reader_of_documents_takes_none(served: Gateway) -> None:
    assert served.client.post("/ocr", files={"file": ("a.txt", b"plain")}).status_code == 415


def test_large_texts(served: Gateway) -> None:
    """Each step of an answer takes a text as a whole, for as long as nobody else is answered."""
    data = b"line\n" * 500_000
    answer = served.client.put("/process", content=data, headers={"X-Filename": "a.log"})
    assert (answer.status_code, answer.json()["code"]) == (413, "text_too_large")
    assert "MAX_TEXT_KB" in answer.json()["detail"]
    answer = post(served, "/v1/convert/file", "files", data, "a.log").json()
    assert answer["status"] == "failure"
    assert "MAX_TEXT_KB" in answer["errors"][0]["error_message"]
