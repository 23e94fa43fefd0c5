"""PDF pages whose text layers lie in one sign, one space or one letter, and what people see on them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from unittest import mock

import pikepdf
from fpdf import FPDF
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics, ttfonts
from reportlab.pdfgen.canvas import Canvas

from tests.support.text_layers import (
    ENGLISH,
    HEIGHT,
    SANS,
    SECOND,
    WIDTH,
    Draw,
    LayerPage,
    Line,
    draw_lines,
    paragraph,
    patch_to_unicode,
    picture_of,
    region_of,
    write_page,
)

MONEY = (
    "The invoice names $1,904.26 for rolls + 65% duty, due by 12.09.2023;",
    "the balance is -$870.00 (or 3 < 5), item #26 at 1.5% a month: send it",
    "to joseph@harbour.example & keep the page; is it 38 = 6 * 9 / 7, no?",
)
RARE_NINE = (
    "Six and sixty: 66 ships, 166 crews, 636 books and 6,660 hours of work",
    "in 62 weeks; 64 people of 16 countries came for 6 days, and 56 stayed",
    "with 69 others: 46 from the north, 36 from the south, 26 from the east.",
)


def subtle_lies() -> list[LayerPage]:
    return [*_sign_lies(), *_cmap_lies(), *_drawn_lies(), *_content_lies(), *_font_lies()]


def write_two_pages() -> LayerPage:
    """Both show `RARE_NINE`; the fonts are of one name and one size, and the second page's tells 6 for 9."""
    pages = []
    for swapped in ({}, {ord("6"): ord("9"), ord("9"): ord("6")}):
        with patch_to_unicode(lambda code, swapped=swapped: swapped.get(code, code)):  # type: ignore[misc]
            pages.append(write_page("two pages of one font", [paragraph(RARE_NINE, 130)]))
    with pikepdf.open(io.BytesIO(pages[0].data)) as file, pikepdf.open(io.BytesIO(pages[1].data)) as other:
        file.pages.extend(other.pages)
        stream = io.BytesIO()
        file.save(stream)
    return replace(pages[0], data=stream.getvalue())


def _sign_lies() -> Iterator[LayerPage]:
    """One sign is told for another."""
    for name, told in _WRONG_SIGNS.items():
        table = {ord(drawn): ord(sign) for drawn, sign in told.items()}
        with patch_to_unicode(lambda code, table=table: table.get(code, code)):  # type: ignore[misc]
            yield write_page(f"sign: {name}", [paragraph(MONEY, 130), paragraph(SECOND, 230)])


_WRONG_SIGNS: Mapping[str, Mapping[str, str]] = {
    "dollar as euro": {"$": "€"},
    "dollar as pound": {"$": "£"},
    "per cent as ampersand": {"%": "&", "&": "%"},
    "plus as minus": {"+": "−"},
    "plus as dash": {"+": "-", "-": "+"},
    "smaller as larger": {"<": ">"},
    "full stop as comma": {".": ",", ",": "."},
    "comma as full stop": {",": "."},
    "colon as semicolon": {":": ";", ";": ":"},
    "brackets turned": {"(": ")", ")": "("},
    "equals as minus": {"=": "-"},
    "number sign as star": {"#": "*", "*": "#"},
    "slash as bar": {"/": "|"},
    "question as exclamation": {"?": "!"},
    "digit as full stop": {"0": "."},
    "digit as dash": {"9": "-"},
    "digit as star": {"4": "*"},
    "letter as bullet": {"b": "•"},
    "letter as soft hyphen": {"v": "\u00ad"},
    "letter as quotation mark": {"k": "”"},
    "one as space": {"1": " "},
    "l as space": {"l": " "},
    "i as a narrow space": {"i": "\u2009"},
    "one as nothing": {"1": "\u200b"},
    "full stop as space": {".": " "},
    "comma as nothing": {",": "\u200b"},
    "minus as space": {"-": " "},
}


