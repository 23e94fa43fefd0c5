"""Tables drawn from their truth: with all rules, with those of books (above, below and under the head), with none."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

Style = Literal["ruled", "book", "bare"]
STYLES: tuple[Style, ...] = ("ruled", "book", "bare")
SIZE, LEADING, PADDING, MARGIN = 26, 34, 14, 30
"""Of the print, its lines, a cell's sides and the picture's, pixels: print of 10 points at 180 dpi."""
WORDS = (
    *("harbour", "dues", "tonnage", "berth", "pilot", "crane", "cargo", "storage", "weight", "customs", "daily", "fee"),
    *("vessel", "length", "draught", "arrival", "permit", "levy", "quay", "lighter", "ballast", "survey", "anchor"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """`lines`: its text as it stands; more columns or rows where it spans them."""

    lines: tuple[str, ...]
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True, slots=True)
class DrawnTable:
    name: str
    style: Style
    image: Image.Image
    html: str


Rows = Sequence[Sequence[Cell]]
"""Cells of each row that begin in it, from the left."""


def draw_tables(seed: int = 20) -> Iterator[DrawnTable]:
    """The same tables for the same seed: six kinds in three styles."""
    kinds = {
        "numbers": _numbers, "words": _words, "lines": _lines, "gaps": _gaps, "heads": _heads, "groups": _groups,
    }  # fmt: skip
    for style in STYLES:
        for name, make in kinds.items():
            table = make(random.Random(f"{seed} {name}"))
            yield DrawnTable(name, style, _draw(table, style), _as_html(table))


def _text(source: random.Random, words: int) -> str:
    return " ".join(source.choice(WORDS) for _ in range(words)).capitalize()


def _number(source: random.Random) -> str:
    return f"{source.randint(2, 99_999) / 10:,.1f}"


def _head(source: random.Random, columns: int) -> list[Cell]:
    return [Cell((_text(source, 1),)) for _ in range(columns)]


def _numbers(source: random.Random) -> Rows:
    rows = [[Cell((_text(source, 2),)), *(Cell((_number(source),)) for _ in range(5))] for _ in range(9)]
    return [_head(source, 6), *rows]


def _words(source: random.Random) -> Rows:
    return [_head(source, 4), *([Cell((_text(source, 1 + column % 3),)) for column in range(4)] for _ in range(6))]


def _lines(source: random.Random) -> Rows:
    """Cells of one to three lines."""
    rows = []
    for _ in range(5):
        texts = [tuple(_text(source, 2) for _ in range(source.randint(1, 3))) for _ in range(2)]
        rows.append([Cell((_text(source, 1),)), *(Cell(text) for text in texts), Cell((_number(source),))])
    return [_head(source, 4), *rows]


def _gaps(source: random.Random) -> Rows:
    """A third of the cells is empty."""

    def cell() -> Cell:
        return Cell(() if source.random() < 1 / 3 else (_number(source),))

    return [_head(source, 5), *([Cell((_text(source, 2),)), *(cell() for _ in range(4))] for _ in range(7))]


def _heads(source: random.Random) -> Rows:
    """A head of two rows, whose first spans pairs of columns."""
    first = [Cell((_text(source, 1),), rows=2), *(Cell((_text(source, 2),), columns=2) for _ in range(3))]
    rows = [[Cell((_text(source, 1),)), *(Cell((_number(source),)) for _ in range(6))] for _ in range(6)]
    return [first, _head(source, 6), *rows]


def _groups(source: random.Random) -> Rows:
    """Rows in groups of two or three, named once."""
    rows: list[list[Cell]] = [_head(source, 4)]
    for size in (2, 3, 2):
        for place in range(size):
            name = [Cell((_text(source, 1),), rows=size)] if place == 0 else []
            rows.append([*name, Cell((_text(source, 2),)), Cell((_number(source),)), Cell((_number(source),))])
    return rows


def _places(table: Rows) -> Iterator[tuple[int, int, Cell]]:
    """Row and column of each cell, from 0."""
    taken: set[tuple[int, int]] = set()
    for row, cells in enumerate(table):
        column = 0
        for cell in cells:
            while (row, column) in taken:
                column += 1
            taken |= {(row + down, column + right) for down in range(cell.rows) for right in range(cell.columns)}
            yield row, column, cell


def _draw(table: Rows, style: Style) -> Image.Image:
    font = _font()
    places = list(_places(table))
    xs = _edges([(column, cell.columns, _width(cell, font)) for _, column, cell in places])
    ys = _edges([(row, cell.rows, max(1, len(cell.lines)) * LEADING + PADDING) for row, _, cell in places])
    image = Image.new("RGB", (xs[-1] + MARGIN, ys[-1] + MARGIN), "white")
    draw = ImageDraw.Draw(image)
    for row, column, cell in places:
        box = xs[column], ys[row], xs[column + cell.columns], ys[row + cell.rows]
        if style == "ruled":
            draw.rectangle(box, outline="black", width=2)
        top = (box[1] + box[3] - len(cell.lines) * LEADING) // 2
        for line, text in enumerate(cell.lines):
            free = box[2] - box[0] - 2 * PADDING - font.getlength(text)
            left = box[0] + PADDING + (free if text[0].isdigit() else free / 2 if cell.columns > 1 else 0)
            draw.text((left, top + line * LEADING), text, fill="black", font=font)
    head = max(cell.rows for cell in table[0])
    for y in (ys[0], ys[head], ys[-1]) if style == "book" else ():
        draw.line((xs[0], y, xs[-1], y), fill="black", width=2)
    return image


def _width(cell: Cell, font: ImageFont.FreeTypeFont) -> int:
    return round(max((font.getlength(line) for line in cell.lines), default=0)) + 4 * PADDING


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


def _as_html(table: Rows) -> str:
    def tag(cell: Cell) -> str:
        spans = f' rowspan="{cell.rows}"' * (cell.rows > 1) + f' colspan="{cell.columns}"' * (cell.columns > 1)
        return f"<td{spans}>{escape(' '.join(cell.lines))}</td>"

    rows = ("<tr>" + "".join(tag(cell) for cell in cells) + "</tr>" for cells in table)
    return "<table>" + "".join(rows) + "</table>"


def _font() -> ImageFont.FreeTypeFont:
    """Arimo, from the wheel that the service draws PDFs' fonts with."""
    spec = find_spec("fontpkg_arimo")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    file = next(path for folder in folders for path in sorted(Path(folder).rglob("*.ttf")) if "Italic" not in path.name)
    return ImageFont.truetype(str(file), SIZE, layout_engine=ImageFont.Layout.BASIC)
