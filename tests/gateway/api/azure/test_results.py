"""What an analysis says of a document: its text, and where in it and on the page the parts stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from gateway.api.azure.result import ResultWriter
from gateway.api.azure.schema import API_VERSION, AnalyzeOptions
from gateway.model import Block, DocumentInfo, PageResult, Region, TableCell, TextLine
from tests.gateway.api.azure.conftest import analyze
from tests.gateway.intake.files import encode, pdf, picture
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

Form = Literal["text", "markdown"]
DPI = 200
"""At which pages are rendered by default."""
TEXT = """\
Running head
A title
1.1 A part
- first
- second
Name
Sum
a
1
2
3
Figure 1. A picture
E = m c^2
A sentence at
the end.
7"""
MARKDOWN = """\
<!-- PageHeader="Running head" -->

# A title

### 1.1 A part

- first  
- second

<table><tr><td>Name</td><td colspan="2">Sum</td></tr><tr><td rowspan="2">a</td><td>1</td><td>2</td></tr><tr><td>3</td><td></td></tr></table>

<figure>

<figcaption>Figure 1. A picture</figcaption>

</figure>

$$ E = m c^2 $$

A sentence at the end.

<!-- PageNumber="7" -->"""  # noqa: E501, W291 - as it is sent


def cut(result: dict[str, Any], span: dict[str, int]) -> str:
    content: str = result["content"]
    return content[span["offset"] : span["offset"] + span["length"]]


def list_words(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (word for page in result["pages"] for word in page["words"])


def make_block(label: str, content: str, at: int = 1, lines: list[TextLine] | None = None) -> Block:
    """The block that stands at place `at` of a page, 20 pixels below the one before it."""
    box = (0, 20 * at, 90, 20 * at + 20)
    return Block(id=f"p1-b{at}", label=label, bbox=box, order=at, content=content, lines=lines)


def describe(
    blocks: list[Block], form: Form = "text", model: str = "prebuilt-layout", pages: int = 1
) -> dict[str, Any]:
    """The result of pages with these blocks."""
    document = DocumentInfo(name="a.png", media_type="image/png", pages_total=pages, sha256="")
    writer = ResultWriter(model, API_VERSION, AnalyzeOptions(output_content_format=form), document)
    for page in range(1, pages + 1):
        writer.add(PageResult(page=page, width=100, height=100, markdown="", blocks=blocks))
    result: dict[str, Any] = json.loads(b"".join(writer.pieces()))
    return result


def test_plain_text_and_the_places_in_it(served: Gateway) -> None:
    result = analyze(served, pdf(2))
    assert result["content"] == f"{TEXT}\n{TEXT}"
    assert (result["modelId"], result["contentFormat"]) == ("prebuilt-layout", "text")
    assert [cut(result, word["span"]) for word in list_words(result)] == result["content"].split()
    assert all(0 < word["confidence"] <= 1 for word in list_words(result))
    for page in result["pages"]:
        assert cut(result, page["spans"][0]).strip("\n") == TEXT
        assert [line["content"] for line in page["lines"]][:5] == TEXT.splitlines()[:5]
        assert (page["lines"][-3]["content"], cut(result, page["lines"][-3]["spans"][0])) == ("A sentence at",) * 2


def test_paragraphs_and_their_roles(served: Gateway) -> None:
    result = analyze(served, pdf(1))
    assert [(one.get("role"), one["content"]) for one in result["paragraphs"]] == [
        ("pageHeader", "Running head"),
        ("title", "A title"),
        ("sectionHeading", "1.1 A part"),
        (None, "- first\n- second"),
        (None, "Figure 1. A picture"),
        ("formulaBlock", "E = m c^2"),
        (None, "A sentence at the end."),
        ("pageNumber", "7"),
    ]
    assert cut(result, result["paragraphs"][6]["spans"][0]) == "A sentence at\nthe end."


def test_tables_and_figures(served: Gateway) -> None:
    result = analyze(served, pdf(2))
    first, second = result["tables"]
    assert (first["rowCount"], first["columnCount"], second["boundingRegions"][0]["pageNumber"]) == (3, 3, 2)
    places = ("rowIndex", "columnIndex", "rowSpan", "columnSpan")
    cells = [(*(cell.get(name, 1) for name in places), cell["content"]) for cell in first["cells"]]
    assert cells == [
        (0, 0, 1, 1, "Name"),
        (0, 1, 1, 2, "Sum"),
        (1, 0, 2, 1, "a"),
        (1, 1, 1, 1, "1"),
        (1, 2, 1, 1, "2"),
        (2, 1, 1, 1, "3"),
        (2, 2, 1, 1, ""),
    ]
    assert [cut(result, cell["spans"][0]) for cell in second["cells"][:-1]] == [*("Name", "Sum", "a", "1", "2", "3")]
    assert [figure["id"] for figure in result["figures"]] == ["1.1", "2.1"]
    caption = result["figures"][1]["caption"]
    (element,) = caption["elements"]
    assert caption["content"] == cut(result, caption["spans"][0]) == "Figure 1. A picture"
    assert result["paragraphs"][int(element.rpartition("/")[2])]["content"] == "Figure 1. A picture"


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_pictures_in_cells_are_no_text_of_theirs(form: Form) -> None:
    table = '<table><tr><td><img src="imgs/a.jpg" alt="Image" />seal</td><td>R&amp;D</td></tr></table>'
    result = describe([make_block("table", table)], form=form)
    cells = result["tables"][0]["cells"]
    assert [cell["content"] for cell in cells] == ["seal", "R&D"]
    shown = {"text": "R&D", "markdown": "R&amp;D"}[form]
    assert [cut(result, cell["spans"][0]) for cell in cells] == ["seal", shown]
    assert [cut(result, word["span"]) for word in list_words(result)] == ["seal", shown]


def test_markdown_and_the_places_in_it(served: Gateway) -> None:
    result = analyze(served, pdf(2), outputContentFormat="markdown")
    assert result["content"] == f"{MARKDOWN}\n\n<!-- PageBreak -->\n\n{MARKDOWN}"
    assert [cut(result, word["span"]) for word in list_words(result)] == [
        word["content"] for word in list_words(result)
    ]
    assert [cut(result, cell["spans"][0]) for cell in result["tables"][1]["cells"][:2]] == ["Name", "Sum"]
    figure = cut(result, result["figures"][0]["spans"][0])
    assert figure == "<figure>\n\n<figcaption>Figure 1. A picture</figcaption>\n\n</figure>"


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("text", ":selected: a\n:unselected: b\n:selected:\nf[x] [x\n:unselected: c"),
        (
            "markdown",
            "☒ a  \n☐ b\n\n<table><tr><td>☒</td><td>f[x] [x</td></tr></table>\n\n☐ c",
        ),
    ],
)
def test_boxes_to_tick_are_selection_marks(form: Form, content: str) -> None:
    line = TextLine(text="☐ c", bbox=(0, 60, 30, 80), source="engine", confidence=0.75)
    table = "<table><tr><td>[x]</td><td>f[x] [x</td></tr></table>"
    blocks = [
        make_block("text", "[x] a\n[ ] b"),
        make_block("table", table, 2),
        make_block("text", "[ ] c", 3, [line]),
    ]
    result = describe(blocks, form)
    marks = result["pages"][0]["selectionMarks"]
    assert result["content"] == content
    assert [mark["state"] for mark in marks] == ["selected", "unselected", "selected", "unselected"]
    signs = {"text": (":selected:", ":unselected:"), "markdown": ("☒", "☐")}[form]
    assert [cut(result, mark["span"]) for mark in marks] == [signs[0], signs[1], signs[0], signs[1]]
    assert (marks[1]["polygon"][:2], marks[1]["polygon"][4:6]) == ([0, 30], [54, 40])
    assert marks[3]["confidence"] == 0.75
    assert [word["content"] for word in list_words(result)] == ["a", "b", "f[x]", "[x", "c"]
    assert [cell["content"] for cell in result["tables"][0]["cells"]] == [signs[0], "f[x] [x"]
    assert result["pages"][0]["lines"][1]["content"] == f"{signs[1]} b"


def test_the_read_model_has_no_selection_marks() -> None:
    result = describe([make_block("text", "[x] a")], model="prebuilt-read")
    assert (result["content"], "selectionMarks" in result["pages"][0]) == ("[x] a", False)


def test_sections_are_those_of_the_headings() -> None:
    labels = [
        *(("text", "Before"), ("doc_title", "A title"), ("paragraph_title", "1 One"), ("text", "In it")),
        *(
            ("paragraph_title", "1.1 Below"),
            ("table", "<table><tr><td>a</td></tr></table>"),
            ("paragraph_title", "2 Two"),
        ),
    ]
    result = describe([make_block(label, text, at) for at, (label, text) in enumerate(labels, 1)], pages=2)
    root, one, below, two, *others = result["sections"]
    assert root["elements"][:5] == ["/paragraphs/0", "/paragraphs/1", "/sections/1", "/sections/3", "/sections/4"]
    assert one["elements"] == ["/paragraphs/2", "/paragraphs/3", "/sections/2"]
    assert below["elements"] == ["/paragraphs/4", "/tables/0"]
    # What the second page begins with, its title too, belongs to the last heading of the first.
    assert two["elements"][:3] == ["/paragraphs/5", "/paragraphs/6", "/paragraphs/7"]
    assert cut(result, one["spans"][0]) == "1 One\nIn it\n1.1 Below\na"
    assert (len(others), cut(result, root["spans"][0])) == (3, result["content"])


def test_a_document_without_text_has_one_empty_section() -> None:
    assert describe([])["sections"] == [{"spans": [], "elements": []}]


def test_cells_whose_places_are_known() -> None:
    block = make_block("table", "<table><tr><td>a</td><td>b</td></tr></table>")
    cells = [TableCell(row=0, column=0, text="a", bbox=(0, 20, 40, 40)), TableCell(row=0, column=1, text="b")]
    placed, unknown = describe([block.model_copy(update={"cells": cells})])["tables"][0]["cells"]
    assert placed["boundingRegions"] == [{"pageNumber": 1, "polygon": [0, 20, 40, 20, 40, 40, 0, 40]}]
    assert (unknown["content"], "boundingRegions" in unknown) == ("b", False)


def test_formulas_apart(served: Gateway) -> None:
    result = analyze(served, pdf(1), features="formulas,ocrHighResolution")
    (formula,) = result["pages"][0]["formulas"]
    assert (formula["kind"], formula["value"], cut(result, formula["span"])) == ("display", "E = m c^2", ":formula:")


def test_the_read_model_tells_text_alone(served: Gateway) -> None:
    result = analyze(served, pdf(1), "prebuilt-read")
    assert result["content"] == TEXT
    assert not {"tables", "figures", "sections"} & result.keys()


def test_inches_of_a_pdf_and_pixels_of_an_image(served: Gateway) -> None:
    pdf_page, image_page = (analyze(served, data)["pages"][0] for data in (pdf(1), encode(picture(400, 300), "PNG")))
    assert (image_page["unit"], image_page["width"], image_page["height"]) == ("pixel", 400, 300)
    assert image_page["lines"][0]["polygon"] == [20, 0, 120, 0, 120, 25, 20, 25]
    assert pdf_page["unit"] == "inch"
    # 200 x 100 points.
    assert (pdf_page["width"], pdf_page["height"]) == pytest.approx((200 / 72, 100 / 72), abs=0.01)
    assert pdf_page["lines"][0]["polygon"][4:6] == pytest.approx([120 / DPI, 25 / DPI], abs=0.001)


def test_chosen_pages_keep_their_numbers(served: Gateway) -> None:
    result = analyze(served, pdf(4), pages="2, 4-")
    assert [page["pageNumber"] for page in result["pages"]] == [2, 4]
    assert result["paragraphs"][-1]["boundingRegions"][0]["pageNumber"] == 4


@pytest.mark.parametrize("units", ["textElements", "unicodeCodePoint", "utf16CodeUnit"])
def test_offsets_count_what_the_client_asks_for(served: Gateway, units: str) -> None:
    """The first word is a family of four, whose seven code points are one sign; the second a letter with its accent."""
    served.layout.regions = [Region("text", (10, 10, 200, 40), 1, 0.9)]
    served.engine.answer = lambda _request: Reply(
        "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 e\u0301 end"
    )
    result = analyze(served, pdf(1), stringIndexType=units)
    places = {
        "textElements": [(0, 1), (2, 1), (4, 3)],
        "unicodeCodePoint": [(0, 7), (8, 2), (11, 3)],
        "utf16CodeUnit": [(0, 11), (12, 2), (15, 3)],
    }
    spans = [word["span"] for word in list_words(result)]
    assert [(span["offset"], span["length"]) for span in spans] == places[units]
    assert result["stringIndexType"] == units


def test_a_page_that_lacks_text_warns(served: Gateway) -> None:
    served.engine.script.append(Reply(status=400, text="no"))
    result = analyze(served, pdf(1))
    assert result["warnings"][0]["target"] == "1"
