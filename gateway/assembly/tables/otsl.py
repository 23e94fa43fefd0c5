"""PaddleOCR-VL's table language OTSL to HTML.

A cell is `<fcel>text` or `<ecel>` (empty); `<lcel>`, `<ucel>`, `<xcel>` continue the cell to the left, above, or both;
`<nl>` ends a row. A model may write any of them anywhere, so every input gives a valid rectangular table. Where a
page shows such a tag as its text, our CPU engine writes `<`, U+2060 WORD JOINER, `fcel>`; a VLM's is not told apart.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from statistics import median_low

_TOKEN = re.compile(r"<(fcel|ecel|lcel|ucel|xcel|nl)>")
_ESCAPED_TAG = re.compile(r"<\u2060(?=(?:[felux]cel|nl)>)")
_CONTINUATIONS = frozenset({"lcel", "ucel", "xcel"})
MAX_CELLS = 100_000
"""A run-away reading can ask for rows x columns far above its own length; a real table never comes near this."""

Grid = list[list["Cell"]]


@dataclass(frozen=True, slots=True)
class Cell:
    """A place of the grid; `kind` is OTSL's name for it, only `fcel` has text."""

    kind: str
    text: str = ""


@dataclass(slots=True)
class Span:
    """A cell with its place in the table, and how many rows and columns it covers."""

    row: int
    column: int
    rows: int
    columns: int
    text: str


_EMPTY = Cell("ecel")


def otsl_to_html(text: str) -> str:
    """HTML table of an OTSL reading, on one line; empty where `text` holds no cell, so that the caller keeps it raw."""
    rows = _parse(text)
    return grid_to_html(rows) if rows else ""


def grid_to_html(rows: Grid) -> str:
    """HTML table of at least one row; rows are padded, or cut behind their text, to one width."""
    rows = pad_grid(rows)
    return _html(grid_spans(rows), len(rows))


def pad_grid(rows: Grid) -> Grid:
    width = _width(rows)
    if width * len(rows) > MAX_CELLS:
        width = max(1, MAX_CELLS // len(rows))
        rows = [row[index : index + width] for row in rows for index in range(0, len(row), width)]
    return [_fit_row(row, width) for row in rows]


def _parse(text: str) -> Grid:
    lead, *pieces = _TOKEN.split(text)
    if not pieces:
        return []
    rows: Grid = [[]]
    if lead.strip():
        rows[0].append(Cell("fcel", _text(lead)))
    for kind, content in zip(pieces[::2], pieces[1::2], strict=True):
        _append(rows, kind, _text(content))
    return [row for row in rows if row]


def _text(content: str) -> str:
    return _ESCAPED_TAG.sub("<", content.strip())


def _append(rows: Grid, kind: str, text: str) -> None:
    if kind == "nl":
        rows.append([])
        if not text:
            return
    rows[-1].append(Cell("fcel", text) if text or kind == "fcel" else Cell(kind))


def _width(rows: Grid) -> int:
    """Columns: what pads and cuts least, as in PaddleOCR-VL, but never before a row's last cell with text."""
    lengths = [len(row) for row in rows]
    used = max((column + 1 for row in rows for column, cell in enumerate(row) if cell.kind == "fcel"), default=1)
    return max(used, median_low(lengths))


def _fit_row(row: list[Cell], width: int) -> list[Cell]:
    return row[:width] + [_EMPTY] * (width - len(row))


def grid_spans(grid: Grid) -> list[Span]:
    """Tiles a rectangular grid with its cells, first come first served: no two overlap and none is left out."""
    occupied = [[False] * len(row) for row in grid]
    spans = []
    for row, cells in enumerate(grid):
        for column, cell in enumerate(cells):
            if not occupied[row][column]:
                span = _grow(grid, occupied, row, column, cell.text)
                _occupy(occupied, span)
                spans.append(span)
    return spans


def _grow(grid: Grid, occupied: list[list[bool]], row: int, column: int, text: str) -> Span:
    cells = grid[row]
    right = column + 1
    while right < len(cells) and cells[right].kind == "lcel" and not occupied[row][right]:
        right += 1
    below = row + 1
    while below < len(grid) and _continues(grid[below], occupied[below], column, right):
        below += 1
    return Span(row, column, below - row, right - column, text)


def _continues(cells: list[Cell], occupied: list[bool], left: int, right: int) -> bool:
    if cells[left].kind not in ("ucel", "xcel"):
        return False
    return all(cells[index].kind in _CONTINUATIONS and not occupied[index] for index in range(left, right))


def _occupy(occupied: list[list[bool]], span: Span) -> None:
    for row in range(span.row, span.row + span.rows):
        occupied[row][span.column : span.column + span.columns] = [True] * span.columns


def _html(spans: list[Span], rows_total: int) -> str:
    """Rows in which no cell begins are left out and the cells that run through them made shorter."""
    starts: list[list[Span]] = [[] for _ in range(rows_total)]
    for span in spans:
        starts[span.row].append(span)
    lines = [
        "".join(_cell(span, sum(1 for row in starts[span.row : span.row + span.rows] if row)) for span in row)
        for row in starts
        if row
    ]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _cell(span: Span, rows: int) -> str:
    attributes = f' rowspan="{rows}"' if rows > 1 else ""
    attributes += f' colspan="{span.columns}"' if span.columns > 1 else ""
    lines = html.escape(span.text, quote=False).splitlines()
    return f"<td{attributes}>{'<br>'.join(line.strip() for line in lines)}</td>"
