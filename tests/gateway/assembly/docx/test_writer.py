"""Word documents, read again by python-docx."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import docx
import pytest
from docx.oxml.ns import qn
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.assembly.docx.writer import DocxPage, build_docx
from gateway.assembly.page import assemble_page, picture_keys
from gateway.labels import LABELS
from gateway.model import Reading, Region
from gateway.reading_options import OcrOptions
from tests.gateway.intake.files import encode, picture

OPTIONS = OcrOptions()


def page(*parts: tuple[str, str], number: int = 1, size: tuple[int, int] = (500, 800), **options: Any) -> DocxPage:  # noqa: ANN401
    regions = [Region(label, (0, at * 50, 400, at * 50 + 40), at) for at, (label, _) in enumerate(parts, 1)]
    how = OcrOptions(**options)
    result = assemble_page(number, *size, 144, regions, [Reading(text) for _, text in parts], how)
    return DocxPage(result, how, picture_keys(number, result.blocks, how))


def written(*pages: DocxPage, pictures: Mapping[str, bytes] | None = None) -> Any:  # noqa: ANN401
    return docx.Document(io.BytesIO(build_docx(pages, pictures or {})))


def lines(document: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    return [(one.style.name, one.text) for one in document.paragraphs if one.text]


def test_headings_paragraphs_captions() -> None:
    found = written(
        page(
            ("doc_title", "A long\ntitle"),
            ("abstract", "Abstract\nIn short."),
            ("paragraph_title", "1.2 Method"),
            ("text", "one line\nanother line."),
            ("content", "1 Intro .... 3\n2 End .... 9"),
            ("algorithm", "if x:\n    y"),
            ("figure_title", "Figure 1"),
            ("footnote", "a note"),
        )
    )
    assert lines(found) == [
        ("Title", "A long title"),
        ("Heading 1", "Abstract"),
        ("Normal", "In short."),
        ("Heading 2", "1.2 Method"),
        ("Normal", "one line another line."),
        ("Normal", "1 Intro .... 3\n2 End .... 9"),
        ("Normal", "if x:\n    y"),
        ("Caption", "Figure 1"),
        ("Normal", "a note"),
    ]


def test_columns_of_typewriter_print_are_kept() -> None:
    rows = "item        each    total\nRope      $12.00   $30.00\nLantern    $8.50   $17.00"
    found = written(page(("algorithm", rows)))
    assert lines(found) == [("Normal", rows)]
    assert {run.font.name for one in found.paragraphs for run in one.runs} == {"Courier New"}


def test_headers_and_footers() -> None:
    first = page(("header", "Head"), ("text", "one"), ("footer", "Foot"))
    bottom = page(*[("text", "x")] * 12, ("number", "7"), number=2)
    found = written(first, bottom)
    texts = [
        ["\n".join(one.text for one in part.paragraphs) for part in (section.header, section.footer)]
        for section in found.sections
    ]
    assert texts == [["Head", "Foot"], ["", "7"]]
    assert "Head" not in [text for _, text in lines(found)]


def test_spanning_cells_are_merged() -> None:
    table = "<table><tr><td rowspan=2>a</td><td colspan=2>b</td></tr><tr><td>c</td><td>d<br>e $x^2$</td></tr></table>"
    (found,) = written(page(("table", table))).tables
    grid = [[found.cell(row, column) for column in range(3)] for row in range(2)]
    assert grid[0][0]._tc is grid[1][0]._tc
    assert grid[0][1]._tc is grid[0][2]._tc
    assert [grid[0][0].text, grid[0][1].text, grid[1][1].text, grid[1][2].text] == ["a", "b", "c", "d\ne "]
    assert grid[1][2]._tc.findall(f".//{qn('m:sSup')}")


def test_too_wide_table_becomes_lines() -> None:
    found = written(page(("table", "<fcel>x" * 64 + "<nl>")))
    assert not found.tables
    assert lines(found) == [("Normal", "\t".join("x" * 64))]


def test_chart_table() -> None:
    (found,) = written(page(("chart", "year | sales\n2020 | 5"), chart=True)).tables
    assert [[cell.text for cell in row.cells] for row in found.rows] == [["year", "sales"], ["2020", "5"]]


def test_numbered_equations() -> None:
    found = written(
        page(
            ("text", r"where $a_1$ costs \$5 and $\nosuch{x}$"),
            ("display_formula", r"$$ \frac{a}{b} $$"),
            ("formula_number", "(3)"),
            ("display_formula", r"$$ \nosuch{b} $$"),
        )
    )
    text, numbered, odd = found.paragraphs
    assert text.text == r"where  costs $5 and $\nosuch{x}$"
    assert len(text._p.findall(qn("m:oMath"))) == 1
    assert numbered.text == "\t\t(3)"
    assert len(numbered._p.findall(f".//{qn('m:f')}")) == 1
    assert odd.text == r"\nosuch{b}"


def test_picture_sizes() -> None:
    one = page(("image", ""), ("image", ""), ("seal", ""))
    wide, high, broken = one.keys.values()
    pictures = {wide: encode(picture(400, 40), "JPEG"), high: encode(picture(10, 900), "PNG"), broken: b"no picture"}
    found = written(one, pictures=pictures)
    first, second = found.inline_shapes
    section = found.sections[0]
    room = section.page_width - section.left_margin - section.right_margin
    assert first.width == pytest.approx(room * 0.8, rel=0.01)
    assert first.height == pytest.approx(first.width / 10, rel=0.01)
    assert second.height <= section.page_height - section.top_margin - section.bottom_margin
    assert second.height == pytest.approx(second.width * 90, rel=0.01)


def test_picture_in_cell() -> None:
    key = "imgs/p1_img_in_image_box_1_2_3_4.jpg"
    one = page(("table", ""))
    block = one.result.blocks[0].model_copy(
        update={"content": f'<table><tr><td><img src="{key}" alt="Image" />text</td></tr></table>'}
    )
    shown = DocxPage(one.result.model_copy(update={"blocks": [block]}), OPTIONS, {})
    found = written(shown, pictures={key: encode(picture(40, 40), "JPEG")})
    assert len(found.inline_shapes) == 1
    assert found.tables[0].cell(0, 0).text == "text"


def test_page_orientation() -> None:
    upright, wide = written(page(("text", "a")), page(("text", "b"), number=2, size=(900, 500))).sections
    assert upright.page_width < upright.page_height
    assert wide.page_width > wide.page_height


def test_ignored_labels_are_left_out() -> None:
    parts = (("text", "kept"), ("aside_text", "aside"))
    assert lines(written(page(*parts))) == [("Normal", "kept")]
    assert len(lines(written(page(*parts, ignore_labels=frozenset())))) == 2


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(LABELS)), st.text(max_size=40))), st.booleans())
def test_any_page_keeps_its_words(parts: list[tuple[str, str]], chart: bool) -> None:
    found = written(
        page(
            *((label, f"w{at}w {text}") for at, (label, text) in enumerate(parts)),
            chart=chart,
            ignore_labels=frozenset(),
        )
    )
    text = "".join(node.text or "" for node in found.element.iter(qn("w:t"), qn("m:t")))
    frame = "".join(
        one.text for section in found.sections for part in (section.header, section.footer) for one in part.paragraphs
    )
    assert [at for at in range(len(parts)) if f"w{at}w" not in text + frame] == []


def test_control_characters() -> None:
    found = written(page(("text", "a\x00b\x0bc\x1bd\ufffe\ud800e"), ("table", "<fcel>\x01x<nl>")))
    assert "".join(text for _, text in lines(found)).replace(" ", "") == "abcde"
    assert found.tables[0].cell(0, 0).text == "x"