def _cmap_lies() -> Iterator[LayerPage]:
    """Several codes are told for one character, or several characters for one code."""
    with patch_to_unicode(lambda code: ord("6") if code == ord("9") else code):
        yield write_page("map: a rare nine as six", [paragraph(RARE_NINE, 130)])
    with patch_to_unicode(lambda code: ord("n") if code == ord("u") else code):
        yield write_page("map: u as n", [paragraph(ENGLISH, 130)])
    for name, drawn, told in (
        ("t as tt", "t", "tt"),
        ("f as fi", "f", "fi"),
        ("c as ct", "c", "ct"),
        ("1 as 10", "1", "10"),
        ("0 as 000", "0", "000"),
        ("s as nothing", "s", ""),
        ("1 as nothing", "1", ""),
    ):
        with _tell_text({ord(drawn): told}):
            yield write_page(f"map: {name}", [paragraph(MONEY, 130), paragraph(SECOND, 230)])


def _tell_text(texts: Mapping[int, str]) -> mock._patch[Callable[[str, Sequence[int]], str]]:
    """Fonts that are embedded tell these texts for what they draw as a code."""

    def write(name: str, subset: Sequence[int]) -> str:
        pairs = "\n".join(
            f"<{at:02X}> <{texts.get(code, chr(code)).encode('utf-16-be').hex().upper()}>"
            for at, code in enumerate(subset)
            if texts.get(code, chr(code))
        )
        count = sum(bool(texts.get(code, chr(code))) for code in subset)
        return (
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /T def\n/CMapType 2 def\n"
            "1 begincodespacerange\n<00> <FF>\nendcodespacerange\n"
            f"{count} beginbfchar\n{pairs}\nendbfchar\nendcmap\nend\nend"
        )

    return mock.patch.object(ttfonts, "makeToUnicodeCMap", write)


def _drawn_lies() -> Iterator[LayerPage]:
    """Text that is drawn otherwise than it is told, by what lies over it or beside it."""
    for name, (texts, draw) in _DRAWN.items():
        yield write_page(f"drawn: {name}", [paragraph(texts, 130), paragraph(SECOND, 230)], draw)


def _width(text: str, size: float = 11.0) -> float:
    return float(pdfmetrics.stringWidth(text, "Sans", size))


def _draw_altered(canvas: Canvas, lines: Sequence[Line], shown: str, drawn: str, alter: Draw) -> None:
    """`drawn` where people see `shown`, which `alter` makes of it; it is given the letters that it alters."""
    for line in lines:
        draw_lines(canvas, [replace(line, text=line.text.replace(shown, drawn))])
    for line in lines:
        for at, letter in enumerate(line.text):
            if letter == shown:
                x = line.x + _width(line.text[:at].replace(shown, drawn), line.size)
                alter(canvas, [Line(drawn, x, line.baseline, line.size)])


def _cover_left_of_8(canvas: Canvas, lines: Sequence[Line]) -> None:
    canvas.setFillGray(1)
    for line in lines:
        canvas.rect(line.x + 0.3, line.baseline + 0.13 * line.size, 0.15 * line.size, 0.1 * line.size, 0, 1)
        canvas.rect(line.x + 0.3, line.baseline + 0.48 * line.size, 0.15 * line.size, 0.12 * line.size, 0, 1)
    canvas.setFillGray(0)


def _cross_minus(canvas: Canvas, lines: Sequence[Line]) -> None:
    for line in lines:
        x = line.x + _width(line.text, line.size) / 2
        canvas.setLineWidth(1)
        canvas.line(x, line.baseline + 0.05 * line.size, x, line.baseline + 0.55 * line.size)


def _close_c(canvas: Canvas, lines: Sequence[Line]) -> None:
    for line in lines:
        x = line.x + _width("C", line.size) - 0.1 * line.size
        canvas.setLineWidth(1)
        canvas.line(x, line.baseline + 0.06 * line.size, x, line.baseline + 0.66 * line.size)


def _add_foot(canvas: Canvas, lines: Sequence[Line]) -> None:
    for line in lines:
        canvas.setLineWidth(1)
        y = line.baseline + 0.5
        canvas.line(line.x + 0.1 * line.size, y, line.x + 0.55 * line.size, y)


