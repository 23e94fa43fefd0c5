"""TEDS, the tree-edit-distance similarity of two HTML tables (Zhong et al., "Image-based table recognition", 2020)."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from apted import APTED, Config
from rapidfuzz.distance import Levenshtein

CELLS = ("td", "th")


@dataclass(slots=True)
class Node:
    """`text` and `spans` (rows, columns) are those of a cell."""

    tag: str
    spans: tuple[int, int] = (1, 1)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def count(self) -> int:
        return 1 + sum(child.count() for child in self.children)


def teds(found: str, truth: str) -> float:
    """1 for the same table, 0 for none alike. Both hold one HTML table; white space does not count, headers are
    cells."""
    trees = [_Tables(text).root for text in (found, truth)]
    distance = APTED(trees[0], trees[1], _TableConfig()).compute_edit_distance()
    return max(0.0, 1.0 - float(distance) / max(tree.count() for tree in trees))


class _TableConfig(Config):  # type: ignore[misc]  # apted has no types
    def rename(self, node1: Node, node2: Node) -> float:
        if node1.tag != node2.tag or node1.spans != node2.spans:
            return 1.0
        return Levenshtein.normalized_distance(node1.text, node2.text) if node1.tag == "td" else 0.0

    def children(self, node: Node) -> list[Node]:
        return node.children


class _Tables(HTMLParser):
    """The first table of a text as a tree of rows and cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Node("table")
        self._cell: Node | None = None
        self._is_over = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._is_over:
            return
        if tag == "tr":
            self.root.children.append(Node("tr"))
        elif tag in CELLS and self.root.children:
            spans = dict(attrs)
            self._cell = Node("td", (int(spans.get("rowspan") or 1), int(spans.get("colspan") or 1)))
            self.root.children[-1].children.append(self._cell)

    def handle_endtag(self, tag: str) -> None:
        if tag in CELLS:
            self._cell = None
        self._is_over = self._is_over or tag == "table"

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.text += "".join(data.split())
