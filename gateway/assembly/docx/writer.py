"""Blocks of pages to a Word document: a section for each page, headings, captions, tables, pictures and equations.

Import it where it is used: python-docx takes a while.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docx
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_ALIGNMENT
from docx.shared import Emu, Inches, Mm, Pt
from docx.text.paragraph import Paragraph

from gateway.assembly.docx.elements import add_paragraph, add_picture, write_formula, write_table, write_text
from gateway.assembly.markdown import holds_listing, pair_formula_numbers, split_abstract, title_depth
from gateway.assembly.tables.html import chart_to_html
from gateway.assembly.text.columns import find_rooms
from gateway.assembly.text.formulas import extract_latex
from gateway.assembly.text.reflow import join_lines, keep_lines, reflow
from gateway.labels import CAPTION_LABELS, is_formula, is_shown
from gateway.model import Block, PageResult
from gateway.reading_options import OcrOptions

_A4 = (Mm(210), Mm(297))
_MARGIN = Inches(1)
_LANDSCAPE = 1.2
"""Pages wider than this times their height lie on their side."""
_HEADER_LABELS = frozenset({"header", "header_image"})
_FOOTER_LABELS = frozenset({"footer", "footer_image"})
_MAX_FRAME_PICTURE_HEIGHT = Inches(1)
_MIN_LEVEL, _MAX_LEVEL = 1, 9
_SMALL = Pt(9)


@dataclass(frozen=True, slots=True)
class DocxPage:
    """A page, how it was read, and block id to the key of its picture."""

    result: PageResult
    options: OcrOptions
    keys: Mapping[str, str]


def build_docx(pages: Sequence[DocxPage], pictures: Mapping[str, bytes]) -> bytes:
    """The pages, each beginning on a page of its own. `pictures`: key to JPEG or PNG; others are left out.

    Headers, footers and page numbers stand in Word's own, whatever the Markdown leaves out; footnotes in the text.
    """
    document = docx.Document()
    for index, page in enumerate(pages):
        _PageWriter(document, page, pictures, is_first=index == 0).write()
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


class _PageWriter:
    """Writes one page into a section of its own."""

    def __init__(self, document: Any, page: DocxPage, pictures: Mapping[str, bytes], *, is_first: bool) -> None:  # noqa: ANN401
        self._document = document
        self._page = page
        self._pictures = pictures
        self._section = document.sections[0] if is_first else document.add_section()
        self._line_rooms = find_rooms(page.result.blocks, page.result.width)
        self._room = _set_up_section(self._section, page.result)

    def write(self) -> None:
        frame = [block for block in self._page.result.blocks if self._container(block) is not None]
        body = [block for block in self._page.result.blocks if self._container(block) is None]
        for block in frame:
            self._write_frame(block)
        for block, number in pair_formula_numbers([block for block in body if self._is_shown(block)]):
            self._write_block(block, number)

    def _is_shown(self, block: Block) -> bool:
        return block.label == "footnote" or is_shown(block.label, self._page.options)

    def _container(self, block: Block) -> Any:  # noqa: ANN401
        if self._page.options.task != "document":
            return None
        is_high = block.bbox[1] + block.bbox[3] < self._page.result.height
        if block.label in _HEADER_LABELS or (block.label == "number" and is_high):
            return self._section.header
        return self._section.footer if block.label in _FOOTER_LABELS | {"number"} else None

    def _write_frame(self, block: Block) -> None:
        container = self._container(block)
        if block.id in self._page.keys:
            self._write_picture(_next_paragraph(container), block, (self._room[0], _MAX_FRAME_PICTURE_HEIGHT))
        if block.content.strip():
            paragraph = _next_paragraph(container)
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
            write_text(paragraph, join_lines(block.content))

    def _write_block(self, block: Block, number: str) -> None:
        if block.id in self._page.keys:
            self._write_picture(add_paragraph(self._document), block, self._room)
        if not block.content.strip():
            return
        if is_formula(block.label):
            self._write_formula(block, number)
        elif block.label in ("table", "chart"):
            self._write_table(block)
        elif holds_listing(block):
            _write_program(self._document, block)
        elif block.label in _WRITERS:
            _WRITERS[block.label](self._document, block)
        else:
            self._write_paragraphs(block)

    def _write_paragraphs(self, block: Block) -> None:
        for text in reflow(block.content, self._line_rooms.get(block.id, 1.0)).split("\n\n"):
            write_text(add_paragraph(self._document), text)

    def _write_picture(self, paragraph: Any, block: Block, room: tuple[int, int]) -> None:  # noqa: ANN401
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        key = self._page.keys[block.id]
        add_picture(paragraph.add_run(), self._pictures, key, round(self._room[0] * self._share(block)), room)

    def _write_formula(self, block: Block, number: str) -> None:
        paragraph = add_paragraph(self._document)
        latex = extract_latex(block.content)
        if number:
            stops = paragraph.paragraph_format.tab_stops
            stops.add_tab_stop(Emu(self._room[0] // 2), WD_TAB_ALIGNMENT.CENTER)
            stops.add_tab_stop(Emu(self._room[0]), WD_TAB_ALIGNMENT.RIGHT)
            paragraph.add_run("\t")
        elif block.label == "display_formula":
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        write_formula(paragraph, latex, latex or block.content)
        if number:
            write_text(paragraph, f"\t{number}")

    def _write_table(self, block: Block) -> None:
        table = chart_to_html(block.content) if block.label == "chart" else block.content
        if table.startswith("<table>"):
            write_table(self._document, table, self._share(block), self._room, self._pictures)
        else:
            _write_lines(self._document, block)

    def _share(self, block: Block) -> float:
        return max(0.0, min(1.0, (block.bbox[2] - block.bbox[0]) / max(self._page.result.width, 1)))


def _set_up_section(section: Any, page: PageResult) -> tuple[int, int]:  # noqa: ANN401
    """Gives the section A4's size and its own header and footer; how much room its text has, wide and high."""
    short, long = _A4
    is_wide = page.width > page.height * _LANDSCAPE and page.height > 0
    section.orientation = WD_ORIENT.LANDSCAPE if is_wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = (long, short) if is_wide else (short, long)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = _MARGIN
    section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
    return section.page_width - 2 * _MARGIN, section.page_height - 2 * _MARGIN


