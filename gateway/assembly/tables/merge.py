"""The rows of an HTML table that a page break cut: taken apart, and put together with those of the next page."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from gateway.assembly.tables.otsl import MAX_CELLS
from gateway.assembly.text.entities import unescape

_MAX_HEAD_ROWS = 5
_TABLE = re.compile(r"\s*(<table\b[^>]*>)(.*)(</table>)\s*", re.DOTALL | re.IGNORECASE)
# No possessive group: Python 3.11.2, Debian 12's, matches less with one than later releases do.
_ROW = re.compile(r"<tr\b[^<>]*>[^<]*(?:<(?!/?tr\b)[^<]*)*</tr>", re.IGNORECASE)
_CELL = re.compile(r"<t[dh]\b([^<>]*)>([^<]*(?:<(?!/?t[dh]\b)[^<]*)*)</t[dh]>", re.IGNORECASE)
_SPAN = re.compile(r"""\b(row|col)span\s*=\s*["']?(\d{1,3})""", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_ROW_END = len("</tr>")


@dataclass(frozen=True, slots=True)
class TableRows:
    """A table's rows as HTML, at least one. `widths`: columns of each, with what reaches into it from above; None where
    each has `width`, the most."""

    opening: str
    texts: deque[str]
    width: int
    widths: Sequence[int] | None
    closing: str

    @property
    def html(self) -> str:
        return f"{self.opening}{''.join(self.texts)}{self.closing}"


def parse_rows(table: str) -> TableRows | None:
    """None where the text is more than one table's rows, or a cell hangs out of the last row."""
    match = _TABLE.fullmatch(table)
    if not match or "<table" in match[2].lower() or _TAG.sub("", _ROW.sub("", match[2])).strip():
        return None
    texts = _ROW.findall(match[2])
    if not texts or _end_row(texts) > len(texts):
        return None
    widths = _widths(texts)
    return TableRows(match[1], deque(texts), max(widths), widths, match[3])


def join_rows(upper: TableRows, lower: TableRows) -> TableRows | None:
    """The rows of both, equally wide, without a head that stands again; None where they do not go together.

    So too where they would not fit into `MAX_CELLS`. Takes the lower table over: a table of a thousand pages, which
    grows from its end, costs the upper table's rows for each, and the lower one's only where it gets wider.
    """
    head = _count_head_rows(list(upper.texts), list(islice(lower.texts, _MAX_HEAD_ROWS)))
    if head == len(lower.texts):
        return None
    width_below = max(lower.widths[head:]) if lower.widths else lower.width
    if not _is_compatible(upper, lower.texts[head], width_below):
        return None
    width = max(upper.width, width_below)
    if width * (len(upper.texts) + len(lower.texts) - head) > MAX_CELLS:
        return None
    rows = lower.texts
    for _ in range(head):
        rows.popleft()
    if lower.widths or width > lower.width:
        rows = deque(_pad_rows(rows, lower.widths[head:] if lower.widths else [lower.width] * len(rows), width))
    rows.extendleft(reversed(_pad_rows(upper.texts, upper.widths or [upper.width] * len(upper.texts), width)))
    return TableRows(upper.opening, rows, width, None, upper.closing)


def _end_row(texts: Sequence[str]) -> int:
    """The row behind the last one that a cell of these covers."""
    return max(
        (index + _span(cell, "row") for index, row in enumerate(texts) for cell in _CELL.findall(row)), default=0
    )


def _widths(texts: Sequence[str]) -> list[int]:
    changes = [0] * (len(texts) + 1)
    for index, row in enumerate(texts):
        for cell in _CELL.findall(row):
            columns = _span(cell, "col")
            changes[index] += columns
            changes[min(index + _span(cell, "row"), len(texts))] -= columns
    return list(accumulate(changes[:-1]))


def _count_head_rows(above: Sequence[str], below: Sequence[str]) -> int:
    """How many rows the lower table begins with that the upper one begins with too; no cell is cut in two."""
    same = 0
    for one, other in zip(above[:_MAX_HEAD_ROWS], below, strict=False):
        if _signature(one) != _signature(other):
            break
        same += 1
    while _end_row(below[:same]) > same:
        same -= 1
    return same


def _signature(row: str) -> list[tuple[int, str]]:
    """Each cell's columns and text, letters of full and half width and white space alike."""
    cells = _CELL.findall(row)
    texts = (_fold(unescape(_TAG.sub("", cell[1]))) for cell in cells)
    return [(_span(cell, "col"), "".join(text.split())) for cell, text in zip(cells, texts, strict=True)]


def _fold(text: str) -> str:
    """Each character by itself: the time to normalize whole texts grows with the square of a run of accents."""
    return text if text.isascii() else "".join(unicodedata.normalize("NFKC", character) for character in text)


def _span(cell: tuple[str, str], kind: str) -> int:
    return next((max(1, int(number)) for name, number in _SPAN.findall(cell[0]) if name.lower() == kind), 1)


def _is_compatible(upper: TableRows, row: str, width: int) -> bool:
    """Whether a table of this width that begins with this row may go on below."""
    if upper.width == width:
        return True
    last, first = _CELL.findall(upper.texts[-1]), _CELL.findall(row)
    columns = [sum(_span(cell, "col") for cell in cells) for cells in (last, first)]
    return columns[0] == columns[1] or len(last) == len(first)


def _pad_rows(texts: Iterable[str], widths: Sequence[int], width: int) -> list[str]:
    return [
        text if own == width else text[:-_ROW_END] + "<td></td>" * (width - own) + text[-_ROW_END:]
        for text, own in zip(texts, widths, strict=True)
    ]
