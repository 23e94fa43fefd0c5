"""Readings of tables and charts to HTML: OTSL, a general VLM's own HTML, and lines of cells with bars between them."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.assembly.tables.otsl import (
    MAX_CELLS,
    Cell,
    Grid,
    Span,
    grid_spans,
    grid_to_html,
    otsl_to_html,
    pad_grid,
)
from gateway.assembly.text.entities import unescape
from gateway.model import Block, Region

_TAG = re.compile(r"<(/?)(table|caption|thead|tbody|tfoot|tr|td|th|br|p)(\s[^<>]*)?/?>", re.IGNORECASE)
_TABLE_TAG = re.compile(r"<(?:table|tr|td|th)(?:\s[^<>]*)?>", re.IGNORECASE)
_SPAN = re.compile(r"""\b(row|col)span\s*=\s*["']?(\d{1,3})""", re.IGNORECASE)
_OWN_TABLE = re.compile(
    r"""<table>(?:<tr>(?:<td(?:\ rowspan="\d{1,3}")?(?:\ colspan="\d{1,3}")?>
    [^<]*(?:(?:<br>|<img\ src="[\w./-]+"\ alt="Image"\ />)[^<]*)*
    </td>)+</tr>)+</table>""",
    re.VERBOSE,
)
_IMAGE_TAG = re.compile(r"""<img\b(?=[^<>]*+>)[^<>]*?\bsrc\s*=\s*["']([\w./-]+)["'][^<>]*>""", re.IGNORECASE)
_DIV = re.compile(r"</?div\b[^<>]*>", re.IGNORECASE)
IMAGE = re.compile("\ue000([\\w./-]+)\ue001")
"""A picture in a cell's text, its key between characters that no text has."""
_MARKS = dict.fromkeys((0xE000, 0xE001))
_EMPTY = Cell("ecel")
_CHART_RULE = re.compile(r":-+:?|-+:|-{2,}")


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
    return otsl_to_html(text) or (grid_to_html(_build_grid(_parse(text))) if _TABLE_TAG.search(text) else "")


def rebuild_table(table: str) -> str:
    """An HTML table from elsewhere as we write ours, pictures in its cells kept; ours stay as they are."""
    if _OWN_TABLE.fullmatch(table) and _area(table) <= MAX_CELLS:
        return table
    return IMAGE.sub(
        r'<img src="\1" alt="Image" />', grid_to_html(_build_grid(_parse(_mark_images(_DIV.sub("", table)))))
    )


def table_rows(table: str) -> list[list[str]]:
    """Plain texts of an HTML table's cells, row by row; a cell's text stands in the first place it covers."""
    return [[IMAGE.sub("", cell.text) for cell in row] for row in _parse_grid(table)]


def table_cells(table: str) -> tuple[int, int, list[Span]]:
    """Numbers of rows and columns, and the cells, of an HTML table. The texts are plain, but for `IMAGE`s in them."""
    grid = _parse_grid(table)
    return len(grid), len(grid[0]), grid_spans(grid)


def chart_to_html(text: str) -> str:
    """HTML table whose first line is the head.

    Empty where no line holds a bar, or the lines make more than `MAX_CELLS`, so that the caller keeps `text` raw.
    """
    lines = [line for line in text.splitlines() if line.strip(" |")]
    rows = _parse_fenced_rows(lines) if all(map(_is_fenced, lines)) else [_split_cells(line) for line in lines]
    width = max(map(len, rows), default=0)
    if width < 2 or width * len(rows) > MAX_CELLS:
        return ""
    head, *body = (_row_html(row, width, "th" if index == 0 else "td") for index, row in enumerate(rows))
    return f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"


def restore_table_images(
    regions: Sequence[Region], blocks: Sequence[Block], pictures: Mapping[str, str]
) -> list[Block]:
    """The blocks, those of pictures in tables put into the table's HTML. `pictures`: block id to picture key.

    A picture whose tag the VLM did not read, or read in what is no table, keeps its own block.
    """
    index_of = {region.order: index for index, region in enumerate(regions)}
    remaining: dict[int, Block] = dict(enumerate(blocks))
    for index, region in enumerate(regions):
        parent = index_of.get(region.parent_table or 0)
        if parent is None or region.tag is None:
            continue
        table = _restore_image(remaining[parent], region.tag, blocks[index], pictures.get(blocks[index].id))
        if table is not None:
            remaining[parent] = table
            del remaining[index]
    return list(remaining.values())


def _parse_grid(table: str) -> Grid:
    return pad_grid(_build_grid(_parse(_mark_images(table))))


def _mark_images(table: str) -> str:
    return _IMAGE_TAG.sub("\ue000\\1\ue001", table.translate(_MARKS))


