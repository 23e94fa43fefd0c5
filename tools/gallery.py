"""An HTML page of cards, each a page's picture beside texts, for eyes: pictures lie beside the page as files."""

from __future__ import annotations

import html
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypdfium2
from PIL import Image, ImageOps

from tools.draw_blocks import draw_blocks

PICTURE_PX = 1400
"""Longer side of a picture."""
GREY = (160, 160, 160)
"""Under transparent pictures: neither black nor white print is lost on it."""
STYLE = """
body { font: 14px sans-serif; margin: 2em; } article { border-top: 2px solid #888; padding: 1em 0; }
.row { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) minmax(0, 1fr); gap: 1em; }
pre { white-space: pre-wrap; background: #f4f4f4; padding: .5em; max-height: 60em; overflow: auto; }
img { width: 100%; border: 1px solid #888; } .right { color: #070; }
.wrong { color: #a00; } mark { background: #ffe08a; }
"""


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    is_right: bool
    notes: Sequence[str]
    picture: str | None
    """Name of its file, beside the page."""
    texts: Mapping[str, str]
    """Two at most, by their titles."""


def write_gallery(file: Path, title: str, cards: Sequence[Card]) -> None:
    body = "\n".join(_card_html(card) for card in cards)
    file.write_text(
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{html.escape(title)}</h1>\n{body}\n"
    )


def _card_html(card: Card) -> str:
    name, verdict = html.escape(card.name), "right" if card.is_right else "wrong"
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in card.notes)
    source = html.escape(card.picture or "")
    picture = f'<a href="{source}"><img src="{source}"></a>' if source else ""
    columns = "".join(_column_html(title, text, card.texts.values()) for title, text in card.texts.items())
    return (
        f'<article id="{name}"><h2 class="{verdict}">{name}</h2><ul>{notes}</ul>'
        f'<div class="row"><div>{picture}</div>{columns}</div></article>'
    )


def _column_html(title: str, text: str, texts: Iterable[str]) -> str:
    """Those lines marked that another of the texts does not have."""
    others = [other for other in texts if other != text]
    known = {line.strip() for other in others for line in other.splitlines()} | {""}
    lines = (
        f"<mark>{html.escape(line)}</mark>" if others and line.strip() not in known else html.escape(line)
        for line in text.splitlines()
    )
    return f"<div><h3>{html.escape(title)}</h3><pre>{chr(10).join(lines)}</pre></div>"


def page_picture(file: Path, number: int = 1) -> Image.Image | None:
    """A page of a PDF or picture as a viewer shows it, by poppler where it is installed. None if it can't be shown."""
    try:
        if file.read_bytes()[:1024].find(b"%PDF") >= 0:
            return _poppler_picture(file, number) if shutil.which("pdftoppm") else _pdfium_picture(file, number)
        with Image.open(file) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
        upright.thumbnail((PICTURE_PX, PICTURE_PX))
        ground = Image.new("RGBA", upright.size, (*GREY, 255))
        return Image.alpha_composite(ground, upright).convert("RGB")
    except (OSError, subprocess.SubprocessError, pypdfium2.PdfiumError, Image.DecompressionBombError, ValueError):
        return None


def _poppler_picture(file: Path, number: int) -> Image.Image:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "pdftoppm",
            "-f",
            str(number),
            "-l",
            str(number),
            "-singlefile",
            "-png",
            "-scale-to",
            str(PICTURE_PX),
        ]
        subprocess.run([*command, file.resolve(), f"{folder}/page"], capture_output=True, check=True, timeout=60)
        with Image.open(f"{folder}/page.png") as picture:
            return picture.convert("RGB")


def _pdfium_picture(file: Path, number: int) -> Image.Image:
    document = pypdfium2.PdfDocument(file)
    try:
        page = document[number - 1]
        picture: Image.Image = page.render(scale=PICTURE_PX / max(page.get_size())).to_pil()
        return picture.convert("RGB")
    finally:
        document.close()


def page_with_blocks(file: Path, page: Mapping[str, Any]) -> Image.Image | None:
    """The picture of a page of an answer (`pages[]`), with the boxes of its blocks; turned as the service turned it."""
    picture = page_picture(file, page.get("page", 1))
    if picture is None or not page.get("width"):
        return picture
    turned = picture.rotate(page.get("angle") or 0, expand=True)
    scale = turned.width / page["width"]
    blocks = [{**block, "bbox": [value * scale for value in block["bbox"]]} for block in page.get("blocks", [])]
    return draw_blocks(turned, blocks)