def _draw_twice_in_white(canvas: Canvas, lines: Sequence[Line]) -> None:
    """Each t has another one below it, in white."""
    for line in lines:
        x = line.x
        for letter in line.text:
            if letter == "t":
                canvas.setFillGray(1)
                draw_lines(canvas, [Line(letter, x, line.baseline, line.size)])
                canvas.setFillGray(0)
            draw_lines(canvas, [Line(letter, x, line.baseline, line.size)])
            x += _width(letter, line.size)


def _draw_with_one_more(canvas: Canvas, lines: Sequence[Line], before: Callable[[Canvas], None]) -> None:
    """A zero that nobody sees behind each line's end and number."""
    draw_lines(canvas, lines)
    for line in lines:
        canvas.saveState()
        before(canvas)
        draw_lines(canvas, [Line("000", line.x + _width(line.text, line.size), line.baseline, line.size)])
        canvas.restoreState()


def _draw_covered_number(canvas: Canvas, lines: Sequence[Line], cover: str) -> None:
    """Each 65 lies below a picture of other digits; the truth's lines show those."""
    draw_lines(canvas, [replace(line, text=line.text.replace(cover, "65")) for line in lines])
    picture = picture_of(lines, 200)
    scale = 200 / 72
    for line in lines:
        if cover in line.text:
            left = line.x + _width(line.text[: line.text.index(cover)], line.size)
            top, width, height = HEIGHT - line.baseline - 0.85 * line.size, _width(cover, line.size), 1.05 * line.size
            part = picture.crop((scale * left, scale * top, scale * (left + width), scale * (top + height)))
            canvas.drawImage(ImageReader(part), left, HEIGHT - top - height, width, height)


def _draw_squeezed(canvas: Canvas, lines: Sequence[Line]) -> None:
    """Between the words, others that are too narrow to be read."""
    draw_lines(canvas, lines)
    for line in lines:
        text = canvas.beginText(line.x + _width(line.text.split(" ")[0], line.size), line.baseline)
        text.setFont("Sans", line.size)
        text.setHorizScale(2)
        text.textOut("not paid at all")
        canvas.drawText(text)


def _set_white(canvas: Canvas) -> None:
    canvas.setFillGray(1)


def _set_clear(canvas: Canvas) -> None:
    canvas.setFillAlpha(0)


def _set_clip(canvas: Canvas) -> None:
    path = canvas.beginPath()
    path.rect(10, 10, 0.1, 0.1)
    canvas.clipPath(path, stroke=0)


def _set_thin_clip(canvas: Canvas) -> None:
    """Of all lines, hairs of them."""
    path = canvas.beginPath()
    for at in range(0, int(HEIGHT), 12):
        path.rect(0, at, WIDTH, 0.02)
    canvas.clipPath(path, stroke=0)


_DRAWN: Mapping[str, tuple[Sequence[str], Draw]] = {
    "3 made of 8 by white": (
        ("Visitors borrowed 3,370 books and 3 of 33 came back: 313 or 343 pages", *SECOND[1:]),
        partial(_draw_altered, shown="3", drawn="8", alter=_cover_left_of_8),
    ),
    "plus made of dash by a stroke": (
        ("A retired pilot + the baker next door + each of the volunteers at sea,", *SECOND[1:]),
        partial(_draw_altered, shown="+", drawn="-", alter=_cross_minus),
    ),
    "O made of C by a stroke": (
        ("Of Ottos and Olgas: Orders Of the Old Office Of Oslo, Overdue Once", *SECOND[1:]),
        partial(_draw_altered, shown="O", drawn="C", alter=_close_c),
    ),
    "E made of F by a stroke": (
        ("Each East End Exit: Every Entry Ends Early, Even Easter Evening Events", *SECOND[1:]),
        partial(_draw_altered, shown="E", drawn="F", alter=_add_foot),
    ),
    "white letters below": (ENGLISH, _draw_twice_in_white),
    "white zeros behind": (MONEY, partial(_draw_with_one_more, before=_set_white)),
    "clear zeros behind": (MONEY, partial(_draw_with_one_more, before=_set_clear)),
    "clipped zeros behind": (MONEY, partial(_draw_with_one_more, before=_set_clip)),
    "hairs of zeros behind": (MONEY, partial(_draw_with_one_more, before=_set_thin_clip)),
    "digits below a picture of others": (
        ("The invoice names 91 books for 91 crews, and 91 hours of work were", *SECOND[1:]),
        partial(_draw_covered_number, cover="91"),
    ),
    "words too narrow to read": (ENGLISH, _draw_squeezed),
}


