"""Running heads and feet that layout takes for headings or text, known by the same line on a page before.

The pages of a document come one at a time, so the first of such pages keeps its line.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from gateway.assembly.page import rerender
from gateway.assembly.page_numbers import find_named
from gateway.model import Block, PageResult
from gateway.reading_options import OcrOptions
from textlines.words import text_width

PAGES = 2
"""Left and right pages may have different ones."""
TOP, BOTTOM = 0.12, 0.1
"""Shares of a page's height in which they stand."""
MIN_LETTERS = 3
"""Fewer, without the page's number, are no line to know again."""
MOVED = 0.015
"""Share of the page's height by which the line may stand higher or lower."""
LETTER, CELL = 0.5, 0.65
"""Width of a usual letter in ems, and what it takes of a text with its line's spacing, in square ems."""
MIN_TEXT = 80
"""Usual letters of a block that tells the size of a page's print."""
LARGE = 1.35
"""Size beside the page's print from which on a line is a title, on each page anew: of an invoice, of a slide."""
MAX_LENGTH = 300
"""Of a text whose numbers are looked at."""
ONE_LINE = 3.0
"""Ems that the box of one line is high at most."""
MAX_LINES = 20
"""At a page's edges, of which one is known again."""
LOOK_BACK = 16
"""Pages before, at most, among which those of the last `PAGES` are that tell the size of their print."""
PAGES_BEFORE_FIRST = 20
"""A printed page number is larger by that than the page's place in the document, at most; larger ones may be those of
invoices, which nobody may lose."""
MIN_WORDS = 4
"""Of a line whose number may be the page's without a word for page; shorter ones name and count things themselves:
"Exercise 3", "12 March"."""
_NUMBER = re.compile(r"\d+")
_IS_OF_A_THING = re.compile(r"(?:№|#|\bn[or°º]\.?)\s*$", re.IGNORECASE)
"""What stands before a number that is none of a page."""
_MARGIN_LABELS = frozenset({"header", "footer", "number", "header_image", "footer_image"})
_LABELS = frozenset({"paragraph_title", "doc_title", "text", "header", "footer"})


@dataclass(frozen=True, slots=True)
class _EdgeLine:
    """`letters`: of its text, without numbers, signs and spaces; `numbers`: all of its text; `counted`: the place among
    them of the one that may be the page's; `page`: its place in the document; `middle`: share of the page's height."""

    letters: str
    numbers: tuple[int, ...]
    counted: int | None
    page: int
    middle: float

    def is_again(self, other: _EdgeLine) -> bool:
        if self.letters != other.letters or abs(self.middle - other.middle) > MOVED:
            return False
        return self.numbers == other.numbers or self._plain_numbers() == other._plain_numbers()

    def _plain_numbers(self) -> list[int]:
        """With what counts the pages as of page 0."""
        return [number - self.page if at == self.counted else number for at, number in enumerate(self.numbers)]


class RunningHeads:
    """Those of one document, whose pages are given in order."""

    def __init__(self, options: OcrOptions, before: Sequence[PageResult] = ()) -> None:
        """`before`: up to `LOOK_BACK` pages that were marked earlier, where the reading goes on behind them."""
        self._options = options
        self._before: deque[list[_EdgeLine]] = deque(maxlen=PAGES)
        for page in before:
            self._find_edge_lines(page)

    def mark(self, page: PageResult) -> PageResult:
        """The page with the label `header` or `footer` for lines that stood on one of the pages before."""
        known = [line for lines in self._before for line in lines]
        repeated = {index for index, line in self._find_edge_lines(page).items() if any(map(line.is_again, known))}
        blocks = [_relabel(block, page) if index in repeated else block for index, block in enumerate(page.blocks)]
        return page if blocks == page.blocks else rerender(page.model_copy(update={"blocks": blocks}), self._options)

    def _find_edge_lines(self, page: PageResult) -> dict[int, _EdgeLine]:
        """As `_list_edge_lines`; they are known on the next pages, those of a page without a text excepted."""
        size = _text_size(page.blocks)
        edge = _list_edge_lines(page, size)
        if size:
            self._before.append(list(edge.values()))
        return edge


def _list_edge_lines(page: PageResult, size: float | None) -> dict[int, _EdgeLine]:
    """By the index of their block: short lines outside of the page's text, in print of its `size` where that is known,
    which no page of a few lines tells."""
    head, foot = _find_edges(page)
    found = (
        (index, _make_line(block, letters, page))
        for index, block in enumerate(page.blocks)
        if block.label in _LABELS and not head <= _middle(block) <= foot and _is_line(block, size)
        if len(letters := _letters(block.content)) >= MIN_LETTERS
    )
    return dict(islice(found, MAX_LINES))


def _text_size(blocks: Iterable[Block]) -> float | None:
    """Height of the print of a page's text in pixels, by the room that it takes; None for a page without one."""
    texts = [(block.bbox, text_width(block.content)) for block in blocks if block.label == "text"]
    sizes = [math.sqrt((x2 - x1) * (y2 - y1) / (CELL * n)) for (x1, y1, x2, y2), n in texts if n >= MIN_TEXT]
    return median(sizes) if sizes else None


def _find_edges(page: PageResult) -> tuple[float, float]:
    """Between these heights a line is in the page's text: no head has a text above it, nor a foot one below."""
    text = [block.bbox for block in page.blocks if block.label not in _MARGIN_LABELS]
    head = min([TOP * page.height, *(y2 for _, _, _, y2 in text)])
    foot = max([(1 - BOTTOM) * page.height, *(y1 for _, y1, _, _ in text)])
    return head, foot


def _is_line(block: Block, size: float | None) -> bool:
    if size is None:
        return True
    x1, y1, x2, y2 = block.bbox
    own = (x2 - x1) / max(LETTER * text_width(block.content), 1.0)
    return own <= LARGE * size and y2 - y1 <= ONE_LINE * size and "\n" not in block.content.strip()


def _relabel(block: Block, page: PageResult) -> Block:
    return block.model_copy(update={"label": "header" if _middle(block) < page.height / 2 else "footer"})


def _middle(block: Block) -> float:
    return (block.bbox[1] + block.bbox[3]) / 2


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.casefold()))


def _make_line(block: Block, letters: str, page: PageResult) -> _EdgeLine:
    numbers, counted = _find_numbers(block.content.strip(), page.page)
    return _EdgeLine(letters, numbers, counted, page.page, _middle(block) / page.height)


def _find_numbers(text: str, page: int) -> tuple[tuple[int, ...], int | None]:
    """The numbers of a line, and the place among them of its page number: one with a word for page, or at an end of a
    long line, if any."""
    found = list(_NUMBER.finditer(text[:MAX_LENGTH]))
    named = find_named(text[:MAX_LENGTH])
    counted = next((at for at, number in enumerate(found) if number.start() == named), None)
    is_long = sum(map(str.isalpha, text[:MAX_LENGTH].split())) >= MIN_WORDS
    for at, number in enumerate(found if is_long and counted is None else ()):
        is_at_end = number.start() == 0 or number.end() == len(text)
        is_possible = int(number[0]) <= page + PAGES_BEFORE_FIRST and not _IS_OF_A_THING.search(text[: number.start()])
        counted = at if is_at_end and is_possible else counted
    return tuple(int(number[0]) for number in found), counted
