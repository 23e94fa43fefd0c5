"""Documents of several pages, restructured: tables and headings over page breaks; and the sample pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from gateway.model import BBox
from tests.differential.cases import Case, Seen, Sheet
from tests.differential.drawing import sheet
from tests.support.samples import has_omnidocbench, omnidocbench

HEAD = "<fcel>Name<fcel>Share<nl>"
SAMPLE_LABELS = {
    "text_block": "text",
    "title": "paragraph_title",
    "header": "header",
    "page_number": "number",
    "table": "table",
    "table_caption": "figure_title",
    "figure": "image",
    "figure_caption": "figure_title",
    "footer": "footer",
    "abandon": "aside_text",
    "page_footnote": "footnote",
    "equation_isolated": "display_formula",
}
"""The ground truth's categories as the layout network's classes."""


def document_cases() -> Iterator[Case]:
    pages = list(_pages())
    yield Case("two pages", pages[:2])
    yield Case("restructured", pages, {"restructurePages": True})
    yield Case("restructured, tables only", pages, {"restructurePages": True, "relevelTitles": False})
    yield Case("restructured, titles only", pages, {"restructurePages": True, "mergeTables": False})
    yield Case("restructured, plain", pages, {"restructurePages": True, "prettifyMarkdown": False})


def sample_cases() -> Iterator[Case]:
    """The sample pages with the boxes and texts of their ground truth; none where they are not."""
    if not has_omnidocbench():
        return
    for file, truth in zip(*omnidocbench(), strict=True):
        with Image.open(file) as image:
            pixels = np.ascontiguousarray(np.asarray(image.convert("RGB")))
        found = sorted(truth["layout_dets"], key=lambda one: one.get("order") or 0)
        yield Case(f"sample {file.stem[:24]}", [Sheet(pixels, [_seen(one) for one in found if _is_known(one)])])


def _pages() -> Iterator[Sheet]:
    first = [
        Seen("doc_title", (40, 30, 800, 90), "A report"),
        Seen("paragraph_title", (40, 110, 500, 150), "1 Introduction"),
        Seen("text", (40, 170, 840, 260), "Some words that"),
        Seen("paragraph_title", (40, 280, 400, 310), "1.1 Background"),
        Seen("image", (40, 330, 400, 500), ""),
        Seen("table", (40, 700, 840, 1060), HEAD + "<fcel>One<fcel>1<nl>"),
        Seen("number", (420, 1140, 460, 1170), "1"),
    ]
    second = [
        Seen("header", (40, 20, 840, 50), "A report"),
        Seen("table", (40, 80, 842, 300), HEAD + "<fcel>Two<fcel>2<nl>"),
        Seen("image", (40, 330, 400, 500), ""),
        Seen("text", (40, 520, 840, 600), "go on over the page."),
        Seen("paragraph_title", (40, 620, 500, 660), "2 Methods"),
        Seen("paragraph_title", (40, 680, 400, 704), "Unnumbered"),
        Seen("table", (40, 720, 840, 1060), "<fcel>A<fcel>B<fcel>C<nl><fcel>1<fcel>2<fcel>3<nl>"),
    ]
    third = [
        Seen("table", (40, 80, 500, 300), "<fcel>narrow<nl>"),
        Seen("paragraph_title", (40, 340, 500, 380), "References"),
        Seen("reference_content", (40, 400, 840, 460), "[1] A paper"),
        Seen("table", (40, 700, 840, 1060), "<fcel>P<fcel>Q<nl><fcel>1<fcel>2<nl>"),
    ]
    fourth = [
        Seen("table", (40, 80, 840, 300), "<fcel>3<fcel>4<nl>"),
        Seen("footer", (40, 1140, 460, 1170), "end"),
    ]
    for number, seen in enumerate((first, second, third, fourth)):
        yield sheet(f"page {number}", seen)


def _is_known(one: dict[str, Any]) -> bool:
    x1, y1, x2, y2 = _bbox(one)
    return one["category_type"] in SAMPLE_LABELS and x1 < x2 and y1 < y2


def _seen(one: dict[str, Any]) -> Seen:
    return Seen(SAMPLE_LABELS[one["category_type"]], _bbox(one), _otsl(one.get("html") or "") or one.get("text") or "")


def _otsl(table: str) -> str:
    """A table as the VLM writes it, without its spans."""
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    return "".join(
        "".join(map(_cell, re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL))) + "<nl>" for row in rows
    )


def _cell(text: str) -> str:
    return f"<fcel>{text.strip()}" if text.strip() else "<ecel>"


def _bbox(one: dict[str, Any]) -> BBox:
    xs, ys = one["poly"][::2], one["poly"][1::2]
    return round(min(xs)), round(min(ys)), round(max(xs)), round(max(ys))
