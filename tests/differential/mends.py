"""What we write in another way than PaddleX wherever it occurs: its text as ours says the same.

Each mend changes nothing but what its reason names; they are applied to PaddleX's contents, Markdown and picture keys
before these are compared. What differs in single places is in `differences.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

MENDED: Counter[str] = Counter()
"""How many texts each mend has changed, by its name."""


@dataclass(frozen=True, slots=True)
class Mend:
    name: str
    reason: str
    mend: Callable[[str, int], str]
    """From PaddleX's text and the page's number, from 0."""
    is_mutual: bool = False
    """Whether ours is mended too: the VLM itself may have written it so, and neither side changes that."""


def mended(text: str, page: int) -> str:
    """PaddleX's text as ours says the same."""
    for one in MENDS:
        changed = one.mend(text, page)
        MENDED[one.name] += changed != text
        text = changed
    return text


def levelled(text: str, page: int) -> str:
    """Our text without what both sides may have from the VLM."""
    for one in MENDS:
        text = one.mend(text, page) if one.is_mutual else text
    return text


def _keys(text: str, page: int) -> str:
    return text.replace("imgs/img_in_", f"imgs/p{page + 1}_img_in_")


def _alternative_text(text: str, _page: int) -> str:
    return text.replace('alt="Image"" />', 'alt="Image" />')


def _spaces(text: str, _page: int) -> str:
    if "$" not in text:
        return text
    text = re.sub(r"\$\$ *((?:(?!\$\$).)+?) *\$\$", r"$$ \1 $$", text)
    text = re.sub(r"(?<![\\$])\$ *([^$]+?) *\$(?!\$)", r"$\1$", text)
    return re.sub(r"(?<=\S) {2,}(?=\S)", " ", text).strip(" ")


def _cells(text: str, _page: int) -> str:
    return text.replace("<td style='text-align: center; word-wrap: break-word;'>", "<td>")


def _quotes(text: str, _page: int) -> str:
    return text.replace("&quot;", '"').replace("&#x27;", "'")


def _charts(text: str, _page: int) -> str:
    def plain(table: re.Match[str]) -> str:
        rows = re.sub(r">\s+<", "><", re.sub(r"<(t[dh]) style='text-align: center;'>", r"<\1>", table[1]))
        return f"<table border=1 style='margin: auto; word-wrap: break-word;'>{rows.strip()}</table>"

    pattern = r"<table border=1 style='margin: auto; width: max-content;'>(.*?)</table>"
    return re.sub(pattern, plain, text, flags=re.DOTALL)


def _text_of_pictures(text: str, _page: int) -> str:
    def apart(found: re.Match[str]) -> str:
        words = found[2].strip()
        if words and "img_in_seal" in found[1]:
            words = f'<div style="text-align: center;">{words}</div>'
        return f"{found[1]}</div>\n\n{words}".rstrip()

    text = re.sub(r"(<img [^>]* />)\n\n((?:(?!<img|<div).)*?)\s*</div>", apart, text, flags=re.DOTALL)
    return re.sub(r"(<td[^>]*>[^<]*<img [^>]*/>)\n\n(.*?)\n\n(?=</td>)", r"\1<br>\2", text, flags=re.DOTALL)


MENDS = (
    Mend("picture keys", "name the page: PaddleX's overwrite each other when pages are put together", _keys),
    Mend("alt text", "has one quote behind it: two are no valid HTML", _alternative_text),
    Mend(
        "white space of formulas",
        "`$x$`: a blank behind the dollar keeps most readers from seeing a formula",
        _spaces,
        True,
    ),
    Mend(
        "cells' styles", "are left out: a third of a table's Markdown, and missing on cells with spans anyway", _cells
    ),
    Mend("quotes", "stand as they are in cells: only `<`, `>` and `&` need an entity there", _quotes),
    Mend("charts' tables", "are written as other tables are, on one line without styles", _charts),
    Mend("text of pictures", "stands below the picture and not inside of the picture's element", _text_of_pictures),
)
