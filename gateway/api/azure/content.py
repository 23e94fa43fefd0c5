"""The text of a result, where its parts stand in it, counted as the client wants, and the lists of these parts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import accumulate, chain
from typing import Any, Literal

import regex
from pydantic_core import to_json

from common.geometry import union
from gateway.api.azure.schema import StringIndexType
from gateway.api.chunked_response import append
from gateway.model import Block, Box, Word

Span = Mapping[str, int]
SelectionState = Literal["selected", "unselected"]

_REACH = 1000
"""Characters in which the next word is looked for, forth and back, so that a page costs its length."""
_MARKUP = ("<table", "<fig")
_TAG = regex.compile(r"<[^<>]*+>")
_TICK_BOX = regex.compile(r"(?<![^\s>])(?:\[[ x]\]|[☐☒])(?![^\s<])")
_STATES: Mapping[str, SelectionState] = {
    "[ ]": "unselected",
    "☐": "unselected",
    "[x]": "selected",
    "☒": "selected",
}


def _count_graphemes(text: str) -> Iterable[int]:
    """A user's character counts where it begins."""
    return chain.from_iterable((1, *(0,) * (len(cluster) - 1)) for cluster in regex.findall(r"\X", text))


_UNITS: Mapping[StringIndexType, Callable[[str], Iterable[int]]] = {
    "textElements": _count_graphemes,
    "unicodeCodePoint": lambda text: (1 for _ in text),
    "utf16CodeUnit": lambda text: (2 if character > "\uffff" else 1 for character in text),
}


class Content:
    """All text so far; parts are added at its end."""

    def __init__(self, units: StringIndexType) -> None:
        self._count = _UNITS[units]
        self._parts: list[str] = []
        self.length = 0

    def add(self, text: str) -> Segment:
        is_plain = text.isascii() and "\r" not in text
        offsets = range(len(text) + 1) if is_plain else [0, *accumulate(self._count(text))]
        segment = Segment(text, self.length, offsets)
        self._parts.append(text)
        self.length = segment.end
        return segment

    def span_from(self, start: int) -> Span:
        """From an offset to the end."""
        return {"offset": start, "length": self.length - start}

    def join(self) -> str:
        return "".join(self._parts)


class Segment:
    """A part of the content in which words are found one after the other.

    `offsets`: of each of its characters, in the client's units, and of its end.
    """

    def __init__(self, text: str, start: int, offsets: Sequence[int]) -> None:
        self.start = start
        self.end = start + offsets[-1]
        self._offsets = offsets
        self._is_table = text.startswith("<table")
        self._text = _TAG.sub(lambda tag: " " * len(tag[0]), text) if text.startswith(_MARKUP) else text
        self._at = 0

    def rewind(self) -> None:
        """What is found next is looked for from the beginning."""
        self._at = 0

    @property
    def span(self) -> Span:
        return {"offset": self.start, "length": self.end - self.start}

    def find(self, text: str) -> Span:
        """The place of the next text, whose words may be apart here; of no length where it does not stand here."""
        shown = escape(text, quote=False) if self._is_table else text
        places = [self._find_word(word) for word in shown.split()] or [(self._at, self._at)]
        first, last = places[0]
        if len(places) > 1:
            found = [place for place in places if place[1] > place[0]] or places[:1]
            first, last = min(found)[0], max(place[1] for place in found)
        start = self._offsets[first]
        return {"offset": self.start + start, "length": self._offsets[last] - start}

    def _find_word(self, word: str) -> tuple[int, int]:
        start = self._text.find(word, self._at, self._at + len(word) + _REACH)
        if start >= 0:
            self._at = start + len(word)
            return start, self._at
        start = self._text.rfind(word, max(self._at - _REACH, 0), self._at)
        return (start, start + len(word)) if start >= 0 else (self._at, self._at)


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


def selection_sign(state: SelectionState, *, is_markdown: bool) -> str:
    """How the content shows a selection mark."""
    if is_markdown:
        return "☒" if state == "selected" else "☐"
    return f":{state}:"


def show_selection_marks(text: str, *, is_markdown: bool) -> str:
    """The text with the signs of selection marks in the place of boxes to tick."""
    return _TICK_BOX.sub(lambda box: selection_sign(_STATES[box[0]], is_markdown=is_markdown), text)


def selection_state(word: str) -> SelectionState | None:
    """Of a word that is a box to tick; None of any other."""
    return _STATES.get(word)


def join_tick_boxes(words: Sequence[Word]) -> list[Word]:
    """The words, an empty box's brackets, which have a space between them, as one."""
    joined: list[Word] = []
    for word in words:
        if word.text == "]" and joined and joined[-1].text == "[":
            left, top, right, bottom = union([joined[-1].bbox, word.bbox])
            word = joined.pop().model_copy(update={"text": "[ ]", "bbox": (left, top, right, bottom)})
        joined.append(word)
    return joined


def split_words(text: str, box: Box, confidence: float | None) -> list[Word]:
    """The words of a line whose places are unknown, spread over it."""
    x1, y1, x2, y2 = box
    step = (x2 - x1) / max(len(text), 1)
    matches = regex.finditer(r"\S++", text)
    return [
        Word(text=match[0], bbox=(x1 + step * match.start(), y1, x1 + step * match.end(), y2), confidence=confidence)
        for match in matches
    ]


def cover(spans: Sequence[Span]) -> Span:
    """From the first of them to the last."""
    start = min(span["offset"] for span in spans)
    return {"offset": start, "length": max(span["offset"] + span["length"] for span in spans) - start}


def word_confidence(word: Word, line_confidence: float | None, block: Block) -> float:
    """What is known of the word, its line or its block; what a text layer says is certain."""
    for value in (word.confidence, line_confidence, block.confidence):
        if value is not None:
            return round(value, 3)
    return 1.0
