"""Open WebUI's external document loader, by the requests that its `external_document.py` sends."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.support.pages import script_page
from tests.support.server import Gateway, gateway


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), api_keys="one", max_upload_mb=2) as running:
        script_page(running)
        yield running


def process(
    served: Gateway, data: bytes, name: str, kind: str = "application/octet-stream", key: str = "one"
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "X-Filename": quote(name), "Content-Type": kind}
    return served.client.put("/process", content=data, headers=headers)


def test_each_page_is_a_document_with_its_number(served: Gateway) -> None:
    answer = process(served, pdf(2), "отчёт 1.pdf", "application/pdf")
    assert answer.status_code == 200, answer.text
    first, second = answer.json()
    assert first["metadata"] == {"page": 0, "source": "отчёт 1.pdf"}
    assert second["metadata"]["page"] == 1
    assert first["page_content"].startswith("# A title\n\n### 1.1 A part")
    assert "![" not in first["page_content"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("notes.md", "application/octet-stream"), ("a.csv", "text/csv"), ("noname", "text/plain; charset=utf-8")],
)
def test_texts_go_back_as_they_came(served: Gateway, name: str, kind: str) -> None:
    text = "# Заметки\r\n\r\na;b\r\n<b>1</b>\r\n"
    for encoded in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
        (document,) = process(served, encoded, name, kind).json()
        assert document["page_content"] == text


def test_a_text_in_its_own_charset(served: Gateway) -> None:
    assert (
        process(served, "é".encode("latin-1"), "a.txt", "text/plain; charset=iso-8859-1").json()[0]["page_content"]
        == "é"
    )
    for kind in ("text/plain", "text/plain; charset=cp037", "text/plain; charset=idna"):
        assert process(served, "é".encode("latin-1"), "a.txt", kind).status_code == 415


def test_the_bytes_say_what_a_file_is(served: Gateway) -> None:
    assert process(served, pdf(1), "scan.txt", "text/plain").json()[0]["page_content"].startswith("# A title")


@pytest.mark.parametrize(
    ("data", "name", "status"),
    [
        (b"", "a.pdf", 400),
        (b"", "a.txt", 400),
        (b"PK\x03\x04word", "a.docx", 415),
        (b"%PDF-1.4 broken", "a.pdf", 400),
        (bytes(3_000_000), "a.pdf", 413),
    ],
)
def test_what_can_not_be_read(served: Gateway, data: bytes, name: str, status: int) -> None:
    answer = process(served, data, name)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_a_wrong_key(served: Gateway) -> None:
    assert process(served, pdf(1), "a.pdf", key="wrong").status_code == 401
