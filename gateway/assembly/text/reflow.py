"""Lines of a text region to paragraphs: the engine keeps the page's line breaks, running text should not."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from gateway.assembly.text.line_breaks import find_hard_breaks

LINE_BREAK = "  \n"
"""Markdown's hard line break."""

_ITEM = re.compile(
    r"""[•◦▪■□●○◆‣⁃∙·]\s*\S                            # a bullet
    | [-–—*+]\s+\S                                    # a dash with a space
    | \d{1,3}(?:[.)]\s|[.)、\uff0e\uff09]\s*[^\d\s.,)])  # "1. " and "1)a", not "1.5"
    | [(\uff08]\w{1,3}[)\uff09]                       # (a), (1), (iv)
    | [a-zа-я]\)\s+\S                                 # a)
    | [①-⓿❶-➓]                                        # circled numbers
    | \[[ x]\]\s                                       # a box to tick
    """,
    re.VERBOSE,
)
_MARKER = re.compile(r"([•◦▪■□●○◆‣⁃∙·\-–—*+]|[(（]?\w{1,3}[.)、．）]|[①-⓿❶-➓]|\[[ x]\])\s*(?=\S)")
_SENTENCE_END = tuple(".!?:;。！？：；…")
_HYPHENS = ("-", "\u2010", "\u00ad")
_SHORT = 0.6
"""A line below this part of its region's longest line, if it ends a sentence too, ends a paragraph."""


def reflow(text: str, room: float = 1.0) -> str:
    """Running text as Markdown: lines of one paragraph joined; list items, paragraphs, and lines that the page ends on
    purpose kept apart.

    `room`: what the page has for a line, as a multiple of the text's longest one. Only white space and hyphens at line
    ends are changed.
    """
    blocks = re.split(r"\n[^\S\n]*\n", "\n".join(text.splitlines()))
    return "\n\n".join(joined for block in blocks if (joined := _paragraph(block, room)))


def split_items(text: str) -> list[tuple[str, str]]:
    """Marker and text of each item of a text that is a list, as Markdown; none where it is anything else."""
    lines = reflow(text).replace("\n\n", LINE_BREAK).split(LINE_BREAK)
    markers = [_MARKER.match(line) for line in lines]
    items = [(marker[1], line[marker.end() :]) for marker, line in zip(markers, lines, strict=True) if marker]
    return items if len(items) == len(lines) > 1 else []


def join_lines(text: str) -> str:
    """All lines joined: a title, a caption."""
    parts: list[str] = []
    for line in _strip_lines(text):
        _join(parts, line)
    return "".join(parts)


def keep_lines(text: str) -> str:
    """Every line on its own, indented as it is but for the first: a table of contents, program text."""
    return LINE_BREAK.join(line.rstrip() for line in text.splitlines() if line.strip()).lstrip()


def _paragraph(text: str, room: float) -> str:
    lines = _strip_lines(text)
    if not lines:
        return ""
    breaks = find_hard_breaks(lines, room)
    ends_paragraphs = not all(breaks)
    longest = max(map(_width, lines))
    parts = [lines[0]]
    for (previous, line), is_hard in zip(pairwise(lines), breaks, strict=True):
        is_short = _width(previous) < _SHORT * longest
        if _ITEM.match(line):
            parts.append(LINE_BREAK)
        elif ends_paragraphs and (is_short or is_hard) and previous.endswith(_SENTENCE_END):
            parts.append("\n\n")
        elif is_hard:
            parts.append(LINE_BREAK)
        _join(parts, line)
    return "".join(parts)


def _join(parts: list[str], line: str) -> None:
    """Adds a line to the parts of a text; the last of them is a whole line or what separates two."""
    last = parts[-1] if parts else "\n"
    if last.endswith(_HYPHENS) and last[-2:-1].isalnum():
        parts[-1] = last[:-1] if _is_divided(last, line) else last
    elif not (last.endswith("\n") or _is_cjk(last[-1]) or _is_cjk(line[0])):
        parts.append(" ")
    parts.append(line)


def _is_divided(text: str, line: str) -> bool:
    """Whether the hyphen at the end of `text` only divides a word."""
    return text.endswith("\u00ad") or (text[-2].isalpha() and line[0].islower())


def _strip_lines(text: str) -> list[str]:
    return [line for raw in text.splitlines() if (line := raw.strip())]


def _is_cjk(character: str) -> bool:
    """Scripts written without spaces between words; Hangul has them."""
    if unicodedata.east_asian_width(character) not in ("W", "F"):
        return False
    return not unicodedata.name(character, "").startswith("HANGUL")


def _width(line: str) -> int:
    if line.isascii():
        return len(line)
    return sum(2 if unicodedata.east_asian_width(character) in ("W", "F") else 1 for character in line)
