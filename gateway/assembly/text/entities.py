"""HTML's character references in foreign text."""

from __future__ import annotations

import html
import re

_LONG_NUMBER = re.compile(r"&#[0-9]{20,};?")
"""No character has such a number, and Python refuses to parse the longest of them."""


def unescape(text: str) -> str:
    """As `html.unescape`, for any text: `&#` with a number of any length."""
    return html.unescape(_LONG_NUMBER.sub("\ufffd", text))