def _next_paragraph(container: Any) -> Any:  # noqa: ANN401
    """A header begins with an empty paragraph, which is the first to be used."""
    last = Paragraph(container._element[-1], container)
    return container.add_paragraph() if len(last._p.r_lst) else last


def _add_paragraph(document: Any, style_id: str) -> Any:  # noqa: ANN401
    """A paragraph with a style by its id: python-docx reads all of its styles for each that is given by name."""
    paragraph = add_paragraph(document)
    paragraph._p.style = style_id
    return paragraph


def _write_lines(document: Any, block: Block) -> None:  # noqa: ANN401
    write_text(add_paragraph(document), keep_lines(block.content))


def _write_program(document: Any, block: Block) -> None:  # noqa: ANN401
    """Indents carry meaning here, so the lines stay whole."""
    write_text(add_paragraph(document), block.content.strip("\n"), font="Courier New")


def _write_document_title(document: Any, block: Block) -> None:  # noqa: ANN401
    paragraph = _add_paragraph(document, "Title")
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    write_text(paragraph, join_lines(block.content))


def _write_title(document: Any, block: Block) -> None:  # noqa: ANN401
    title = join_lines(block.content)
    level = max(_MIN_LEVEL, min(title_depth(title, block.title_level), _MAX_LEVEL))
    write_text(_add_paragraph(document, f"Heading{level}"), title)


def _write_abstract(document: Any, block: Block) -> None:  # noqa: ANN401
    heading, text = split_abstract(block.content)
    if heading:
        write_text(_add_paragraph(document, "Heading1"), heading)
    for part in text.split("\n\n"):
        write_text(add_paragraph(document), part)


def _write_caption(document: Any, block: Block) -> None:  # noqa: ANN401
    paragraph = _add_paragraph(document, "Caption")
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    write_text(paragraph, join_lines(block.content))


def _write_note(document: Any, block: Block) -> None:  # noqa: ANN401
    paragraph = add_paragraph(document)
    write_text(paragraph, join_lines(block.content))
    for run in paragraph.runs:
        run.font.size = _SMALL


_WRITERS: Mapping[str, Callable[[Any, Block], None]] = {
    "doc_title": _write_document_title,
    "paragraph_title": _write_title,
    "abstract": _write_abstract,
    "algorithm": _write_program,
    "content": _write_lines,
    "spotting": _write_lines,
    **dict.fromkeys((*CAPTION_LABELS, "seal"), _write_caption),
    **dict.fromkeys(("footnote", "vision_footnote", "aside_text"), _write_note),
}
