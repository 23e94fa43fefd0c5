"""PDF pages whose text layers are sound, or lie in many ways, and what people see on them."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics, ttfonts
from reportlab.pdfgen.canvas import Canvas

SANS = Path(__file__).parent / "fonts" / "OcrTestSans.ttf"
WIDTH, HEIGHT = 595.0, 842.0
LEFT, LEADING = 72.0, 1.3

HEADING = "Annual report of the harbour library, 2023"
ENGLISH = (
    "The reading room was open on 341 days and crews of 212 ships came up",
    "the stairs. Visitors borrowed 3,870 books; the quickest of them were back",
    "within 65 hours, just before Joseph locked the doors for the night.",
    "Few places mix so many languages: Greek, Polish, Dutch, Zulu and Basque.",
)
SECOND = (
    "Volunteers keep the room alive: 26 people gave 1,904 hours last year,",
    "from a retired pilot to the baker next door, who brings fresh rolls.",
    "A map by the window shows where each donated volume has travelled;",
    "the farthest one came back from Valparaiso after 790 days at sea.",
)
LIGATURES = (
    "The first office files five different fines; a fish market on the floor",
    "offers flags and coffee, and the staff affirms that the traffic is fluid.",
)
NOTES = (
    "Volunteers keep the room alive,¹ from a retired pilot to the baker² near",
    "door; 26 people gave 1,904 hours in the year.³ The 65 of them who stayed",
    "on the 341st day, after 870 others had gone,² locked the doors at night.",
)
BULLETS = (
    "• Volunteers keep the room alive: 26 people gave 1,904 hours last year",
    "• A map by the window shows where each donated volume has travelled",
    "• Few places mix so many languages: Greek, Polish, Dutch and Basque",
)
CONTENTS = (
    "Visitors, ships and crews . . . . . . . . . . . . . . . . . . . . . . . . 1",
    "Journals and maps by the window . . . . . . . . . . . . . . . . . . . . 12",
    "Quick exits before the doors are locked . . . . . . . . . . . . . . . . 26",
)
RUSSIAN = (
    "Читальный зал держится на помощниках: в прошлом году дежурили двадцать",
    "шесть человек, учителя и моряки, пекари и студенты. Чаще всего берут",
    "морские рассказы, сказки для детей и подшивки журналов за 1987 год.",
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that people see. Points from the page's lower left corner; `size` is the em."""

    text: str
    x: float
    baseline: float
    size: float = 11.0


Region = tuple[float, float, float, float]
"""x1, y1, x2, y2 in points, from the upper left corner."""


@dataclass(frozen=True, slots=True)
class LayerPage:
    """A PDF of one page; `regions`: where its paragraphs stand; `lines`: what people see there."""

    name: str
    data: bytes
    lines: tuple[Line, ...]
    regions: tuple[Region, ...]


def paragraph(texts: Sequence[str], top: float, size: float = 11.0, x: float = LEFT) -> list[Line]:
    """Lines below each other, the first with its baseline `top` points below the page's upper edge."""
    return [Line(text, x, HEIGHT - top - at * LEADING * size, size) for at, text in enumerate(texts)]


def region_of(lines: Sequence[Line]) -> Region:
    """With the white space that layout leaves around a paragraph."""
    tops, bottoms = [line.baseline + line.size for line in lines], [line.baseline - 0.4 * line.size for line in lines]
    right = max(line.x + 0.62 * line.size * len(line.text) for line in lines)
    return min(line.x for line in lines) - 3, HEIGHT - max(tops), min(right, WIDTH - 2), HEIGHT - min(bottoms)


@contextmanager
def patch_to_unicode(tell: Callable[[int], int]) -> Iterator[None]:
    """Fonts that are embedded inside tell `tell(code)` for what they draw as `code`."""
    genuine = ttfonts.makeToUnicodeCMap

    def write(name: str, subset: Sequence[int]) -> str:
        text: str = genuine(name, [tell(code) for code in subset])
        return text

    with mock.patch.object(ttfonts, "makeToUnicodeCMap", write):
        yield


Draw = Callable[[Canvas, Sequence[Line]], None]


