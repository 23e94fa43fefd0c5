"""Files that the intake tests feed in, made on the spot."""

from __future__ import annotations

import base64
import io
import os
import struct
import zlib

from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from gateway.intake.render.page_source import FileView
from gateway.intake.spool import SpooledFile

RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)

HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAA"
    "AAAERAAAEAAQAAAAABoQABAAAAAAAAALwAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAA"
    "AADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkA"
    "AAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAA"
    "AAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAM"
    "RtZGF0AAAAuCgBrwngPfMi///yPzf//LDOy/vFxFezz/DPmzv1Pq//4F/6X4XSnVyHOYInMvKfy8SoPnF5sCb988AjgKkAHSj9nIUtlrvGCtWl"
    "vPp8EtIBnDHuZpNCYBZ3rDCelihCtBWkAv+JHQWfcsSTxFscvV41NJAK8BVlIrw1pzeFOW2WZaQbBEHcxUWbZFCLrE1WH6C1n/+jMdvLCGguM2"
    "pjTrp9P3fWCv2vot+apGV58c3xHV+HX389auA="
)
"""`picture(64, 48)` in a format that no package of the tests writes."""


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def picture(width: int = 40, height: int = 30) -> Image.Image:
    """Red on the left half, white on the right."""
    image = Image.new("RGB", (width, height), "white")
    image.paste(RED, (0, 0, width // 2, height))
    return image


def noise(side: int = 200) -> Image.Image:
    return Image.effect_noise((side, side), 100).convert("RGB")


def pdf(pages: int = 3, size: tuple[float, float] = (200, 100), **options: object) -> bytes:
    """Pages of `size` points, each with its number and a red square of 50 points in its lower left corner."""
    return mixed_pdf([size] * pages, **options)


def mixed_pdf(sizes: list[tuple[float, float]], **options: object) -> bytes:
    stream = io.BytesIO()
    canvas = Canvas(stream, **options)
    for number, size in enumerate(sizes, 1):
        canvas.setPageSize(size)
        canvas.setFillColorRGB(1, 0, 0)
        canvas.rect(0, 0, 50, 50, stroke=0, fill=1)
        canvas.drawString(60, 60, f"page {number}")
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def large_pdf(pages: int) -> bytes:
    """Each page draws a square, in a content stream of a megabyte."""
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(100, 100), pageCompression=0)
    for number in range(pages):
        canvas.rect(0, 0, 50, 50, fill=1)
        canvas._code.append(f"%{number}" + " " * 10**6)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header names a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    header = struct.pack("!IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def white_is_zero_tiff(values: bytes, width: int, bits: int) -> bytes:
    """An uncompressed grey TIFF of one row in which 0 is white; Pillow writes none."""
    entries = [
        (256, 3, width),
        (257, 3, 1),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, 0),
        (273, 4, 8 + 2 + 8 * 12 + 4),
        (278, 3, 1),
        (279, 4, len(values)),
    ]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + directory + struct.pack("<I", 0) + values


class _View(FileView):
    """Keeps the bytes until nothing refers to the view."""

    def __init__(self, file: SpooledFile) -> None:
        self._spooled = file
        with file.open_fd() as descriptor:
            super().__init__(os.dup(descriptor))

    def __del__(self) -> None:
        self.close()


def view(data: bytes) -> FileView:
    """Bytes as a worker gets them."""
    return _View(SpooledFile.from_bytes(data))