def _content_lies() -> Iterator[LayerPage]:
    """What a page's content says of its text."""
    usual = [paragraph(MONEY, 130), paragraph(SECOND, 230)]
    yield write_page("content: another text for each line", usual, _draw_with_actual_text)
    yield write_page("content: another text for digits", usual, _draw_with_actual_digits)
    for name, change in _CHANGED.items():
        page = write_page(f"content: {name}", usual, _draw_in_marks)
        yield replace(page, data=_change_page(page.data, change))


def _draw_with_actual_text(canvas: Canvas, lines: Sequence[Line]) -> None:
    for line in lines:
        told = line.text[::-1].encode("utf-16").hex()
        canvas.addLiteral(f"/Span <</ActualText <{told}>>> BDC")
        draw_lines(canvas, [line])
        canvas.addLiteral("EMC")


def _draw_with_actual_digits(canvas: Canvas, lines: Sequence[Line]) -> None:
    """Each 6 is said to be a 9."""
    for line in lines:
        x = line.x
        for letter in line.text:
            if letter == "6":
                canvas.addLiteral("/Span <</ActualText (9)>> BDC")
            draw_lines(canvas, [Line(letter, x, line.baseline, line.size)])
            if letter == "6":
                canvas.addLiteral("EMC")
            x += _width(letter, line.size)


def _draw_in_marks(canvas: Canvas, lines: Sequence[Line]) -> None:
    """All lines, and behind each of them a number in a state of its own."""
    draw_lines(canvas, lines)
    for line in lines:
        canvas.addLiteral("q %HIDE%")
        draw_lines(canvas, [Line("000", line.x + _width(line.text, line.size), line.baseline, line.size)])
        canvas.addLiteral("%SHOW% Q")


def _change_page(data: bytes, change: Callable[[pikepdf.Pdf, pikepdf.Page], tuple[bytes, bytes]]) -> bytes:
    with pikepdf.open(io.BytesIO(data)) as pdf:
        page = pdf.pages[0]
        hide, show = change(pdf, page)
        content = page.Contents.read_bytes()
        page.Contents = pdf.make_stream(content.replace(b"%HIDE%", hide + b"\n%").replace(b"%SHOW%", show + b"\n%"))
        # What stood behind the marks in their lines is no part of a comment.
        page.Contents = pdf.make_stream(page.Contents.read_bytes().replace(b"\n% Q", b"\nQ").replace(b"\n%\n", b"\n"))
        stream = io.BytesIO()
        pdf.save(stream)
        return stream.getvalue()


def _add_hidden_group(pdf: pikepdf.Pdf, page: pikepdf.Page) -> tuple[bytes, bytes]:
    group = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.OCG, Name="hidden"))
    pdf.Root.OCProperties = pikepdf.Dictionary(
        OCGs=pikepdf.Array([group]), D=pikepdf.Dictionary(OFF=pikepdf.Array([group]), Order=pikepdf.Array([group]))
    )
    page.Resources.Properties = pikepdf.Dictionary(MC0=group)
    return b"/OC /MC0 BDC", b"EMC"