def draw_lines(canvas: Canvas, lines: Sequence[Line], font: str = "Sans") -> None:
    for line in lines:
        canvas.setFont(font, line.size)
        canvas.drawString(line.x, line.baseline, line.text)


def write_page(name: str, lines: Sequence[Sequence[Line]], draw: Draw = draw_lines, seen: bool = True) -> LayerPage:
    """A page by reportlab. `lines`: paragraphs; `seen`: whether people see what `draw` makes of them."""
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(WIDTH, HEIGHT))
    register_fonts()
    flat = [line for part in lines for line in part]
    draw(canvas, flat)
    canvas.save()
    return LayerPage(name, stream.getvalue(), tuple(flat) if seen else (), tuple(map(region_of, lines)))


def register_fonts() -> None:
    """Anew: a font remembers what it told of itself."""
    for font in ("Sans", "Other"):
        pdfmetrics.registerFont(ttfonts.TTFont(font, str(SANS)))


def picture_of(lines: Sequence[Line], dpi: int = 150) -> Image.Image:
    """The page as a scanner sees it."""
    scale = dpi / 72
    image = Image.new("RGB", (round(WIDTH * scale), round(HEIGHT * scale)), "white")
    draw = ImageDraw.Draw(image)
    for line in lines:
        font = ImageFont.truetype(str(SANS), round(line.size * scale))
        draw.text((line.x * scale, (HEIGHT - line.baseline) * scale), line.text, "black", font, anchor="ls")
    return image


def draw_picture(canvas: Canvas, image: Image.Image) -> None:
    canvas.drawImage(ImageReader(image), 0, 0, WIDTH, HEIGHT)


def _draw_apart(canvas: Canvas, line: Line, pieces: Iterable[str], font: str, space: str = "") -> None:
    """The pieces of a line one by one; `space`: what is as wide as the white paper between them."""
    x = line.x
    for piece in pieces:
        draw_lines(canvas, [Line(piece, x, line.baseline, line.size)], font)
        x += pdfmetrics.stringWidth(piece + space, font, line.size)


def usual_paragraphs() -> list[list[Line]]:
    return [paragraph([HEADING], 80, 18), paragraph(ENGLISH, 130), paragraph(SECOND, 230), paragraph(RUSSIAN, 330)]


def mistold_layers() -> Iterator[LayerPage]:
    """Fonts whose table of characters is wrong."""
    for name, tell in _WRONG_TABLES.items():
        with patch_to_unicode(tell):
            yield write_page(f"told: {name}", usual_paragraphs())

    with patch_to_unicode(_swap("ea")):
        yield write_page("told: swapped, in a heading only", usual_paragraphs(), _draw_two)


def _draw_two(canvas: Canvas, lines: Sequence[Line]) -> None:
    """The heading in the font that is embedded, the rest in one that every viewer has."""
    draw_lines(canvas, lines[:1])
    draw_lines(canvas, [line for line in lines[1:] if line.text.isascii()], "Helvetica")
    draw_lines(canvas, [line for line in lines[1:] if not line.text.isascii()])


def _swap(pairs: str) -> Callable[[int], int]:
    table: dict[int, int] = {}
    for one, other in zip(pairs[::2], pairs[1::2], strict=True):
        table[ord(one)], table[ord(other)] = ord(other), ord(one)
    return lambda code: table.get(code, code)


def _shift(alphabet: str, by: int = 1) -> Callable[[int], int]:
    table = {ord(one): ord(alphabet[(at + by) % len(alphabet)]) for at, one in enumerate(alphabet)}
    return lambda code: table.get(code, code)


