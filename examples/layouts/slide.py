"""A slide: title, bullets, a picture with its caption, a footer."""

from __future__ import annotations

from examples.fonts import Face, Fonts
from examples.pictures import toaster
from examples.texts.slides import Slide
from examples.typeset import Column, Sheet, Style

_WIDTH, _HEIGHT = 1280, 720
_ACCENT, _PAPER, _INK, _PALE = "#2f6f8f", "#fdfaf4", "#22313a", "#6b7a83"


def set_slide(slide: Slide, fonts: Fonts) -> Sheet:
    """The slide, 1280 x 720 px, in colour."""
    sheet = Sheet(_WIDTH, _HEIGHT, fonts, slide.language, dpi=96, paper=_PAPER)
    sheet.draw.rectangle((0, 0, _WIDTH, 118), fill=_ACCENT)
    title = Style(Face.SANS_BOLD, 44, 60, colour=_PAPER)
    sheet.write("doc_title", slide.title, title, (70, 30, _WIDTH - 140))
    _set_bullets(Column(sheet, 110, 178, 620, 640), slide.bullets)
    sheet.picture("image", toaster, (800, 190, 1200, 520))
    caption = Style(Face.SANS, 22, 30, "center", colour=_INK)
    sheet.write("figure_title", slide.caption, caption, (800, 532, 400))
    small = Style(Face.SANS, 18, 26, colour=_PALE)
    sheet.write("footer", slide.footer, small, (70, 672, 700))
    sheet.write("number", slide.number, small, (1190, 672, 60))
    return sheet


def _set_bullets(column: Column, bullets: tuple[str, ...]) -> None:
    for bullet in bullets:
        y = column.y + 13
        column.sheet.draw.ellipse((column.x - 34, y, column.x - 20, y + 14), fill=_ACCENT)
        column.write("text", bullet, Style(Face.SANS, 28, 40, after=28, colour=_INK))
