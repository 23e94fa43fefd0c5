"""A document's own pages with the text that was read of them, invisible and where it stands. Those of an image file
become pages of a PDF, pixel for pixel.

Runs in conversion workers only: it parses clients' files.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from difflib import SequenceMatcher
from io import BytesIO
from typing import BinaryIO, TypeAlias

import pikepdf
import pypdfium2 as pdfium
from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream
from PIL import ExifTags, Image

from gateway.errors import ServiceError
from gateway.formats.invisible_text import GlyphlessFont, write_text_layer
from gateway.formats.placed_text import plain_lines
from gateway.intake.render.images import ImageSource
from gateway.intake.render.page_source import FileView, Raster
from gateway.intake.sniff import PDF
from gateway.model import Block, Box, PageResult

INVISIBLE = 3
"""Text render mode (PDF 1.7, table 106)."""
MIN_SAME = 0.6
"""Likeness of a line's letters to the page's own text there from which on the page has the line already."""
MAX_COMPARED = 400
"""Letters of a line that are compared."""
MAX_DEPTH = 8
"""Of forms within forms, in which old text is looked for."""
MAX_TREE_DEPTH = 64
"""Of the page tree, in which a page's angle is looked for."""
_SETS_INVISIBLE = re.compile(rb"\b3\s+Tr\b")
_SHOWS = frozenset({"Tj", "TJ", "'", '"'})
_FONT = "OcrText"
_Instruction: TypeAlias = pikepdf.ContentStreamInstruction | pikepdf.ContentStreamInlineImage
USUAL_DPI = 200
"""Of a picture that names none."""
MAX_SIDE = 14_400
"""Points of a PDF page's side, at most (PDF 1.7, annex C)."""
_POINTS_PER_INCH = 72
_JPEG = "image/jpeg"
_COLOUR_SPACES = {"L": "/DeviceGray", "RGB": "/DeviceRGB"}
_UPRIGHT = 1


