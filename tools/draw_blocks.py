"""Draws a page with the blocks that a running service finds on it, as a PNG of few colours: the picture in the README.

python -m tools.draw_blocks [--url http://127.0.0.1:8081] [--page FILE] [--to docs/images/blocks.png]
"""

from __future__ import annotations

import argparse
import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 900
"""Pixels; more makes the file larger, not the picture clearer."""
COLOURS = 48
TINT = 40
"""Of 255: the fill of a box over the print."""


def ask(url: str, page: Path) -> Sequence[Mapping[str, Any]]:
    """The blocks of the first page of `page`; boxes are in its pixels."""
    with page.open("rb") as file:
        answer = httpx2.post(f"{url}/ocr", files={"file": file}, data={"images": "none"}, timeout=600)
    answer.raise_for_status()
    blocks: Sequence[Mapping[str, Any]] = answer.json()["pages"][0]["blocks"]
    return blocks


def label_colours(labels: Sequence[str]) -> Mapping[str, tuple[int, int, int]]:
    """One hue for each label, evenly spread."""
    names = sorted(set(labels))
    hues = (colorsys.hsv_to_rgb(number / len(names), 0.9, 0.75) for number in range(len(names)))
    return {name: (round(r * 255), round(g * 255), round(b * 255)) for name, (r, g, b) in zip(names, hues, strict=True)}


def draw_blocks(picture: Image.Image, blocks: Sequence[Mapping[str, Any]]) -> Image.Image:
    """The picture, `WIDTH` wide, each block with its place in the reading order and its label."""
    scale = WIDTH / picture.width
    drawn = picture.convert("RGB").resize((WIDTH, round(picture.height * scale)), Image.Resampling.LANCZOS)
    drawing = ImageDraw.Draw(drawn, "RGBA")
    font = ImageFont.load_default(14)
    colours = label_colours([block["label"] for block in blocks])
    for number, block in enumerate(blocks, start=1):
        colour = colours[block["label"]]
        left, top, right, bottom = (round(value * scale) for value in block["bbox"])
        drawing.rectangle((left, top, right, bottom), fill=(*colour, TINT), outline=(*colour, 255), width=2)
        text = f" {number} {block['label']} "
        size = drawing.textbbox((0, 0), text, font=font)
        place = (max(right - size[2], 0), max(top - size[3], 0))
        drawing.rectangle((*place, place[0] + size[2], place[1] + size[3] + 1), fill=(*colour, 255))
        drawing.text(place, text, font=font, fill="white")
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.draw_blocks", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8081")
    parser.add_argument("--page", type=Path, default=ROOT / "examples" / "table-en.png")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "images" / "blocks.png")
    options = parser.parse_args()
    with Image.open(options.page) as picture:
        drawn = draw_blocks(picture, ask(options.url.rstrip("/"), options.page))
    options.to.parent.mkdir(parents=True, exist_ok=True)
    drawn.quantize(COLOURS, dither=Image.Dither.NONE).save(options.to, optimize=True)


if __name__ == "__main__":
    main()
