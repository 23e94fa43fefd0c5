"""Readings of charts (lines of cells with bars between them) to HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence


def chart_to_html(text: str) -> str:
    """HTML table whose first line is the head; empty where no line holds a bar, so that the caller keeps `text` raw."""
    rows = [_cells(line) for line in text.splitlines() if line.strip(" |")]
    width = max(map(len, rows), default=0)
    if width < 2:
        return ""
    head, *body = (_row(row, width, "th" if at == 0 else "td") for at, row in enumerate(rows))
    return f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _row(cells: Sequence[str], width: int, tag: str) -> str:
    padded = [*cells, *[""] * (width - len(cells))]
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell, quote=False)}</{tag}>" for cell in padded) + "</tr>"
