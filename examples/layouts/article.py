"""A journal's page: title and abstract over the full width, two justified columns, a figure, a page number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from examples import pictures
from examples.fonts import Fonts
from examples.layouts.typefaces import Typeface, book_face
from examples.texts.articles import Article, Chart, Drawing, Part, Section
from examples.typeset import Column, DrawPicture, Sheet, Style

_WIDTH, _HEIGHT = 1240, 1754
_MARGIN, _GUTTER, _BOTTOM = 110, 46, 1640
_FIGURE_HEIGHT = 300
_DRAWINGS: Final[dict[str, DrawPicture]] = {"night_sky": pictures.night_sky, "work_bench": pictures.work_bench}


def set_article(article: Article, fonts: Fonts) -> Sheet:
    """The article on one A4 page at 150 dpi."""
    sheet = Sheet(_WIDTH, _HEIGHT, fonts, article.language)
    face = book_face(article.language)
    top = _set_head(sheet, article, face)
    width = (_WIDTH - 2 * _MARGIN - _GUTTER) // 2
    _fill(Column(sheet, _MARGIN, top, width, _BOTTOM), article.left, face)
    _fill(Column(sheet, _MARGIN + width + _GUTTER, top, width, _BOTTOM), article.right, face)
    number = Style(face.regular, 22, 30, "center")
    sheet.write("number", article.number, number, (_MARGIN, 1672, _WIDTH - 2 * _MARGIN))
    return sheet


def _set_head(sheet: Sheet, article: Article, face: Typeface) -> int:
    """All that stands above the columns; gives the y where they begin."""
    head = Column(sheet, _MARGIN, 62, _WIDTH - 2 * _MARGIN, 700)
    head.write("header", article.running_head, Style(face.italic, 20, 28, "right", after=34, colour="#444444"))
    head.write("doc_title", article.title, Style(face.bold, 42, 54, "center", after=14))
    head.write("text", article.authors, Style(face.italic, 24, 34, "center", after=24))
    inner = Column(sheet, _MARGIN + 90, head.y, head.width - 180, 700)
    inner.write("paragraph_title", article.abstract_heading, Style(face.bold, 22, 32, "center", after=2))
    inner.write("abstract", article.abstract, Style(face.regular, 22, _leading(sheet, 22), "justify", after=28))
    return inner.y


def _leading(sheet: Sheet, size: int) -> int:
    """Chinese, which has no ascenders to part its lines, is set wider."""
    return round(size * (1.55 if sheet.language == "zh" else 1.32))


def _fill(column: Column, parts: Sequence[Part], face: Typeface) -> None:
    for part in parts:
        if isinstance(part, Section):
            _set_section(column, part, face)
        else:
            _set_figure(column, part, face)


def _set_section(column: Column, section: Section, face: Typeface) -> None:
    column.write("paragraph_title", section.heading, Style(face.bold, 27, 38, after=6))
    indent = 48 if column.sheet.language == "zh" else 0
    body = Style(face.regular, 24, _leading(column.sheet, 24), "justify", indent, after=12)
    for paragraph in section.paragraphs:
        column.write("text", paragraph, body)
    column.skip(8)


def _set_figure(column: Column, figure: Chart | Drawing, face: Typeface) -> None:
    column.skip(6)
    if isinstance(figure, Chart):
        rows = "\n".join(f"{name} | {value}" for name, value in figure.bars)
        column.picture("chart", pictures.bar_chart(figure.bars, column.sheet.fonts), _FIGURE_HEIGHT, rows)
    else:
        column.picture("image", _DRAWINGS[figure.name], _FIGURE_HEIGHT)
    column.skip(8)
    column.write("figure_title", figure.caption, Style(face.regular, 20, 28, "center", after=22))