def write_searchable_pdf(
    file: BinaryIO, media_type: str, password: str | None, pages: Sequence[PageResult], output: BinaryIO
) -> None:
    """Writes a PDF of the document's `pages`, in their order, unchanged but for a layer of invisible text.

    Old layers of invisible text go. What a page shows as text that says the same stays the page's own. The PDF is not
    encrypted. Raises ServiceError 422 `format_failed` for a file that can't be written anew.
    """
    try:
        with _open(file, media_type, password, pages) as pdf:
            if len(pdf.pages) != len(pages):
                raise ServiceError(422, "format_failed", "The PDF is damaged: its pages can't be told apart.")
            for page in pdf.pages:
                _remove_invisible_text(pdf, page.obj, set(), 0)
            unshown = _find_unshown(pdf, pages)
            font = GlyphlessFont()
            layers = [
                write_text_layer(result, unshown.get(index, result.blocks), _page_matrix(page, result), font, _FONT)
                for index, (page, result) in enumerate(zip(pdf.pages, pages, strict=True))
            ]
            _add_layers(pdf, layers, font)
            pdf.save(output, compress_streams=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    except (ServiceError, MemoryError):
        raise
    except Exception as error:  # whatever a client's file makes of two PDF libraries
        reason = str(error)[:200] or type(error).__name__
        raise ServiceError(422, "format_failed", f"The document can't be written as a PDF: {reason}.") from error


def _open(file: BinaryIO, media_type: str, password: str | None, pages: Sequence[PageResult]) -> Pdf:
    if media_type != PDF:
        pdf = Pdf.new()
        _add_image_pages(pdf, file, media_type, pages)
        return pdf
    pdf = Pdf.open(file, password=password or "")
    kept = {page.page - 1 for page in pages}
    for index in reversed(range(len(pdf.pages))):
        if index not in kept:
            del pdf.pages[index]
    return pdf


def _add_layers(pdf: Pdf, layers: Sequence[bytes], font: GlyphlessFont) -> None:
    if not any(layers):
        return
    built = font.build(pdf)
    for page, layer in zip(pdf.pages, layers, strict=True):
        if layer:
            page.add_resource(built, Name.Font, Name("/" + _FONT))
            # Before the page's own content, where no state of it is left over.
            page.contents_add(Stream(pdf, layer), prepend=True)


def _page_matrix(page: pikepdf.Page, result: PageResult) -> pdfium.PdfMatrix:
    """From pixels of the page image, counted from its lower left corner, to the page's own units."""
    x0, y0, x1, y1 = _visible_box(page)
    width, height = max(result.width, 1), max(result.height, 1)
    # The page is shown turned clockwise by its own angle, and its picture was turned back by the other.
    angle = (_find_rotation(page.obj) - (result.angle or 0)) % 360

    def place(x: float, y: float) -> tuple[float, float]:
        across, down = _turn_back(x / width, y / height, angle)
        return x0 + across * (x1 - x0), y1 - down * (y1 - y0)

    corner, right, top = place(0, height), place(width, height), place(0, 0)
    return pdfium.PdfMatrix(
        (right[0] - corner[0]) / width,
        (right[1] - corner[1]) / width,
        (top[0] - corner[0]) / height,
        (top[1] - corner[1]) / height,
        *corner,
    )


def _turn_back(across: float, down: float, angle: int) -> tuple[float, float]:
    """Where a point of a picture lies on what the picture shows turned clockwise; both in shares of the sides."""
    if angle == 90:
        return down, 1 - across
    if angle == 180:
        return 1 - across, 1 - down
    if angle == 270:
        return 1 - down, across
    return across, down


def _visible_box(page: pikepdf.Page) -> Box:
    """The crop box as far as it lies in the media box, which is what PDFium shows."""
    media, crop = (_sort_corners(box) for box in (page.mediabox, page.cropbox))
    x0, y0, x1, y1 = max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else media


def _sort_corners(box: Iterable[Object]) -> Box:
    x0, y0, x1, y1 = (float(side) for side in box)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _find_rotation(node: Object) -> int:
    """`/Rotate` of the page or of what it inherits from."""
    for _ in range(MAX_TREE_DEPTH):
        if "/Rotate" in node:
            return int(node.Rotate) % 360
        if "/Parent" not in node:
            break
        node = node.Parent
    return 0


def _find_unshown(pdf: Pdf, pages: Sequence[PageResult]) -> Mapping[int, list[Block]]:
    """Index of each page that shows text of its own to its blocks without the lines that it shows."""
    data = BytesIO()
    pdf.save(data)
    found = {}
    with closing(pdfium.PdfDocument(data)) as shown:
        for index, result in enumerate(pages):
            with closing(shown[index]) as page, closing(page.get_textpage()) as text:
                if text.count_chars():
                    matrix = _page_matrix(pdf.pages[index], result)
                    found[index] = _drop_shown(result, text, matrix)
    return found


def _drop_shown(result: PageResult, text: pdfium.PdfTextPage, matrix: pdfium.PdfMatrix) -> list[Block]:
    def is_shown(box: Box, words: str) -> bool:
        letters = _letters(words)
        x1, y1, x2, y2 = box
        place = matrix.on_rect(x1, result.height - y2, x2, result.height - y1)
        return bool(letters) and _likeness(letters, _letters(text.get_text_bounded(*place))) >= MIN_SAME

    blocks = []
    for block in result.blocks:
        if block.lines is None:
            if not is_shown(block.bbox, " ".join(plain_lines(block))):
                blocks.append(block)
        else:
            lines = [line for line in block.lines if line.source != "text_layer" and not is_shown(line.bbox, line.text)]
            blocks.append(block.model_copy(update={"lines": lines}))
    return blocks


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))[:MAX_COMPARED]


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _remove_invisible_text(pdf: Pdf, holder: Object, seen: set[tuple[int, int]], depth: int) -> None:
    """Takes invisible text out of a page or a form, and of the forms that it may draw."""
    if depth > MAX_DEPTH:
        return
    content = holder.get("/Contents") if depth == 0 else holder
    if content is not None and _SETS_INVISIBLE.search(_read(content)):
        cleaned = pikepdf.unparse_content_stream(_drop_invisible(pikepdf.parse_content_stream(holder)))
        if depth == 0:
            holder.Contents = Stream(pdf, cleaned)
        else:
            holder.write(cleaned)
    forms = holder.get("/Resources", Dictionary()).get("/XObject", Dictionary())
    for form in forms.values():
        if isinstance(form, Stream) and form.get("/Subtype") == Name.Form and form.objgen not in seen:
            seen.add(form.objgen)
            _remove_invisible_text(pdf, form, seen, depth + 1)


