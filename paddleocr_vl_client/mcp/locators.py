"""Names of places in documents, `document/page/block`, and lists of pages.

A document is named by the first digits of its SHA-256, so the same file has the same locators whoever reads it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_ID_DIGITS = 16
_LOCATOR = re.compile(r"([0-9a-f]{16})(?:/(\d{1,6})(?:/(\d{1,6}))?)?")
_RANGE = re.compile(r"(\d{1,6})?(-)?(\d{1,6})?")


@dataclass(frozen=True, slots=True)
class Locator:
    """A document, a page of it (from 1), or a block of the page (by the number in its id)."""

    document: str
    page: int | None = None
    block: int | None = None

    def __str__(self) -> str:
        return "/".join(str(part) for part in (self.document, self.page, self.block) if part is not None)

    @property
    def block_id(self) -> str:
        """As the service names the block."""
        return f"p{self.page}-b{self.block}"


def document_id(sha256: str) -> str:
    return sha256[:_ID_DIGITS]


def parse_locator(text: str) -> Locator | None:
    """None for what is no locator: a path or a URL."""
    match = _LOCATOR.fullmatch(text.strip().strip("/"))
    if match is None:
        return None
    page, block = (int(part) if part else None for part in match.groups()[1:])
    return Locator(match[1], page, block)


def block_locator(document: str, block_id: str) -> Locator:
    page, _, block = block_id[1:].partition("-b")
    return Locator(document, int(page), int(block))


def parse_pages(text: str | None, total: int) -> list[int]:
    """Numbers of pages, ascending: `1-3,7`, `9-`, `-2`; all for None. ValueError for anything else, and pages that the
    document does not have."""
    if not text or not text.strip():
        return list(range(1, total + 1))
    numbers: set[int] = set()
    for part in text.replace(" ", "").split(","):
        match = _RANGE.fullmatch(part)
        if not part or part == "-" or match is None:
            raise ValueError(f"`pages` is like 1-3,7 or 9-, not {text!r}.")
        first = int(match[1] or 1)
        last = min(total, int(match[3] or total)) if match[2] else first
        if not 1 <= first <= min(last, total):
            raise ValueError(f"The document has pages 1 to {total}, not {part!r}.")
        numbers.update(range(first, last + 1))
    return sorted(numbers)


def format_pages(numbers: Sequence[int]) -> str:
    """As `parse_pages` takes them, with ranges for runs."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
