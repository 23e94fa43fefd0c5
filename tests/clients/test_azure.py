"""Clients of Azure Document Intelligence, unmodified, against this service."""

from __future__ import annotations

from pathlib import Path

import pypdfium2 as pdfium
import pytest

from tests.clients.conftest import KEY, ROOT, run
from tests.clients.fetch_sources import FOLDER
from tests.support.pages import script_page
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

PROGRAM = "azure_client.py"
FILES = [("three.pdf", 3), ("page.png", 1)]
ROLES = ["pageHeader", "title", "sectionHeading", None, None, "formulaBlock", None, "pageNumber"]


def place(document: Path, name: str) -> Path:
    """The document, or a picture beside it."""
    if name == document.name:
        return document
    file = document.with_name(name)
    file.write_bytes((ROOT / "examples" / "article-en.png").read_bytes())
    return file


def test_the_sdk_reads_words_tables_and_figures_and_deletes(scripted: Gateway, document: Path) -> None:
    got = run("azure", PROGRAM, "sdk", scripted.url, KEY, str(document))
    assert [(number, unit) for number, unit, _ in got["pages"]] == [(1, "inch"), (2, "inch"), (3, "inch")]
    assert got["words"][:4] == ["Running", "head", "A", "title"]
    assert (got["spans"], got["polygons"]) == (got["words"], [8])
    assert got["roles"] == ROLES * 3
    assert got["tables"][2][:3] == [[0, 0, "Name"], [0, 1, "Sum"], [1, 0, "a"]]
    assert (got["captions"], got["figures"]) == (["Figure 1. A picture"] * 3, ["PNG"] * 3)
    headings = [f"/sections/{number}" for number in (1, 2, 3)]
    assert got["sections"][0] == ["/paragraphs/0", "/paragraphs/1", *headings]
    assert [sum("/tables/" in one for one in elements) for elements in got["sections"]] == [0, 1, 1, 1]
    assert (got["marks"], got["is_gone"]) == ([], True)


def test_the_sdk_gets_selection_marks(scripted: Gateway, document: Path) -> None:
    scripted.engine.answer = lambda _request: Reply("[x] yes\n[ ] no")
    try:
        got = run("azure", PROGRAM, "sdk", scripted.url, KEY, str(document))
    finally:
        script_page(scripted)
    assert got["marks"][:2] == [["selected", ":selected:"], ["unselected", ":unselected:"]]
    assert "[x]" not in got["words"]


def test_the_sdk_sends_a_picture(scripted: Gateway) -> None:
    got = run("azure", PROGRAM, "sdk", scripted.url, KEY, str(ROOT / "examples" / "article-en.png"))
    assert [unit for _, unit, _ in got["pages"]] == ["pixel"]
    assert got["roles"] == ROLES


def test_the_sdk_streams_a_file_and_gets_markdown(scripted: Gateway, document: Path) -> None:
    got = run("azure", PROGRAM, "stream", scripted.url, KEY, str(document))
    assert (got["pages"], got["formulas"]) == ([2, 3], ["E = m c^2"] * 2)
    assert got["content"].count("# A title") == 2


@pytest.mark.parametrize(("name", "pages"), FILES)
def test_paperless_gets_text_and_a_searchable_pdf(scripted: Gateway, document: Path, name: str, pages: int) -> None:
    if not (FOLDER / "paperless-ngx").exists():
        pytest.skip("the files of sources.txt are not there (make test-clients)")
    got = run("azure", PROGRAM, "paperless", scripted.url, KEY, str(place(document, name)), str(FOLDER))
    assert got["content"].count("A title\n") == pages
    texts = [page.get_textpage().get_text_range() for page in pdfium.PdfDocument(got["archive"])]
    assert ["A title" in text for text in texts] == [True] * pages


def test_the_sdk_reads_asynchronously(scripted: Gateway, document: Path) -> None:
    got = run("azure", PROGRAM, "asynchronous", scripted.url, KEY, str(document))
    assert got["content"].count("A title\n") == 3


