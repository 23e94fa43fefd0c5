"""The paragraphs, tables and figures of a result as they are added, and the sections that headings make of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from gateway.api.azure.content import Span, cover
from gateway.api.chunked_response import append


class Elements:
    """The lists of a result, their entries as the bytes that will be sent."""

    def __init__(self) -> None:
        self._lists: dict[str, bytearray] = defaultdict(bytearray)
        self._counts: Counter[str] = Counter()
        self._sections: list[dict[str, Any]] = [{"elements": [], "span": None}]
        self._open = [(0, 0)]
        """Level and number of the sections that the next element may belong to, from the document's own one."""

    def add(self, name: str, entry: Mapping[str, Any]) -> str:
        """Gives the way to the entry in the result."""
        append(self._lists[name], to_json(entry), b",")
        self._counts[name] += 1
        return f"/{name}/{self._counts[name] - 1}"

    def place(self, element: str, span: Span, level: int | None = None) -> None:
        """The next element in reading order; a heading of `level`, from 1, begins a section."""
        if level is not None:
            self._begin_section(level)
        self._sections[self._open[-1][1]]["elements"].append(element)
        for _, number in self._open:
            before = self._sections[number]["span"]
            self._sections[number]["span"] = cover([before, span]) if before else span

    def _begin_section(self, level: int) -> None:
        while self._open[-1][0] >= level:
            self._open.pop()
        number = len(self._sections)
        self._sections[self._open[-1][1]]["elements"].append(f"/sections/{number}")
        self._sections.append({"elements": [], "span": None})
        self._open.append((level, number))

    def entries(self, name: str) -> bytearray:
        """JSON of a list's entries, commas between."""
        return self._lists[name]

    def list_sections(self) -> list[dict[str, Any]]:
        return [
            {"spans": [section["span"]] if section["span"] else [], "elements": section["elements"]}
            for section in self._sections
        ]
