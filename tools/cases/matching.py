"""Markdown as its readers see it: lines of text, each with the element that it stands in, and texts looked for in them.

A text is found where all but a share of its characters agree: what a service keeps is measured, not each letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from rapidfuzz import fuzz

EXACT_BELOW = 9
"""Characters; in a shorter text one wrong letter makes another word."""
BLOCKS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "pre", "tr", "div", "blockquote", "caption", "table"}


@dataclass(frozen=True, slots=True)
class Line:
    element: str
    """Name of the innermost block of HTML: `p`, `h2`, `pre`, `tr`, …"""
    text: str

    @property
    def is_heading(self) -> bool:
        return re.fullmatch(r"h[1-6]", self.element) is not None


@dataclass
class _LineParser(HTMLParser):
    """Collects lines; a break is `<br>`, the end of a block, or a line feed of preformatted text."""

    lines: list[Line] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _text: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self.end_line()
            self._open.append(tag)
        elif tag == "br":
            self.end_line()
        elif tag in ("td", "th"):
            self._text += " "

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.end_line()
            if tag in self._open:
                del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if "pre" not in self._open:
            self._text += re.sub(r"\s+", " ", data)
            return
        *whole, rest = data.split("\n")
        for text in whole:
            self._text += text
            self.end_line()
        self._text += rest

    def end_line(self) -> None:
        if self._text.strip():
            self.lines.append(Line(self._open[-1] if self._open else "p", self._text.strip()))
        self._text = ""


def rendered_lines(markdown: str) -> list[Line]:
    parser = _LineParser()
    parser.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))
    parser.end_line()
    return parser.lines


def squeeze(text: str) -> str:
    """The text without white space, its characters in their compatible forms."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def find_text(wanted: str, text: str, tolerance: float) -> tuple[int, int] | None:
    """Where `text`, squeezed, holds `wanted` but for a share `tolerance` of its characters: start and end."""
    needle = squeeze(wanted)
    if (start := text.find(needle)) >= 0:
        return start, start + len(needle)
    if len(needle) < EXACT_BELOW or len(text) < len(needle) * (1 - tolerance):
        return None
    found = fuzz.partial_ratio_alignment(needle, text, score_cutoff=100 * (1 - tolerance))
    return (found.dest_start, found.dest_end) if found else None


def find_line(wanted: str, lines: Iterable[Line], tolerance: float) -> Line | None:
    """The line that holds this text and no other."""
    needle = squeeze(wanted)
    for line in lines:
        text = squeeze(line.text)
        if text == needle or (len(needle) >= EXACT_BELOW and fuzz.ratio(needle, text) >= 100 * (1 - tolerance)):
            return line
    return None


def disorder(wanted: Sequence[str], text: str, tolerance: float) -> list[str]:
    """What is missing in the squeezed text, and what stands in it but not behind the one before."""
    reasons, end = [], 0
    for part in wanted:
        if place := find_text(part, text[end:], tolerance):
            end += place[1]
        elif find_text(part, text, tolerance):
            reasons.append(f"out of order: {part}")
        else:
            reasons.append(f"missing: {part}")
    return reasons
