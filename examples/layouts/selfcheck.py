"""The page that the service reads at start: a title and two columns."""

from __future__ import annotations

from examples.fonts import Face, Fonts
from examples.texts.selfchecks import SelfCheck
from examples.typeset import Sheet, Style

_BODY = Style(Face.SERIF, 26, 38, "justify")


def set_selfcheck(check: SelfCheck, fonts: Fonts) -> Sheet:
    """The page, 900 x 500 px."""
    sheet = Sheet(900, 500, fonts, check.language)
    sheet.write("doc_title", check.title, Style(Face.SERIF_BOLD, 46, 60, "center"), (60, 60, 780))
    sheet.write("text", check.left, _BODY, (60, 180, 365))
    sheet.write("text", check.right, _BODY, (475, 180, 365))
    return sheet
