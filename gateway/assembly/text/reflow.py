"""Lines of a text region to paragraphs: the engine keeps the page's line breaks, running text should not."""

from __future__ import annotations

import re
import unicodedata

LINE_BREAK = "  \n"
"""Markdown's hard line break."""

_ITEM = re.compile(
    r"""[•◦▪■□●○◆‣⁃∙·]\s*\S                            # a bullet
    | [-–—*+]\s+\S                                    # a dash with a space
    | \d{1,3}(?:[.)]\s|[.)、\uff0e\uff09]\s*[^\d\s.,)])  # "1. " and "1)a", not "1.5"
    | [(\uff08]\w{1,3}[)\uff09]                       # (a), (1), (iv)
    | [a-zа-я]\)\s+\S                                 # a)
    | [①-⓿❶-➓]                                        # circled numbers
    """,
    re.VERBOSE,
)
_SENTENCE_END = tuple(".!?:;。！？：；…")
_HYPHENS = ("-", "\u2010", "\u00ad")
_SHORT = 0.6
"""A line below this part of its region's longest line, if it ends a sentence too, ends a paragraph."""


def reflow(text: str) -> str:
    """Running text as Markdown: lines of one paragraph joined, list items and paragraphs kept apart.

    Only white space and hyphens at line ends are changed.
    """
    blocks = re.split(r"\n[^\S\n]*\n", "\n".join(text.splitlines()))
    return "\n\n".join(joined for block in blocks if (joined := _paragraph(block)))


def join_lines(text: str) -> str:
    """All lines joined: a title, a caption."""
    parts: list[str] = []
    for line in _strip_lines(text):
        _join(parts, line)
    return "".join(parts)


def keep_lines(text: str) -> str:
    """Every line on its own, indented as it is but for the first: a table of contents, program text."""
    return LINE_BREAK.join(line.rstrip() for line in text.splitlines() if line.strip()).lstrip()


def _paragraph(text: str) -> str:
    lines = _strip_lines(text)
    longest = max(map(_width, lines), default=0)
    parts: list[str] = []
    previous = ""
    for line in lines:
        if previous and (separator := _separator(previous, line, longest)):
            parts.append(separator)
        _join(parts, line)
        previous = line
    return "".join(parts)


def _separator(previous: str, line: str, longest: int) -> str:
    if _ITEM.match(line):
        return LINE_BREAK
    if _width(previous) < _SHORT * longest and previous.endswith(_SENTENCE_END):
        return "\n\n"
    return ""


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
    return sum(2 if unicodedata.east_asian_width(character) in ("W", "F") else 1 for character in line)