def _add_mask(pdf: pikepdf.Pdf, page: pikepdf.Page) -> tuple[bytes, bytes]:
    """A soft mask that lets nothing through."""
    form = pdf.make_stream(b"0 g 0 0 595 842 re f")
    form.Type, form.Subtype, form.BBox = pikepdf.Name.XObject, pikepdf.Name.Form, pikepdf.Array([0, 0, 595, 842])
    form.Group = pikepdf.Dictionary(S=pikepdf.Name.Transparency, CS=pikepdf.Name.DeviceGray)
    mask = pikepdf.Dictionary(S=pikepdf.Name.Luminosity, G=form)
    states = page.Resources.get("/ExtGState", pikepdf.Dictionary())
    states.GSM = pikepdf.Dictionary(Type=pikepdf.Name.ExtGState, SMask=mask)
    page.Resources.ExtGState = states
    return b"/GSM gs", b""


def _add_pattern(pdf: pikepdf.Pdf, page: pikepdf.Page) -> tuple[bytes, bytes]:
    """Filled with a pattern that is white."""
    tile = pdf.make_stream(b"1 g 0 0 4 4 re f")
    tile.Type, tile.PatternType, tile.PaintType, tile.TilingType = pikepdf.Name.Pattern, 1, 1, 1
    tile.BBox, tile.XStep, tile.YStep = pikepdf.Array([0, 0, 4, 4]), 4, 4
    tile.Resources = pikepdf.Dictionary()
    page.Resources.Pattern = pikepdf.Dictionary(P0=tile)
    return b"/Pattern cs /P0 scn", b""


def _add_multiply(pdf: pikepdf.Pdf, page: pikepdf.Page) -> tuple[bytes, bytes]:
    """White ink that only darkens."""
    states = page.Resources.get("/ExtGState", pikepdf.Dictionary())
    states.GSB = pikepdf.Dictionary(Type=pikepdf.Name.ExtGState, BM=pikepdf.Name.Multiply)
    page.Resources.ExtGState = states
    return b"/GSB gs 1 g", b""


_CHANGED: Mapping[str, Callable[[pikepdf.Pdf, pikepdf.Page], tuple[bytes, bytes]]] = {
    "a layer that is off": _add_hidden_group,
    "a soft mask": _add_mask,
    "a white pattern": _add_pattern,
    "white that only darkens": _add_multiply,
}


def _font_lies() -> Iterator[LayerPage]:
    """Fonts of which one lies and another does not, and fonts by other producers."""
    yield _lay_over_each_other()
    yield _write_wrong_cids()


def _lay_over_each_other() -> LayerPage:
    """Two paragraphs in two fonts of one name; the digits of the second are shifted."""
    first = write_page("", [paragraph(ENGLISH, 130)])
    with patch_to_unicode(lambda code: ord("0") + (code + 3) % 10 if chr(code).isdecimal() else code):
        second = write_page("", [paragraph(SECOND, 230)])
    with pikepdf.open(io.BytesIO(first.data)) as file, pikepdf.open(io.BytesIO(second.data)) as other:
        file.pages[0].add_overlay(other.pages[0], None)
        stream = io.BytesIO()
        file.save(stream)
    name = "font: digits shifted in one of two alike"
    return LayerPage(name, stream.getvalue(), first.lines + second.lines, first.regions + second.regions)


def _write_wrong_cids() -> LayerPage:
    """A font with Identity-H, in whose table of characters 3 and 8 have changed places."""
    pdf = FPDF(unit="pt", format=(WIDTH, HEIGHT))
    pdf.add_page()
    pdf.add_font("Sans", fname=str(SANS))
    lines = [*paragraph(MONEY, 130), *paragraph(SECOND, 230)]
    for line in lines:
        pdf.set_font("Sans", size=line.size)
        pdf.text(line.x, HEIGHT - line.baseline, line.text)
    with pikepdf.open(io.BytesIO(bytes(pdf.output()))) as file:
        for font in file.pages[0].Resources.Font.values():
            table = font.ToUnicode.read_bytes()
            table = table.replace(b"<0033>\n", b"<@>\n").replace(b"<0038>\n", b"<0033>\n").replace(b"<@>", b"<0038>")
            font.ToUnicode.write(table)
        stream = io.BytesIO()
        file.save(stream)
    regions = (region_of(lines[: len(MONEY)]), region_of(lines[len(MONEY) :]))
    return LayerPage("font: 3 and 8 swapped, Identity-H", stream.getvalue(), tuple(lines), regions)