def _area(table: str) -> int:
    spans = (_SPAN.findall(cell) for cell in re.findall(r"<td([^<>]*)>", table))
    return sum(math.prod(int(number) for _, number in span) for span in spans)


def _parse(text: str) -> list[list[_HtmlCell]]:
    """Rows of cells; text outside of cells gets a cell of its own."""
    rows: list[list[_HtmlCell]] = [[]]
    cell: _HtmlCell | None = None
    start = 0
    for tag in _TAG.finditer(text):
        cell = _add_text(rows, cell, text[start : tag.start()])
        cell = _apply_tag(rows, cell, tag)
        start = tag.end()
    _add_text(rows, cell, text[start:])
    return [row for row in rows if row] or [[_HtmlCell()]]


def _add_text(rows: list[list[_HtmlCell]], cell: _HtmlCell | None, text: str) -> _HtmlCell | None:
    if not text.strip():
        return cell
    if cell is None:
        cell = _HtmlCell()
        rows[-1].append(cell)
    parts = IMAGE.split(text)
    for index, part in enumerate(parts):
        cell.parts.append(f"\ue000{part}\ue001" if index % 2 else unescape(part).translate(_MARKS))
    return cell


def _apply_tag(rows: list[list[_HtmlCell]], cell: _HtmlCell | None, tag: re.Match[str]) -> _HtmlCell | None:
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


def _build_grid(rows: list[list[_HtmlCell]]) -> Grid:
    """OTSL's grid of the table, with spans only as far as the rows go and places are free."""
    if sum(cell.rows * cell.columns for row in rows for cell in row) > MAX_CELLS:
        rows = [[_HtmlCell(parts=cell.parts) for cell in row] for row in rows]
    grid: list[list[Cell | None]] = [[] for _ in rows]
    for index, row in enumerate(rows):
        column = 0
        for cell in row:
            column = _place(grid, index, column, cell)
    return [[cell or _EMPTY for cell in row] for row in grid]


def _place(grid: list[list[Cell | None]], row: int, column: int, cell: _HtmlCell) -> int:
    """Puts the cell into the first free place from `column` on; gives the column behind it."""
    while not _is_free(grid[row], column):
        column += 1
    columns = 1
    while columns < cell.columns and _is_free(grid[row], column + columns):
        columns += 1
    for below, places in enumerate(grid[row : row + cell.rows]):
        if not all(_is_free(places, index) for index in range(column, column + columns)):
            break
        places.extend([None] * (column + columns - len(places)))
        for right in range(columns):
            places[column + right] = _part(cell, below, right)
    return column + columns


def _is_free(places: list[Cell | None], index: int) -> bool:
    return index >= len(places) or places[index] is None


def _part(cell: _HtmlCell, below: int, right: int) -> Cell:
    if below == 0 and right == 0:
        return Cell("fcel", cell.text) if cell.text else _EMPTY
    return Cell("xcel" if below and right else "ucel" if below else "lcel")


def _is_fenced(line: str) -> bool:
    """Markdown's way: a bar before the first cell and one behind the last. Else a leading bar follows an empty cell."""
    bare = line.strip()
    return len(bare) > 2 and bare.startswith("|") and bare.endswith("|")


def _parse_fenced_rows(lines: Sequence[str]) -> list[list[str]]:
    cells = [_split_cells(line.strip()[1:-1]) for line in lines]
    return [row for index, row in enumerate(cells) if index != 1 or not all(map(_CHART_RULE.fullmatch, row))]


def _split_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


def _row_html(cells: Sequence[str], width: int, tag: str) -> str:
    padded = [*cells, *[""] * (width - len(cells))]
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell, quote=False)}</{tag}>" for cell in padded) + "</tr>"


def _restore_image(table: Block, tag: str, image: Block, picture: str | None) -> Block | None:
    if not table.content.startswith("<table>"):
        return None
    content, count = _tag_pattern(tag).subn(lambda _match: _image_html(image, picture), table.content)
    if not count:
        return None
    changes: dict[str, object] = {"content": content}
    if table.status == "ok" and image.status in ("failed", "truncated"):
        changes |= {"status": image.status, "error": f"The text of a picture in it: {image.error}"}
    return table.model_copy(update=changes)


def _tag_pattern(tag: str) -> re.Pattern[str]:
    """The tag as the VLM may have written it, with spaces between its signs."""
    return re.compile(r"\s*".join(map(re.escape, (tag[0], tag[1], tag[2:-1], tag[-1]))))


def _image_html(image: Block, picture: str | None) -> str:
    tag = [f'<img src="{html.escape(picture)}" alt="Image" />'] if picture else []
    lines = [html.escape(line.strip(), quote=False) for line in image.content.splitlines() if line.strip()]
    return "<br>".join([*tag, *lines])
