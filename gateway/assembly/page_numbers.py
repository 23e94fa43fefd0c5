"""Texts that are a page's number: bare, between dashes, with a word for page, with the number of all pages."""

from __future__ import annotations

import re

_ROMAN = r"(?=[ivxl])(?:xl|l?x{0,3})(?:ix|iv|v?i{0,3})"
"""1 to 89: with a C, words look like numbers (CV, CIVIL), and prefaces are shorter."""
_AROUND = r"(?:_|[^\w%‰°$€£¥₽№§#+=])*"
"""What may stand around a page's number. A sign of an amount (50 %) or of a paragraph (§ 5) makes it another number."""
_BARE = re.compile(rf"{_AROUND}(?:\d{{1,4}}|{_ROMAN}|{_ROMAN.upper()}){_AROUND}")
_PAGE = r"(?:page|pages|pg\.|p\.|seite|s\.|blatt|страница|стр\.?|с\.|лист|página|pág\.|pagina|pag\.)"
_OF = r"(?:[/|,]|of|von|aus|из|sur|de|di)"
_NAMED = re.compile(
    rf"""(?<!\w)(?:
        {_PAGE}\s{{0,3}}(?P<page>\d{{1,4}})(?:\s{{0,3}}{_OF}\s{{0,3}}(?P<total>\d{{1,4}}))?
        |(?:共\s?\d{{1,4}}\s?[页頁]\s?[/,，]?\s?)?第\s?(?P<zh>\d{{1,4}})\s?[页頁](?:\s?[/,，]?\s?共\s?(?P<all>\d{{1,4}})\s?[页頁])?
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
"""In the languages that are read most."""
_COUNTED = re.compile(rf"(?P<page>\d{{1,4}})\s{{0,3}}{_OF}\s{{0,3}}(?P<total>\d{{1,4}})", re.IGNORECASE)
_DASHED = re.compile(rf"[-–—]\s?(?:\d{{1,4}}|{_ROMAN}|{_ROMAN.upper()})\s?[-–—]")
_AROUND_FORM = " \t\n_*()[]|·•.–—-"
_MAX_LENGTH = 60


def is_bare_number(text: str) -> bool:
    """Whether the text is a number that may be a page's, where it stands as one does."""
    return bool(_BARE.fullmatch(text))


def is_page_number(text: str) -> bool:
    """Whether its form says that a text at a page's edge is the page's number: "Page 3", "3 / 12", "- 3 -"."""
    if len(text) > _MAX_LENGTH:
        return False
    inner = text.strip(_AROUND_FORM)
    counted = _COUNTED.fullmatch(inner)
    is_counted = counted is not None and 0 < int(counted["page"]) <= int(counted["total"])
    return is_counted or bool(_NAMED.fullmatch(inner) or _DASHED.fullmatch(text.strip()))


def find_named(text: str) -> int | None:
    """Where in a text a page's number with a word for page begins, if it stands at the text's end or beginning."""
    for found in _NAMED.finditer(text):
        if not text[: found.start()].strip() or not text[found.end() :].strip(_AROUND_FORM):
            return found.start("page" if found["page"] else "zh")
    return None


def ends_with_page_number(text: str) -> bool:
    """Whether a text ends with the page's number of all pages; without those it may be a source: "Reed 1987, p. 3"."""
    found = list(_NAMED.finditer(text[-_MAX_LENGTH:]))
    last = found[-1] if found else None
    return last is not None and bool(last["total"] or last["all"]) and not last.string[last.end() :].strip(_AROUND_FORM)
