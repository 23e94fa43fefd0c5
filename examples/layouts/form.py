"""A printed form that somebody has filled in: fields on rules, check boxes, a signature."""

from __future__ import annotations

from itertools import pairwise

from examples.fonts import Face, Fonts
from examples.pictures import signature
from examples.texts.forms import Choice, Field, Form
from examples.typeset import Column, Sheet, Style

_WIDTH, _HEIGHT, _MARGIN = 1240, 1754, 110
_LABEL_WIDTH, _ROW, _BOX = 200, 74, 26
_LABEL = Style(Face.SANS, 21, 34)
_VALUE = Style(Face.MONO, 23, 34, colour="#1a1a1a")
_HEADING = Style(Face.SANS_BOLD, 24, 36, after=18)
_INK = "#222222"


def set_form(form: Form, fonts: Fonts) -> Sheet:
    """The form on one A4 page at 150 dpi."""
    sheet = Sheet(_WIDTH, _HEIGHT, fonts, form.language)
    page = Column(sheet, _MARGIN, 90, _WIDTH - 2 * _MARGIN, 1640)
    page.write("text", form.issuer, Style(Face.SANS, 22, 34, "center", after=12))
    page.write("doc_title", form.title, Style(Face.SANS_BOLD, 36, 52, "center", after=12))
    page.write("text", form.hint, Style(Face.SANS, 20, 30, "center", after=36))
    _set_fields(page, form.personal_heading, form.personal)
    _set_choices(page, form)
    _set_consent(page, form)
    _set_office(page, form)
    sheet.write("footer", form.footer, Style(Face.SANS, 17, 24), (_MARGIN, 1674, 700))
    return sheet


def _set_fields(page: Column, heading: str, rows: tuple[tuple[Field, ...], ...]) -> None:
    page.write("paragraph_title", heading, _HEADING)
    for row in rows:
        width = page.width // len(row)
        for index, field in enumerate(row):
            _set_field(page.sheet, field, page.x + index * width, page.y, width - 30 * (len(row) > 1))
        page.skip(_ROW)
    page.skip(24)


def _set_field(sheet: Sheet, field: Field, x: int, y: int, width: int) -> None:
    """A label and its value, which are one block of the truth."""
    first = len(sheet.blocks)
    sheet.write("text", field.label, _LABEL, (x, y, _LABEL_WIDTH))
    left = x + _LABEL_WIDTH
    sheet.write("text", field.value, _VALUE, (left + 10, y, width - _LABEL_WIDTH - 10))
    sheet.draw.line((left, y + 38, x + width, y + 38), fill=_INK, width=2)
    sheet.join_blocks(first)


def _set_choices(page: Column, form: Form) -> None:
    page.write("paragraph_title", form.choices_heading, _HEADING)
    for choice in form.choices:
        _set_choice(page, choice)
        page.skip(_ROW)
    page.skip(24)


def _set_choice(page: Column, choice: Choice) -> None:
    page.sheet.write("text", choice.label, _LABEL, (page.x, page.y, _LABEL_WIDTH))
    step = (page.width - _LABEL_WIDTH) // len(choice.options)
    for index, (text, checked) in enumerate(choice.options):
        x = page.x + _LABEL_WIDTH + index * step
        _draw_box(page.sheet, x, page.y + 4, checked)
        page.sheet.write("text", text, _LABEL, (x + _BOX + 12, page.y, step - _BOX - 12), checked)


def _draw_box(sheet: Sheet, x: int, y: int, checked: bool) -> None:
    sheet.draw.rectangle((x, y, x + _BOX, y + _BOX), outline=_INK, width=2)
    tick = ((x + 4, y + 13), (x + 11, y + 22), (x + 25, y - 5))
    for start, end in pairwise(tick) if checked else ():
        sheet.draw.line((start, end), fill=_INK, width=4)


def _set_consent(page: Column, form: Form) -> None:
    page.write("text", form.consent, Style(Face.SANS, 21, 34, after=46))
    sheet, y = page.sheet, page.y
    sheet.write("text", form.signature, _LABEL, (page.x, y, _LABEL_WIDTH))
    left = page.x + _LABEL_WIDTH
    sheet.draw.line((left, y + 38, left + 280, y + 38), fill=_INK, width=2)
    sheet.picture("image", signature, (left + 30, y - 26, left + 240, y + 36))
    _set_field(sheet, form.date, page.x + 540, y, page.width - 540)
    page.skip(110)


def _set_office(page: Column, form: Form) -> None:
    """A frame around what the issuer fills in."""
    top = page.y
    inner = Column(page.sheet, page.x + 24, top + 20, page.width - 48, page.bottom)
    _set_fields(inner, form.office_heading, form.office)
    page.sheet.draw.rectangle((page.x, top, page.x + page.width, inner.y - 20), outline=_INK, width=2)