def test_the_sdk_raises_its_own_exceptions(scripted: Gateway, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"plain text")
    got = run("azure", PROGRAM, "failing", scripted.url, KEY, str(broken))
    assert got["errors"] == [
        ["HttpResponseError", 400, "InvalidRequest"],
        ["ResourceNotFoundError", 404, "NotFound"],
        ["HttpResponseError", 400, "InvalidRequest"],
    ]
    broken.write_bytes(b"%PDF-1.7 and no more")
    failed = run("azure", PROGRAM, "failing", scripted.url, KEY, str(broken))
    assert failed["errors"][0][:2] == ["HttpResponseError", 200]
    wrong = run("azure", PROGRAM, "failing", scripted.url, "wrong", str(broken))
    assert wrong["errors"] == [["ClientAuthenticationError", 401, "401"]] * 3


def test_a_busy_server_is_told_as_such(scripted: Gateway, document: Path) -> None:
    scripted.service.draining = True
    try:
        got = run("azure", PROGRAM, "failing", scripted.url, KEY, str(document))
    finally:
        scripted.service.draining = False
    assert got["errors"][0] == ["HttpResponseError", 503, "ServiceUnavailable"]


def test_langchains_loader_in_all_its_modes(scripted: Gateway, document: Path) -> None:
    markdown, single, pages = run("azure", PROGRAM, "langchain", scripted.url, KEY, str(document))["texts"]
    assert [text.count("# A title") for text in markdown] == [3]
    assert [text.count("A title") for text in single] == [3]
    assert [text.startswith("Running head A title") for text in pages] == [True] * 3


@pytest.mark.parametrize(("name", "pages"), FILES)
def test_haystacks_converter_and_markitdown(scripted: Gateway, document: Path, name: str, pages: int) -> None:
    file = place(document, name)
    (text,) = run("azure", PROGRAM, "haystack", scripted.url, KEY, str(file))["texts"]
    assert text.count("# A title") == pages
    text = run("azure", PROGRAM, "markitdown", scripted.url, KEY, str(file))["text"]
    assert text.count("<td>Name</td>") == pages


def test_the_older_sdk_reads_by_the_general_model(scripted: Gateway, document: Path) -> None:
    got = run("azure", PROGRAM, "form_recognizer", scripted.url, KEY, str(document))
    assert (got["version"], got["pages"]) == ("2023-07-31", [[1, "inch"], [2, "inch"], [3, "inch"]])
    assert got["words"][:4] == ["Running", "head", "A", "title"]
    assert got["roles"] == ROLES * 3
    assert got["tables"][2][:3] == [[0, 0, "Name"], [0, 1, "Sum"], [1, 0, "a"]]
    assert (got["formulas"], got["pairs"]) == (["E = m c^2"] * 3, [])


def test_the_older_sdk_raises_its_own_exceptions(scripted: Gateway, document: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"plain text")
    missing = ["ResourceNotFoundError", 404, "NotFound"]
    got = run("azure", PROGRAM, "failing_forms", scripted.url, KEY, str(broken))
    assert got["errors"] == [["HttpResponseError", 400, "InvalidRequest"], missing]
    wrong = run("azure", PROGRAM, "failing_forms", scripted.url, "wrong", str(broken))
    assert wrong["errors"] == [["ClientAuthenticationError", 401, "401"]] * 2
    scripted.service.draining = True
    try:
        busy = run("azure", PROGRAM, "failing_forms", scripted.url, KEY, str(document))
    finally:
        scripted.service.draining = False
    assert busy["errors"][0] == ["HttpResponseError", 503, "ServiceUnavailable"]


@pytest.mark.parametrize(("name", "pages"), FILES)
def test_haystacks_older_converter(scripted: Gateway, document: Path, name: str, pages: int) -> None:
    texts = run("azure", PROGRAM, "haystack_forms", scripted.url, KEY, str(place(document, name)))["texts"]
    assert "\n".join(texts).count("A title") == pages
    assert sum(text.startswith("Name,") for text in texts) == pages
