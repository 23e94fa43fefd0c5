"""Tables as a browser lays them out."""

from __future__ import annotations

from html.parser import HTMLParser


class Cells(HTMLParser):
    """(row, rowspan, colspan) of each cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows = 0
        self.cells: list[tuple[int, int, int]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows += 1
        if tag == "td":
            spans = dict(attrs)
            self.cells.append((self.rows - 1, int(spans.get("rowspan") or 1), int(spans.get("colspan") or 1)))


def widths(table: str) -> list[int]:
    """Columns of each row as a browser lays them out; a cell that hangs out below gives one row more."""
    cells = Cells(table)
    laid: list[set[int]] = [set() for _ in range(cells.rows)]
    for row, rowspan, colspan in cells.cells:
        column = next(at for at in range(10_000) if at not in laid[row])
        for below in range(row, row + rowspan):
            if below >= len(laid):
                laid.append(set())
            assert laid[below].isdisjoint(range(column, column + colspan)), "two cells overlap"
            laid[below] |= set(range(column, column + colspan))
    return [len(row) for row in laid]