def _read(content: Object) -> bytes:
    parts = content if isinstance(content, Array) else [content]
    return b"\n".join(part.read_bytes() for part in parts if isinstance(part, Stream))


def _drop_invisible(instructions: Sequence[_Instruction]) -> list[_Instruction]:
    """The instructions without what shows text in text objects whose text is all invisible: what those set for later
    text stays."""
    result: list[_Instruction] = []
    modes, start, is_mixed = [0], None, False
    for instruction in instructions:
        operator = str(instruction.operator)
        if operator == "q":
            modes.append(modes[-1])
        elif operator == "Q" and len(modes) > 1:
            modes.pop()
        elif operator == "Tr" and instruction.operands:
            modes[-1] = int(instruction.operands[0])
        elif operator == "BT":
            start, is_mixed = len(result), False
        elif operator in _SHOWS and modes[-1] != INVISIBLE:
            is_mixed = True
        result.append(instruction)
        if operator == "ET" and start is not None:
            if not is_mixed:
                result[start:] = [one for one in result[start:] if str(one.operator) not in _SHOWS]
            start = None
    return result


def _add_image_pages(pdf: Pdf, file: BinaryIO, media_type: str, pages: Sequence[PageResult]) -> None:
    """Adds each of the pages, as large as its resolution says; a blank one for a page that gave no pixels.

    A JPEG picture stays as it is; others are packed without loss, as the reading saw them.
    """
    jpeg = _keep_jpeg(pdf, file) if media_type == _JPEG else None
    with closing(ImageSource(FileView(os.dup(file.fileno())), media_type, _most_pixels(pages))) as source:
        for page in pages:
            if not page.width:
                pdf.add_blank_page()
                continue
            picture = jpeg or _pack(pdf, source.page(page.page))
            width, height = int(picture.Width), int(picture.Height)
            scale = min(_POINTS_PER_INCH / (page.dpi or USUAL_DPI), MAX_SIDE / max(width, height))
            _add_page(pdf, picture, width * scale, height * scale)


def _most_pixels(pages: Iterable[PageResult]) -> int:
    """These pages were decoded before, so they are no larger than they said."""
    return max([1, *(page.width * page.height for page in pages)])


def _keep_jpeg(pdf: Pdf, file: BinaryIO) -> Stream | None:
    """The file itself as a picture of a PDF, where viewers show it as the reading saw it."""
    file.seek(0)
    with Image.open(file, formats=["JPEG"]) as image:
        is_upright = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT
        mode, (width, height) = image.mode, image.size
    if mode not in _COLOUR_SPACES or not is_upright:
        return None
    file.seek(0)
    return _picture(pdf, file.read(), width, height, mode, "/DCTDecode")


def _pack(pdf: Pdf, raster: Raster) -> Stream:
    packer = zlib.compressobj()
    pieces = [packer.compress(strip) for strip in raster.strips]
    return _picture(pdf, b"".join([*pieces, packer.flush()]), raster.width, raster.height, "RGB", "/FlateDecode")


def _picture(pdf: Pdf, data: bytes, width: int, height: int, mode: str, packing: str) -> Stream:
    return Stream(
        pdf,
        data,
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=width,
        Height=height,
        ColorSpace=Name(_COLOUR_SPACES[mode]),
        BitsPerComponent=8,
        Filter=Name(packing),
    )


def _add_page(pdf: Pdf, picture: Stream, width: float, height: float) -> None:
    page = pdf.add_blank_page(page_size=(width, height))
    page.Resources = Dictionary(XObject=Dictionary(Page=pdf.make_indirect(picture)))
    page.Contents = Stream(pdf, f"q {width:.4f} 0 0 {height:.4f} 0 0 cm /Page Do Q".encode())
