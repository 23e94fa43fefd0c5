"""Readings of charts (lines of cells with bars between them) to HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from gateway.assembly.tables.otsl import MAX_CELLS

_RULE = re.compile(r":-+:?|-+:|-{2,}")


def chart_to_html(text: str) -> str:
    """HTML table whose first line is the head.

    Empty where no line holds a bar, or the lines make more than `MAX_CELLS`, so that the caller keeps `text` raw.
    """
    lines = [line for line in text.splitlines() if line.strip(" |")]
    rows = _fenced(lines) if all(map(_is_fenced, lines)) else [_cells(line) for line in lines]
    width = max(map(len, rows), default=0)
    if width < 2 or width * len(rows) > MAX_CELLS:
        return ""
    head, *body = (_row(row, width, "th" if at == 0 else "td") for at, row in enumerate(rows))
    return f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"


def _is_fenced(line: str) -> bool:
    """Markdown's way: a bar before the first cell and one behind the last. Else a leading bar follows an empty cell."""
    bare = line.strip()
    return len(bare) > 2 and bare.startswith("|") and bare.endswith("|")


def _fenced(lines: Sequence[str]) -> list[list[str]]:
    cells = [_cells(line.strip()[1:-1]) for line in lines]
    return [row for at, row in enumerate(cells) if at != 1 or not all(map(_RULE.fullmatch, row))]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


def _row(cells: Sequence[str], width: int, tag: str) -> str:
    padded = [*cells, *[""] * (width - len(cells))]
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell, quote=False)}</{tag}>" for cell in padded) + "</tr>"
