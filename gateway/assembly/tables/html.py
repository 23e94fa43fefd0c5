"""Readings of tables to HTML: OTSL, and the HTML that a general VLM writes instead."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass, field

from gateway.assembly.tables.otsl import (
    MAX_CELLS,
    Cell,
    Grid,
    Span,
    grid_spans,
    grid_to_html,
    otsl_to_html,
    rectangular,
)

_TAG = re.compile(r"<(/?)(table|caption|thead|tbody|tfoot|tr|td|th|br|p)(\s[^<>]*)?/?>", re.IGNORECASE)
_TABLE_TAG = re.compile(r"<(?:table|tr|td|th)(?:\s[^<>]*)?>", re.IGNORECASE)
_SPAN = re.compile(r"""\b(row|col)span\s*=\s*["']?(\d{1,3})""", re.IGNORECASE)
_OURS = re.compile(
    r"""<table>(?:<tr>(?:<td(?:\ rowspan="\d{1,3}")?(?:\ colspan="\d{1,3}")?>
    (?:[^<]++|<br>|<img\ src="[\w./-]+"\ alt="Image"\ />)*+
    </td>)++</tr>)++</table>""",
    re.VERBOSE,
)
_PICTURE = re.compile(r"""<img\b(?=[^<>]*+>)[^<>]*?\bsrc\s*=\s*["']([\w./-]+)["'][^<>]*>""", re.IGNORECASE)
_DIV = re.compile(r"</?div\b[^<>]*>", re.IGNORECASE)
PICTURE = re.compile("\ue000([\\w./-]+)\ue001")
"""A picture in a cell's text, its key between characters that no text has."""
_MARKS = dict.fromkeys((0xE000, 0xE001))
_EMPTY = Cell("ecel")


@dataclass(slots=True)
class _HtmlCell:
    rows: int = 1
    columns: int = 1
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()


def table_to_html(text: str) -> str:
    """Our own HTML of a table's reading, on one line; empty where it is neither OTSL nor HTML, so the caller keeps it.

    Nothing of the reading's own HTML passes but rows, cells, their spans and line breaks; other tags become text.
    """
    return otsl_to_html(text) or (grid_to_html(_grid(_parse(text))) if _TABLE_TAG.search(text) else "")


def rebuilt_table(table: str) -> str:
    """An HTML table from elsewhere as we write ours, pictures in its cells kept; ours stay as they are."""
    if _OURS.fullmatch(table) and _area(table) <= MAX_CELLS:
        return table
    return PICTURE.sub(r'<img src="\1" alt="Image" />', grid_to_html(_grid(_parse(_marked(_DIV.sub("", table))))))


def table_rows(table: str) -> list[list[str]]:
    """Plain texts of an HTML table's cells, row by row; a cell's text stands in the first place it covers."""
    return [[PICTURE.sub("", cell.text) for cell in row] for row in _rectangle(table)]


def table_cells(table: str) -> tuple[int, int, list[Span]]:
    """Numbers of rows and columns, and the cells, of an HTML table. The texts are plain, but for `PICTURE`s in them."""
    grid = _rectangle(table)
    return len(grid), len(grid[0]), grid_spans(grid)


def _rectangle(table: str) -> Grid:
    return rectangular(_grid(_parse(_marked(table))))


def _marked(table: str) -> str:
    return _PICTURE.sub("\ue000\\1\ue001", table.translate(_MARKS))


def _area(table: str) -> int:
    spans = (_SPAN.findall(cell) for cell in re.findall(r"<td([^<>]*)>", table))
    return sum(math.prod(int(number) for _, number in span) for span in spans)


def _parse(text: str) -> list[list[_HtmlCell]]:
    """Rows of cells; text outside of cells gets a cell of its own."""
    rows: list[list[_HtmlCell]] = [[]]
    cell: _HtmlCell | None = None
    at = 0
    for tag in _TAG.finditer(text):
        cell = _written(rows, cell, text[at : tag.start()])
        cell = _opened(rows, cell, tag)
        at = tag.end()
    _written(rows, cell, text[at:])
    return [row for row in rows if row] or [[_HtmlCell()]]


def _written(rows: list[list[_HtmlCell]], cell: _HtmlCell | None, text: str) -> _HtmlCell | None:
    if not text.strip():
        return cell
    if cell is None:
        cell = _HtmlCell()
        rows[-1].append(cell)
    parts = PICTURE.split(text)
    for at, part in enumerate(parts):
        cell.parts.append(f"\ue000{part}\ue001" if at % 2 else html.unescape(part).translate(_MARKS))
    return cell


def _opened(rows: list[list[_HtmlCell]], cell: _HtmlCell | None, tag: re.Match[str]) -> _HtmlCell | None:
    """The cell that text behind the tag belongs to."""
    is_end, name = bool(tag[1]), tag[2].lower()
    if name in ("br", "p"):
        if cell:
            cell.parts.append("\n")
        return cell
    if name in ("td", "th"):
        return None if is_end else _new_cell(rows, tag[3] or "")
    if rows[-1]:
        rows.append([])
    return None


def _new_cell(rows: list[list[_HtmlCell]], attributes: str) -> _HtmlCell:
    spans = {name.lower(): max(1, int(number)) for name, number in _SPAN.findall(attributes)}
    cell = _HtmlCell(spans.get("row", 1), spans.get("col", 1))
    rows[-1].append(cell)
    return cell


def _grid(rows: list[list[_HtmlCell]]) -> Grid:
    """OTSL's grid of the table, with spans only as far as the rows go and places are free."""
    if sum(cell.rows * cell.columns for row in rows for cell in row) > MAX_CELLS:
        rows = [[_HtmlCell(parts=cell.parts) for cell in row] for row in rows]
    grid: list[list[Cell | None]] = [[] for _ in rows]
    for at, row in enumerate(rows):
        column = 0
        for cell in row:
            column = _place(grid, at, column, cell)
    return [[cell or _EMPTY for cell in row] for row in grid]


def _place(grid: list[list[Cell | None]], row: int, column: int, cell: _HtmlCell) -> int:
    """Puts the cell into the first free place from `column` on; gives the column behind it."""
    while not _is_free(grid[row], column):
        column += 1
    columns = 1
    while columns < cell.columns and _is_free(grid[row], column + columns):
        columns += 1
    for below, places in enumerate(grid[row : row + cell.rows]):
        if not all(_is_free(places, at) for at in range(column, column + columns)):
            break
        places.extend([None] * (column + columns - len(places)))
        for right in range(columns):
            places[column + right] = _part(cell, below, right)
    return column + columns


def _is_free(places: list[Cell | None], at: int) -> bool:
    return at >= len(places) or places[at] is None


def _part(cell: _HtmlCell, below: int, right: int) -> Cell:
    if below == 0 and right == 0:
        return Cell("fcel", cell.text) if cell.text else _EMPTY
    return Cell("xcel" if below and right else "ucel" if below else "lcel")
