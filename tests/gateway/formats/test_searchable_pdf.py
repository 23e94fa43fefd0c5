"""Searchable PDFs as other programs see them: PDFium tells what text stands where, and what a page looks like."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pikepdf
import pypdfium2 as pdfium
import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from common.geometry import Rectangle, area, intersection_area
from gateway.errors import ServiceError
from gateway.formats.searchable_pdf import write_searchable_pdf
from gateway.model import Block, Box, PageResult, TextLine, Word

SCALE = 2
WORDS: dict[str, Box] = {
    "Größe": (60, 80, 130, 100),
    "щука": (140, 80, 190, 100),
    "書籍": (200, 80, 250, 100),
    "𝒳²🚢": (260, 80, 320, 100),
}


def block(words: dict[str, Box], **fields: object) -> Block:
    boxes = list(words.values())
    bbox = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    line = TextLine(
        text=" ".join(words),
        bbox=bbox,
        words=[Word(text=text, bbox=box) for text, box in words.items()],
        source="engine",
    )
    whole = {"id": "p1-b1", "label": "text", "bbox": tuple(map(int, bbox)), "order": 1, "content": line.text}
    return Block.model_validate({**whole, "lines": [line], **fields})


def page(width: int, height: int, *blocks: Block, **fields: object) -> PageResult:
    return PageResult.model_validate(
        {"page": 1, "width": width, "height": height, "markdown": "", "blocks": blocks, **fields}
    )


def searchable(data: bytes, *pages: PageResult, media_type: str = "application/pdf") -> bytes:
    output = io.BytesIO()
    with os.fdopen(os.memfd_create("document"), "w+b") as file:
        file.write(data)
        file.flush()
        write_searchable_pdf(file, media_type, None, pages, output)
    return output.getvalue()


@contextmanager
def opened(data: bytes) -> Iterator[pdfium.PdfPage]:
    document = pdfium.PdfDocument(data)
    yield document[0]
    document.close()


def drawn_page(*texts: str, mode: int = 0) -> bytes:
    """A4; each text in a line of its own, 720 points high and below."""
    data = io.BytesIO()
    canvas = Canvas(data, pagesize=(595, 842))
    for number, text in enumerate(texts):
        line = canvas.beginText(72, 720 - 30 * number)
        line.setTextRenderMode(mode)
        line.textLine(text)
        canvas.drawText(line)
    canvas.rect(72, 300, 200, 100, fill=1)
    canvas.save()
    return data.getvalue()


def text_of(data: bytes) -> str:
    with opened(data) as shown:
        return str(shown.get_textpage().get_text_range()).replace("\r\n", "\n").strip()


def pixels_of(data: bytes) -> np.ndarray:
    with opened(data) as shown:
        return np.asarray(shown.render(scale=SCALE).to_numpy()).copy()


def boxes_of(data: bytes, texts: list[str]) -> dict[str, Rectangle]:
    """Where PDFium marks each text that is found, in pixels of the page as it is shown."""
    found = {}
    with opened(data) as shown:
        bitmap, page_text = shown.render(scale=SCALE), shown.get_textpage()
        convert = bitmap.get_posconv(shown)
        for text in texts:
            index, count = page_text.search(text).get_next()
            corners = [
                convert.to_bitmap(x, y)
                for at in range(index, index + count)
                for box in [page_text.get_charbox(at, loose=True)]
                for x in (box[0], box[2])
                for y in (box[1], box[3])
            ]
            xs, ys = zip(*corners, strict=True)
            found[text] = (min(xs), min(ys), max(xs), max(ys))
    return found


def iou(one: Rectangle, other: Rectangle) -> float:
    common = intersection_area(one, other)
    return common / (area(one) + area(other) - common)


def turned(box: Box, angle: int, width: int, height: int) -> Box:
    """Where a box of an upright picture of that size lies when the picture is turned clockwise."""
    x1, y1, x2, y2 = box
    return {
        0: (x1, y1, x2, y2),
        90: (height - y2, x1, height - y1, x2),
        180: (width - x2, height - y2, width - x1, height - y1),
        270: (y1, width - x2, y2, width - x1),
    }[angle]


def test_any_script_is_found_as_it_was_read() -> None:
    made = searchable(drawn_page(), page(1190, 1684, block(WORDS)))
    assert text_of(made) == " ".join(WORDS)


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_words_stand_where_they_were_read(rotate: int, angle: int) -> None:
    """Pages with a crop box that begins somewhere, shown turned, whose picture was turned back before it was read."""
    with pikepdf.open(io.BytesIO(drawn_page())) as pdf:
        pdf.pages[0].cropbox = pikepdf.Array([100, 150, 500, 700])
        pdf.pages[0].Rotate = rotate
        data = io.BytesIO()
        pdf.save(data)
    shown = (400, 550) if rotate in (0, 180) else (550, 400)
    upright = shown if angle in (0, 180) else shown[::-1]
    width, height = upright[0] * SCALE, upright[1] * SCALE
    words: dict[str, Box] = {"first": (60, 80, 130, 100), "second": (140, 80, 230, 100)}
    made = searchable(data.getvalue(), page(width, height, block(words), angle=angle))
    for text, box in boxes_of(made, list(words)).items():
        assert iou(box, turned(words[text], angle, width, height)) > 0.9, text


def test_pages_look_as_before() -> None:
    data = drawn_page("A line that shows")
    made = searchable(data, page(1190, 1684, block(WORDS)))
    assert np.array_equal(pixels_of(made), pixels_of(data))


def test_an_old_invisible_layer_gives_way() -> None:
    data = drawn_page("Wr0ng 0ld layer", mode=3)
    made = searchable(data, page(1190, 1684, block({"right": (144, 220, 220, 244)})))
    assert text_of(made) == "right"
    assert np.array_equal(pixels_of(made), pixels_of(data))


def test_an_old_layer_in_a_form_gives_way() -> None:
    """As OCRmyPDF writes it: the page draws a form that holds the text."""
    with pikepdf.open(io.BytesIO(drawn_page())) as pdf:
        font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        form = pikepdf.Stream(pdf, b"BT 3 Tr /F1 12 Tf 72 700 Td (hidden before) Tj ET")
        form.Type, form.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        form.BBox = pikepdf.Array([0, 0, 595, 842])
        form.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        name = pdf.pages[0].add_resource(form, pikepdf.Name.XObject)
        pdf.pages[0].contents_add(f"{name} Do".encode())
        data = io.BytesIO()
        pdf.save(data)
    assert "hidden before" in text_of(data.getvalue())
    made = searchable(data.getvalue(), page(1190, 1684, block({"now": (144, 220, 220, 244)})))
    assert text_of(made) == "now"


def test_text_that_shows_is_not_written_twice() -> None:
    data = drawn_page("An invoice of ten lines", "and of two pages")
    lines = [
        TextLine(text="An invoice of ten 1ines", bbox=(140, 215, 420, 250), source="engine"),
        TextLine(text="and of two pages", bbox=(140, 275, 420, 310), source="text_layer"),
        TextLine(text="Stamped in a picture", bbox=(140, 900, 420, 940), source="engine"),
    ]
    made = searchable(data, page(1190, 1684, block({"x": (140, 215, 420, 940)}, lines=lines)))
    assert sorted(text_of(made).split("\n")) == ["An invoice of ten lines", "Stamped in a picture", "and of two pages"]


def test_text_without_places_is_found_within_its_block() -> None:
    where = (100, 200, 500, 300)
    unplaced = block({"x": where}, lines=None, content="first row\nsecond row")
    made = searchable(drawn_page(), page(1190, 1684, unplaced))
    assert text_of(made) == "first row\nsecond row"
    for box in boxes_of(made, ["first", "second"]).values():
        assert intersection_area(box, where) > 0.95 * area(box)


def test_text_from_top_to_bottom_is_marked_so() -> None:
    upright: Box = (100, 100, 130, 400)
    made = searchable(drawn_page(), page(1190, 1684, block({"Randnotiz": upright})))
    assert iou(boxes_of(made, ["Randnotiz"])["Randnotiz"], upright) > 0.9


def test_selected_pages_only() -> None:
    with pikepdf.Pdf.new() as pdf:
        for text in ("one", "two", "three"):
            with pikepdf.open(io.BytesIO(drawn_page(text))) as single:
                pdf.pages.extend(single.pages)
        data = io.BytesIO()
        pdf.save(data)
    made = searchable(data.getvalue(), page(1190, 1684, page=2), page(1190, 1684, page=3))
    document = pdfium.PdfDocument(made)
    assert [one.get_textpage().get_text_range().strip() for one in document] == ["two", "three"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_picture_becomes_a_page_with_its_own_pixels(kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (120, 200, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, kind)
    read = page(200, 120, block({"word": (20, 20, 80, 40)}), dpi=100)
    made = searchable(data.getvalue(), read, media_type=f"image/{kind.lower()}")
    assert text_of(made) == "word"
    with pikepdf.open(io.BytesIO(made)) as pdf:
        assert [float(side) for side in pdf.pages[0].mediabox] == [0, 0, 144, 86.4]
        [picture] = pdf.pages[0].get_images().values()
        assert isinstance(picture, pikepdf.Stream)
        shown = np.asarray(pikepdf.PdfImage(picture).as_pil_image().convert("RGB"))
    with Image.open(data) as image:
        assert np.array_equal(shown, np.asarray(image.convert("RGB")))


def test_forms_that_draw_each_other_come_to_an_end() -> None:
    with pikepdf.open(io.BytesIO(drawn_page())) as pdf:
        one, other = (pikepdf.Stream(pdf, b"BT 3 Tr (x) Tj ET /Other Do") for _ in range(2))
        for form, drawn in ((one, other), (other, one)):
            form.Subtype, form.BBox = pikepdf.Name.Form, pikepdf.Array([0, 0, 595, 842])
            form.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Other=pdf.make_indirect(drawn)))
        pdf.pages[0].add_resource(pdf.make_indirect(one), pikepdf.Name.XObject)
        data = io.BytesIO()
        pdf.save(data)
    made = searchable(data.getvalue(), page(1190, 1684, block({"here": (144, 220, 220, 244)})))
    assert text_of(made) == "here"


def test_a_page_whose_angle_is_no_number_is_refused_in_words() -> None:
    with pikepdf.open(io.BytesIO(drawn_page())) as pdf:
        pdf.pages[0].Rotate = pikepdf.Name.Sideways
        data = io.BytesIO()
        pdf.save(data)
    with pytest.raises(ServiceError) as raised:
        searchable(data.getvalue(), page(1190, 1684, block(WORDS)))
    assert raised.value.code == "format_failed"


def test_what_is_no_pdf_after_all_is_refused() -> None:
    with pytest.raises(ServiceError) as raised:
        searchable(b"%PDF-1.7\nnothing else", page(100, 100))
    assert raised.value.code == "format_failed"
