"""A small typesetter: sets text on a page image and keeps the truth of what it set."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from examples.fonts import Face, Fonts
from examples.truth import BBox, TruthBlock

Align = Literal["left", "center", "right", "justify"]
Draw = ImageDraw.ImageDraw
DrawPicture = Callable[[Draw, BBox], None]

# Chinese may break between any two characters, but no line begins with a closing mark or ends with an opening one.
_CLOSING = "，。、；：！？）》」』”’"
_OPENING = "（《「『“‘"
_HAN = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_HAN_UNIT = re.compile(rf"[{_OPENING}]*(?:[A-Za-z0-9][A-Za-z0-9.,%+-]*|[^{_CLOSING}])[{_CLOSING}]*|.")


class OverfullError(Exception):
    """A text does not fit its column; the text or the layout must change."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a text is set. Sizes are pixels; `leading` is the distance of baselines, `after` the space that follows."""

    face: Face
    size: int
    leading: int
    align: Align = "left"
    indent: int = 0
    after: int = 0
    colour: str = "#111111"


@dataclass(frozen=True, slots=True)
class Word:
    """A part of a line that does not break; `spaced` says whether a space stands before it."""

    text: str
    spaced: bool


@dataclass
class Sheet:
    """A page being set. `blocks` grows in reading order: set what is read first, first."""

    width: int
    height: int
    fonts: Fonts
    language: str
    dpi: int = 150
    paper: str = "#ffffff"
    blocks: list[TruthBlock] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", (self.width, self.height), self.paper)
        self.draw: Draw = ImageDraw.Draw(self.image)

    def write(
        self, label: str, text: str, style: Style, place: tuple[int, int, int], checked: bool | None = None
    ) -> int:
        """Sets a block at `place` (x, y, width); gives the y below it."""
        box, bottom = set_text(self.draw, text, style, self.fonts(style.face, style.size), place)
        self.blocks.append(TruthBlock(label, box, text, checked=checked))
        return bottom

    def join_blocks(self, first: int) -> None:
        """Makes one block of all blocks from index `first` on, their texts parted by spaces."""
        parts = self.blocks[first:]
        text = " ".join(part.text for part in parts)
        self.blocks[first:] = [TruthBlock(parts[0].label, union(part.bbox for part in parts), text)]

    def picture(self, label: str, draw_picture: DrawPicture, box: BBox, text: str = "") -> None:
        draw_picture(self.draw, box)
        self.blocks.append(TruthBlock(label, box, text))


@dataclass
class Column:
    """A part of a sheet that is filled from the top; `y` is where the next block begins."""

    sheet: Sheet
    x: int
    y: int
    width: int
    bottom: int

    def write(self, label: str, text: str, style: Style) -> None:
        end = self.sheet.write(label, text, style, (self.x, self.y, self.width))
        self._advance(end, f"{text[:40]!r}")
        self.y += style.after

    def picture(self, label: str, draw_picture: DrawPicture, height: int, text: str = "") -> None:
        box = (self.x, self.y, self.x + self.width, self.y + height)
        self.sheet.picture(label, draw_picture, box, text)
        self._advance(box[3], f"the {label}")

    def skip(self, height: int) -> None:
        self.y += height

    def _advance(self, end: int, what: str) -> None:
        if end > self.bottom:
            raise OverfullError(f"{what} ends {end - self.bottom} px below its column")
        self.y = end


def split_words(text: str) -> list[Word]:
    """Words between which a line may break: at spaces, and between Chinese characters."""
    words: list[Word] = []
    for chunk in text.split():
        units = _HAN_UNIT.findall(chunk) if _HAN.search(chunk) else [chunk]
        words += [Word(unit, spaced=index == 0 and bool(words)) for index, unit in enumerate(units)]
    return words


def wrap(text: str, font: FreeTypeFont, width: int, indent: int = 0) -> list[list[Word]]:
    """Lines of at most `width` pixels, the first shorter by `indent`; a single longer word stands alone."""
    lines: list[list[Word]] = [[]]
    for word in split_words(text):
        room = width - indent if len(lines) == 1 else width
        if lines[-1] and natural_width([*lines[-1], word], font) > room:
            lines.append([])
        lines[-1].append(word)
    return lines


def natural_width(line: list[Word], font: FreeTypeFont) -> float:
    """Width in pixels of a line that is not stretched."""
    gaps = sum(word.spaced for word in line[1:])
    return sum(font.getlength(word.text) for word in line) + gaps * font.getlength(" ")


def set_text(draw: Draw, text: str, style: Style, font: FreeTypeFont, place: tuple[int, int, int]) -> tuple[BBox, int]:
    """Draws a paragraph at `place` (x, y, width); gives the box of its ink and the y below its last line."""
    x, y, width = place
    ascent, descent = font.getmetrics()
    baseline = y + (style.leading - ascent - descent) // 2 + ascent
    lines = wrap(text, font, width, style.indent)
    boxes = []
    for number, line in enumerate(lines):
        indent = style.indent if number == 0 else 0
        stretch = style.align == "justify" and number < len(lines) - 1
        start = x + indent + _offset(line, style.align, font, width - indent)
        gap = _extra_gap(line, font, width - indent) if stretch else 0.0
        boxes += _draw_line(draw, line, font, (start, baseline + number * style.leading), gap, style.colour)
    return union(boxes), y + len(lines) * style.leading


def union(boxes: Iterable[tuple[float, float, float, float]]) -> BBox:
    """The smallest whole-pixel box around all `boxes`."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return int(min(left)), int(min(top)), int(-(-max(right) // 1)), int(-(-max(bottom) // 1))


def _offset(line: list[Word], align: Align, font: FreeTypeFont, width: int) -> float:
    spare = width - natural_width(line, font)
    return {"center": spare / 2, "right": spare}.get(align, 0.0)


def _extra_gap(line: list[Word], font: FreeTypeFont, width: int) -> float:
    """What each gap of a line grows by so that the line fills `width`."""
    return (width - natural_width(line, font)) / max(1, len(line) - 1)


def _draw_line(
    draw: Draw, line: list[Word], font: FreeTypeFont, start: tuple[float, int], extra: float, colour: str
) -> list[tuple[float, float, float, float]]:
    x, baseline = start
    boxes = []
    for index, word in enumerate(line):
        if index:
            x += extra + (font.getlength(" ") if word.spaced else 0.0)
        draw.text((x, baseline), word.text, font=font, fill=colour, anchor="ls")
        boxes.append(draw.textbbox((x, baseline), word.text, font=font, anchor="ls"))
        x += font.getlength(word.text)
    return boxes
