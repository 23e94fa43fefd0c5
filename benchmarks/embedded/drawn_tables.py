"""Tables drawn from their truth: with all rules, with those of books (above, below and under the head), these and rules
between columns, or a rule under each row, with shaded rows, with nothing but white."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from benchmarks.embedded.table_kinds import KINDS, Cell, Rows, Sheet

Style = Literal["ruled", "columns", "rows", "book", "shaded", "bare"]
STYLES: tuple[Style, ...] = ("ruled", "columns", "rows", "book", "shaded", "bare")
SIZE, LEADING, SIDE, BREAK, MARGIN = 26, 34, 14, 20, 30
"""Of the print, its lines, the white on a cell's sides, above a row after a break and around the table, pixels: print
of 10 points at 180 dpi."""
SHADE = "#e4e9f0"


@dataclass(frozen=True, slots=True)
class DrawnTable:
    name: str
    style: Style
    image: Image.Image
    html: str


def draw_tables(seed: int = 20, styles: Sequence[Style] = STYLES, slant: float = 0.0) -> Iterator[DrawnTable]:
    """The same tables for the same seed, each kind in each style, turned clockwise by `slant` degrees."""
    for style in styles:
        for name, make in KINDS.items():
            sheet = make(random.Random(f"{seed} {name}"))
            yield DrawnTable(name, style, turn(draw(sheet, style), slant), as_html(sheet.rows))


def turn(image: Image.Image, degrees: float) -> Image.Image:
    """Turned clockwise on white paper."""
    if not degrees:
        return image
    return image.rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def draw(sheet: Sheet, style: Style) -> Image.Image:
    font = _font()
    places = list(_places(sheet.rows))
    xs = _edges([(column, cell.columns, _width(cell, font)) for _, column, cell in places])
    ys = _edges([(row, cell.rows, max(1, len(cell.lines)) * LEADING + sheet.padding) for row, _, cell in places])
    ys = [y + BREAK * sum(row <= place for row in sheet.breaks) for place, y in enumerate(ys)]
    image = Image.new("RGB", (xs[-1] + MARGIN, ys[-1] + MARGIN), "white")
    pen = ImageDraw.Draw(image)
    head = max(cell.rows for cell in sheet.rows[0])
    if style == "shaded":
        for row in range(head, len(ys) - 1, 2):
            pen.rectangle((xs[0], ys[row], xs[-1], ys[row + 1]), fill=SHADE)
    for row, column, cell in places:
        box = xs[column], ys[row], xs[column + cell.columns], ys[row + cell.rows]
        if style == "ruled":
            pen.rectangle(box, outline="black", width=2)
        elif style == "columns":
            for x in (box[0], box[2]):
                pen.line((x, box[1], x, box[3]), fill="black", width=2)
        elif style == "rows":
            pen.line((box[0], box[3], box[2], box[3]), fill="black", width=2)
        top = _top(cell, (box[1], box[3] - BREAK * (row + cell.rows in sheet.breaks)), sheet, is_head=row == 0)
        for line, text in enumerate(cell.lines):
            free = box[2] - box[0] - 2 * SIDE - font.getlength(text)
            left = box[0] + SIDE + (free if _is_number(text) else free / 2 if cell.columns > 1 else 0)
            pen.text((left, top + line * LEADING), text, fill="black", font=font)
    for y in (ys[0], ys[head], ys[-1]) if style in ("book", "columns") else ():
        pen.line((xs[0], y, xs[-1], y), fill="black", width=2)
    return image


def as_html(rows: Rows) -> str:
    def tag(cell: Cell) -> str:
        spans = f' rowspan="{cell.rows}"' * (cell.rows > 1) + f' colspan="{cell.columns}"' * (cell.columns > 1)
        return f"<td{spans}>{escape(' '.join(cell.lines))}</td>"

    return "<table>" + "".join("<tr>" + "".join(map(tag, cells)) + "</tr>" for cells in rows) + "</table>"


def _places(rows: Rows) -> Iterator[tuple[int, int, Cell]]:
    """Row and column of each cell, from 0."""
    taken: set[tuple[int, int]] = set()
    for row, cells in enumerate(rows):
        column = 0
        for cell in cells:
            while (row, column) in taken:
                column += 1
            taken |= {(row + down, column + right) for down in range(cell.rows) for right in range(cell.columns)}
            yield row, column, cell


def _top(cell: Cell, room: tuple[int, int], sheet: Sheet, *, is_head: bool) -> int:
    """Of the text of a cell between these edges."""
    height = len(cell.lines) * LEADING
    align = "middle" if cell.rows > 1 else sheet.head if is_head else sheet.align
    tops = {"top": room[0] + sheet.padding // 2, "bottom": room[1] - sheet.padding // 2 - height}
    return tops.get(align, (room[0] + room[1] - height) // 2)


def _is_number(text: str) -> bool:
    return text.strip("()–")[:1].isdigit() or text == "–"


def _width(cell: Cell, font: ImageFont.FreeTypeFont) -> int:
    return round(max((font.getlength(line) for line in cell.lines), default=0)) + 4 * SIDE


def _edges(parts: Sequence[tuple[int, int, int]]) -> list[int]:
    """Places of the edges, given the first track of each part, how many it spans, and the room it needs."""
    sizes = [0] * max(first + count for first, count, _ in parts)
    for first, count, room in sorted(parts, key=lambda part: part[1]):
        missing = room - sum(sizes[first : first + count])
        for track in range(first, first + count):
            sizes[track] += max(0, -(-missing // count))
    edges = [MARGIN]
    for size in sizes:
        edges.append(edges[-1] + size)
    return edges


def _font() -> ImageFont.FreeTypeFont:
    """Arimo, from the wheel that the service draws PDFs' fonts with."""
    spec = find_spec("fontpkg_arimo")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    file = next(path for folder in folders for path in sorted(Path(folder).rglob("*.ttf")) if "Italic" not in path.name)
    return ImageFont.truetype(str(file), SIZE, layout_engine=ImageFont.Layout.BASIC)