_LOWER, _UPPER, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
_WRONG_TABLES: Mapping[str, Callable[[int], int]] = {
    "letters shifted": _shift(_LOWER),
    "letters shifted far": _shift(_LOWER, 13),
    "alphabet reversed": _swap("".join(a + b for a, b in zip(_LOWER[:13], _LOWER[:12:-1], strict=True))),
    "two letters swapped": _swap("ea"),
    "b and d swapped": _swap("bd"),
    "n and u swapped": _swap("nu"),
    "p and q swapped": _swap("pq"),
    "digits shifted": _shift(_DIGITS),
    "3 and 8 swapped": _swap("38"),
    "6 and 9 swapped": _swap("69"),
    "capitals shifted": _shift(_UPPER),
    "vowels rotated": _shift("aeiou"),
    "one rare letter": _swap("qg"),
    "one rare capital": lambda code: ord("E") if code == ord("Z") else code,
    "everything an x": lambda code: ord("x") if chr(code).isalnum() else code,
    "small letters as capitals": lambda code: ord(chr(code).upper()) if chr(code).islower() else code,
    "c as capital": lambda code: ord("C") if code == ord("c") else code,
    "capitals as small letters": lambda code: ord(chr(code).lower()) if chr(code).isupper() else code,
    "accents added": lambda code: ord("é") if code == ord("e") else code,
    "Cyrillic for Latin": lambda code: {ord(a): ord(b) for a, b in zip("aeopcxy", "аеорсху", strict=True)}.get(
        code, code
    ),
    "one Cyrillic letter": lambda code: ord("а") if code == ord("a") else code,
    "one Latin letter": lambda code: ord("a") if code == ord("а") else code,
    "Cyrillic e": lambda code: ord("е") if code == ord("e") else code,
    "Cyrillic shifted": _shift(_CYRILLIC),
    "o as zero": lambda code: ord("0") if code == ord("o") else code,
    "l as one": lambda code: ord("1") if code == ord("l") else code,
    "replacement characters": lambda code: 0xFFFD if chr(code).isalpha() else code,
    "private use": lambda code: 0xE000 + code if chr(code).isalpha() else code,
    "one letter private": lambda code: 0xF0E0 if code == ord("e") else code,
    "control characters": lambda code: 1 + code % 8 if chr(code).isalpha() else code,
    "Chinese": lambda code: 0x4E00 + code if chr(code).isalpha() else code,
    "Arabic": lambda code: 0x0620 + code % 32 if chr(code).isalpha() else code,
}


def hidden_layers() -> Iterator[LayerPage]:
    """Pages on which people see nothing of the layer."""
    for name, draw in _HIDDEN.items():
        yield write_page(f"hidden: {name}", usual_paragraphs(), draw, seen=False)


def _draw_white(canvas: Canvas, lines: Sequence[Line], level: float = 1.0) -> None:
    canvas.setFillGray(level)
    draw_lines(canvas, lines)


def _draw_in_mode(canvas: Canvas, lines: Sequence[Line], mode: int) -> None:
    for line in lines:
        text = canvas.beginText(line.x, line.baseline)
        text.setFont("Sans", line.size)
        text.setTextRenderMode(mode)
        text.textOut(line.text)
        canvas.drawText(text)


def _draw_clipped(canvas: Canvas, lines: Sequence[Line]) -> None:
    path = canvas.beginPath()
    path.rect(0, 0, 30, 30)
    canvas.clipPath(path, stroke=0)
    draw_lines(canvas, lines)


