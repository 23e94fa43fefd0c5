"""Tables with slanted heads, drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

TINTS = ("#c9a6e8", "#9cc7ee", "white", "#a9dba9")
ROW, COLUMN, LEFT, TOP = 34, 96, 330, 190


def draw_slanted_table(
    groups: Sequence[str], heads: Sequence[str], rows: Sequence[Sequence[str]], angle: float, font: Path
) -> Image.Image:
    """`groups` stand above the heads, which are turned by `angle` degrees; the cells are tinted. A row's first texts
    are its number and its name."""
    usual = ImageFont.truetype(str(font), 22)
    picture = Image.new("RGB", (LEFT + COLUMN * (len(heads) + 1), TOP + ROW * (len(rows) + 1)), "white")
    draw = ImageDraw.Draw(picture)
    for at, name in enumerate(groups):
        span = COLUMN * len(heads) / len(groups)
        draw.text((LEFT + span * (at + 0.5), 24), name, fill="black", font=usual, anchor="mm")
    for at, head in enumerate(heads):
        _paste_turned(picture, head, (LEFT + COLUMN * at + COLUMN // 2, TOP - 22), angle, usual)
    for number, (first, name, *values) in enumerate(rows):
        y = TOP + ROW * number
        draw.text((20, y + ROW / 2), first, fill="black", font=usual, anchor="lm")
        draw.text((76, y + ROW / 2), name, fill="black", font=usual, anchor="lm")
        for at, value in enumerate(values):
            x = LEFT + COLUMN * at
            draw.rectangle((x + 6, y, x + COLUMN - 6, y + ROW - 1), fill=TINTS[(at + number) % len(TINTS)])
            draw.text((x + COLUMN / 2, y + ROW / 2), value, fill="black", font=usual, anchor="mm")
    return picture


def _paste_turned(
    picture: Image.Image, text: str, foot: tuple[int, int], angle: float, font: ImageFont.FreeTypeFont
) -> None:
    """The text with its lower end at the foot: its start where it rises, its end where it falls."""
    width = round(font.getlength(text))
    strip = Image.new("L", (2 * width, 40), 0)
    ImageDraw.Draw(strip).text((width if angle > 0 else 0, 20), text, fill=255, font=font, anchor="lm")
    turned = strip.rotate(angle, expand=True, resample=Image.Resampling.BICUBIC)
    place = foot[0] - turned.width // 2, foot[1] - turned.height // 2
    picture.paste(Image.new("RGB", turned.size, "black"), place, turned)