def _draw_covered(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_lines(canvas, lines)
    canvas.setFillGray(1)
    canvas.rect(0, 0, WIDTH, HEIGHT, stroke=0, fill=1)


def _draw_under_picture(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_lines(canvas, lines)
    draw_picture(canvas, Image.effect_noise((300, 400), 60).convert("RGB"))


def _draw_on_ground(canvas: Canvas, lines: Sequence[Line]) -> None:
    canvas.setFillColorRGB(0.2, 0.3, 0.6)
    canvas.rect(0, 0, WIDTH, HEIGHT, stroke=0, fill=1)
    draw_lines(canvas, lines)


def _draw_transparent(canvas: Canvas, lines: Sequence[Line], alpha: float = 0.0) -> None:
    canvas.setFillAlpha(alpha)
    draw_lines(canvas, lines)


def _draw_small(canvas: Canvas, lines: Sequence[Line], size: float) -> None:
    draw_lines(canvas, [Line(line.text, line.x, line.baseline, size) for line in lines])


def _draw_beside(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_lines(canvas, [Line(line.text, line.x - 2 * WIDTH, line.baseline, line.size) for line in lines])


_HIDDEN: Mapping[str, Draw] = {
    "white on white": _draw_white,
    "nearly white": lambda canvas, lines: _draw_white(canvas, lines, 0.97),
    "render mode 3": lambda canvas, lines: _draw_in_mode(canvas, lines, 3),
    "render mode 7": lambda canvas, lines: _draw_in_mode(canvas, lines, 7),
    "clipped": _draw_clipped,
    "below a rectangle": _draw_covered,
    "below a picture": _draw_under_picture,
    "in the colour of the ground": _draw_on_ground,
    "transparent": _draw_transparent,
    "nearly transparent": lambda canvas, lines: _draw_transparent(canvas, lines, 0.03),
    "half a point": lambda canvas, lines: _draw_small(canvas, lines, 0.5),
    "of no size": lambda canvas, lines: _draw_small(canvas, lines, 0.0001),
    "beside the page": _draw_beside,
}


def scan_layers() -> Iterator[LayerPage]:
    """Pictures of pages with the text that somebody's OCR has put there."""
    for name, draw in _SCANNED.items():
        yield write_page(f"scan: {name}", usual_paragraphs(), draw)


def _draw_scan(canvas: Canvas, lines: Sequence[Line], right: float = 0, up: float = 0) -> None:
    draw_picture(canvas, picture_of(lines))
    moved = [Line(line.text.replace("rn", "m"), line.x + right, line.baseline + up, line.size) for line in lines]
    _draw_in_mode(canvas, moved, 3)


def _draw_text_then_scan(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_lines(canvas, [Line(line.text.replace("e", "c"), line.x, line.baseline, line.size) for line in lines])
    draw_picture(canvas, picture_of(lines))


def _draw_scan_with_pale_text(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_picture(canvas, picture_of(lines))
    canvas.setFillGray(0.99)
    draw_lines(
        canvas, [Line(line.text.replace("e", "c"), line.x, line.baseline + 7, line.size * 0.7) for line in lines]
    )


_SCANNED: Mapping[str, Draw] = {
    "with an invisible layer": _draw_scan,
    "with a shifted layer": lambda canvas, lines: _draw_scan(canvas, lines, 4, 6),
    "with a layer a line too low": lambda canvas, lines: _draw_scan(canvas, lines, 0, -14.3),
    "over its text": _draw_text_then_scan,
}


def misplaced_layers() -> Iterator[LayerPage]:
    """Text that is seen, and whose order or place a file can't tell."""
    for name, draw in _MISPLACED.items():
        yield write_page(f"placed: {name}", [paragraph(ENGLISH, 130), paragraph(SECOND, 230)], draw)
    columns = [paragraph(ENGLISH, 130, 6), paragraph(SECOND, 130, 6, x=320)]
    page = write_page("placed: two columns in one region", columns)
    x1, y1, _, y2 = page.regions[0]
    yield LayerPage(page.name, page.data, page.lines, ((x1, y1, page.regions[1][2], y2),))


def _draw_turned(canvas: Canvas, lines: Sequence[Line], degrees: float) -> None:
    canvas.translate(WIDTH / 2, HEIGHT / 2)
    canvas.rotate(degrees)
    canvas.translate(-WIDTH / 2, -HEIGHT / 2)
    draw_lines(canvas, lines)


def _draw_mirrored(canvas: Canvas, lines: Sequence[Line]) -> None:
    canvas.translate(WIDTH, 0)
    canvas.scale(-1, 1)
    draw_lines(canvas, lines)


def _draw_twice(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_lines(canvas, lines)
    draw_lines(
        canvas,
        [Line(other.text, line.x + 2, line.baseline + 3) for line, other in zip(lines, lines[::-1], strict=True)],
    )


def _draw_stacked(canvas: Canvas, lines: Sequence[Line]) -> None:
    for column, line in enumerate(lines):
        for at, letter in enumerate(line.text[:8].replace(" ", "")):
            draw_lines(canvas, [Line(letter, LEFT + 40 * column, lines[0].baseline - 14 * at)])


def _draw_half_as_picture(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_picture(canvas, picture_of(lines[1::2]))
    draw_lines(canvas, lines[::2])


def _draw_with_hidden_words(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_lines(canvas, lines)
    canvas.setFillGray(1)
    draw_lines(canvas, [Line("Ignore all of this", line.x + 40, line.baseline + 1) for line in lines])


def _draw_cut(canvas: Canvas, lines: Sequence[Line]) -> None:
    """Only the upper half of each line is within the clip."""
    path = canvas.beginPath()
    for line in lines:
        path.rect(0, line.baseline + 0.3 * line.size, WIDTH, line.size)
    canvas.clipPath(path, stroke=0)
    draw_lines(canvas, lines)


_MISPLACED: Mapping[str, Draw] = {
    "upside down": lambda canvas, lines: _draw_turned(canvas, lines, 180),
    "on a side": lambda canvas, lines: _draw_turned(canvas, lines, 90),
    "slanted": lambda canvas, lines: _draw_turned(canvas, lines, 6),
    "mirrored": _draw_mirrored,
    "over other text": _draw_twice,
    "letters above each other": _draw_stacked,
    "half of the lines as a picture": _draw_half_as_picture,
    "with words that nobody sees": _draw_with_hidden_words,
    "cut in half": _draw_cut,
}


def type3_layers() -> Iterator[LayerPage]:
    """A font whose glyphs are drawings: squares that say that they are letters."""
    glyphs = b"<</Length 26>>stream\n700 0 d0 0 0 500 500 re f \nendstream"
    text = b"BT /F1 11 Tf 72 712 Td (password) Tj 0 -14 Td (password) Tj ET"
    font = (
        b"<</Type/Font/Subtype/Type3/FontBBox[0 0 700 700]/FontMatrix[.001 0 0 .001 0 0]/FirstChar 97/LastChar 122"
        b"/Widths["
        + b"700 " * 26
        + b"]/CharProcs<</x 5 0 R>>/Resources<<>>/Encoding<</Type/Encoding/Differences[97 "
        + b"/x " * 26
        + b"]>>/ToUnicode 7 0 R>>"
    )
    table = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <FF> "
        b"endcodespacerange 1 beginbfrange <61> <7A> <0061> endbfrange endcmap end end"
    )
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 6 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(text), text),
        glyphs,
        font,
        b"<</Length %d>>stream\n%b\nendstream" % (len(table), table),
    ]
    lines = [Line("■■■■■■■■", 72, 712), Line("■■■■■■■■", 72, 698)]
    yield LayerPage("type 3: squares", write_objects(objects), tuple(lines), (region_of(lines),))


def write_objects(objects: Sequence[bytes]) -> bytes:
    """A PDF of these objects, the first its catalog; viewers find them without a table."""
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (at, content) for at, content in enumerate(objects, 1))
    return b"%PDF-1.6\n" + body + b"trailer<</Root 1 0 R>>\n"


def broken_layers() -> list[LayerPage]:
    return [*mistold_layers(), *hidden_layers(), *scan_layers(), *misplaced_layers(), *type3_layers()]


def sound_layers() -> list[LayerPage]:
    """Pages by several producers, in several fonts, sizes, and ways to place letters."""
    pages = [write_page("reportlab, embedded font", usual_paragraphs())]
    latin = [paragraph([HEADING], 80, 20), paragraph(ENGLISH, 130), paragraph(SECOND, 230, 9)]
    for font in ("Helvetica", "Times-Roman", "Times-Italic", "Helvetica-Bold", "Courier"):
        size = 9.0 if font == "Courier" else 11.0
        parts = [paragraph([HEADING], 80, 16), paragraph(ENGLISH, 130, size), paragraph(SECOND, 230, size)]
        pages.append(write_page(f"reportlab, {font}", parts, partial(draw_lines, font=font)))
    for name, draw in _SOUND.items():
        pages.append(write_page(f"reportlab, {name}", latin, draw))
    pages.append(write_page("reportlab, page number", [*usual_paragraphs(), paragraph(["4"], 800, 9.5, WIDTH / 2)]))
    pages.append(write_page("reportlab, ligatures", [paragraph(LIGATURES, 130)], _draw_ligatures))
    pages.append(write_page("reportlab, numbers of notes", [paragraph(NOTES, 130)], _draw_notes))
    pages.append(write_page("reportlab, bullets", [paragraph(BULLETS, 130)], _draw_bullets))
    contents = [paragraph(CONTENTS, 130), paragraph(["1"], 800, 9.5, WIDTH / 2)]
    pages.append(write_page("reportlab, contents", contents, partial(draw_lines, font="Helvetica")))
    return [*pages, *map(_write_by_fpdf, (None, SANS))]


def _draw_ligatures(canvas: Canvas, lines: Sequence[Line]) -> None:
    """One glyph for two letters, as LaTeX sets them."""
    pdfmetrics.registerFont(pdfmetrics.Font("Ligatures", "Times-Roman", "MacRomanEncoding"))
    joined = [replace(line, text=line.text.replace("fi", "\ufb01").replace("fl", "\ufb02")) for line in lines]
    draw_lines(canvas, joined, "Ligatures")


def _draw_bullets(canvas: Canvas, lines: Sequence[Line]) -> None:
    """With more than an em between a bullet and its text."""
    canvas.setFont("Helvetica", lines[0].size)
    for line in lines:
        bullet, text = line.text.split(" ", 1)
        canvas.drawString(line.x, line.baseline, bullet)
        canvas.drawString(line.x + 24, line.baseline, text)


def _draw_notes(canvas: Canvas, lines: Sequence[Line]) -> None:
    """Raised digits as digits of a smaller size, as most programs write them."""
    for line in lines:
        canvas.setFont("Helvetica", line.size)
        text = canvas.beginText(line.x, line.baseline)
        for digits, other in re.findall("([¹²³]+)|([^¹²³]+)", line.text):
            text.setFont("Helvetica", 0.6 * line.size if digits else line.size)
            text.setRise(0.35 * line.size if digits else 0)
            text.textOut(unicodedata.normalize("NFKC", digits) if digits else other)
        canvas.drawText(text)


def _draw_letters(canvas: Canvas, lines: Sequence[Line]) -> None:
    """Each letter on its own, as some producers kern."""
    for line in lines:
        _draw_apart(canvas, line, line.text, "Helvetica")


def _draw_last_line_first(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_lines(canvas, lines[::-1], "Helvetica")


def _draw_words_without_spaces(canvas: Canvas, lines: Sequence[Line]) -> None:
    for line in lines:
        _draw_apart(canvas, line, line.text.split(), "Times-Roman", " ")


def _draw_white_on_dark(canvas: Canvas, lines: Sequence[Line]) -> None:
    canvas.setFillColorRGB(0.1, 0.15, 0.4)
    canvas.rect(0, 0, WIDTH, HEIGHT, stroke=0, fill=1)
    canvas.setFillGray(1)
    draw_lines(canvas, lines, "Helvetica")


def _draw_grey(canvas: Canvas, lines: Sequence[Line]) -> None:
    canvas.setFillGray(0.55)
    draw_lines(canvas, lines, "Helvetica")


def _draw_in_form(canvas: Canvas, lines: Sequence[Line]) -> None:
    canvas.beginForm("page")
    draw_lines(canvas, lines, "Helvetica")
    canvas.endForm()
    canvas.doForm("page")


_SOUND: Mapping[str, Draw] = {
    "letter by letter": _draw_letters,
    "last line first": _draw_last_line_first,
    "words without spaces": _draw_words_without_spaces,
    "white on dark": _draw_white_on_dark,
    "grey": _draw_grey,
    "in a form": _draw_in_form,
}


def _write_by_fpdf(font: Path | None) -> LayerPage:
    pdf = FPDF(unit="pt", format=(WIDTH, HEIGHT))
    pdf.add_page()
    if font:
        pdf.add_font("Sans", fname=str(font))
    parts = usual_paragraphs() if font else usual_paragraphs()[:3]
    for line in (line for part in parts for line in part):
        pdf.set_font("Sans" if font else "Times", size=line.size)
        pdf.text(line.x, HEIGHT - line.baseline, line.text)
    flat = tuple(line for part in parts for line in part)
    name = "fpdf2, embedded font" if font else "fpdf2, Times"
    return LayerPage(name, bytes(pdf.output()), flat, tuple(map(region_of, parts)))
