"""Hostile requests of each kind, many at once and again and again: `python -m benchmarks.hostile.attacks URL KIND`.

A process of its own, from an address of its own (127.0.0.2), so that neither its work nor its connections are those of
the polite caller who is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from PIL import Image, ImageDraw

AT_ONCE = 64
HALF_OPEN = 2000
KEY = "hostile"
ADDRESS = "127.0.0.2"
ANSWER_TIMEOUT_S = 600.0
PAUSE_S = 0.2
MEGABYTE = 1_000_000
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


def scan_bomb(side: int = 3000, scans: int = 3000) -> bytes:
    """A progressive JPEG whose last scan comes again and again: a few kB that take a decoder half a minute."""
    plain = io.BytesIO()
    Image.new("L", (side, side), 200).save(plain, "JPEG", progressive=True)
    body = plain.getvalue().removesuffix(END_OF_IMAGE)
    last = body[body.rindex(START_OF_SCAN) :]
    return body + last * scans + END_OF_IMAGE


def shading_bomb(shadings: int = 2000) -> bytes:
    """A PDF whose page is painted over and over with a colour that runs across it."""
    content = zlib.compress(b"/S sh\n" * shadings, 9)
    shading = (
        b"<< /ShadingType 3 /ColorSpace /DeviceRGB /Coords [300 400 0 300 400 600] /Extend [true true] "
        b"/Function << /FunctionType 2 /Domain [0 1] /C0 [1 0 0] /C1 [0 0 1] /N 1.7 >> >>"
    )
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
        b"/Resources << /Shading << /S 5 0 R >> >> >>"
    )
    return pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            page,
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(content), content),
            shading,
        ]
    )


def pdf_of(objects: Sequence[bytes]) -> bytes:
    """A PDF of these objects, numbered from 1, the first of them its catalogue."""
    body, places = b"%PDF-1.4\n", []
    for number, data in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, data)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return body + head + table + trailer


def crowded_page(lines: int = 400, columns: int = 8) -> bytes:
    """A PNG full of small print: thousands of lines to find and to read."""
    image = Image.new("L", (columns * 400, lines * 16), 255)
    draw = ImageDraw.Draw(image)
    for at in range(lines * columns):
        column, line = divmod(at, lines)
        draw.text((column * 400 + 10, line * 16), f"item {at} of a list that nobody wants to read", fill=0)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def large_picture() -> bytes:
    """A PNG of nearly as many pixels as are taken, in a few kB."""
    data = io.BytesIO()
    Image.new("RGB", (6600, 9000), (250, 250, 250)).save(data, "PNG")
    return data.getvalue()


def _dot() -> str:
    data = io.BytesIO()
    Image.new("L", (8, 8), 255).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


@dataclass(frozen=True, slots=True)
class Target:
    """The service, by a client of HTTP and by bare connections."""

    client: httpx.AsyncClient
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(ADDRESS, 0))


Send = Callable[[Target], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Attack:
    """`send` returns when one hostile request is over; `at_once` of them are sent again and again.

    `ends`: one request by itself is over sooner or later.
    """

    send: Send
    at_once: int = AT_ONCE
    ends: bool = True


def _document(data: bytes, **options: str) -> Send:
    return lambda target: target.client.post("/ocr", files={"file": data}, data=options)


def _json(path: str, body: bytes, timeout_s: float = ANSWER_TIMEOUT_S) -> Send:
    headers = {"Content-Type": "application/json"}
    return lambda target: target.client.post(path, content=body, headers=headers, timeout=timeout_s)


async def _trickle() -> AsyncIterator[bytes]:
    """A body that is there in an hour."""
    yield b"\x89PNG\r\n\x1a\n"
    while True:
        await asyncio.sleep(1)
        yield bytes(1500)


def _upload_slowly(target: Target) -> Awaitable[object]:
    return target.client.post("/ocr", content=_trickle(), headers={"Content-Type": "image/png"})


def _upload_fast(path: str) -> Send:
    """What is no document is refused when it is there, and kept for later all the same."""
    files = {"file": ("a.pdf", b"%PDF-1.4\n" + bytes(range(256)) * (10 * MEGABYTE // 256))}
    return lambda target: target.client.post(path, files=files, data={"purpose": "ocr"})


async def _send_chunks_of_a_byte(target: Target) -> None:
    reader, writer = await target.connect()
    head = b"POST /ocr HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"1\r\na\r\n" * 10_000
    with suppress(ConnectionError):
        writer.write(head % KEY.encode())
        for _ in range(10 * MEGABYTE // len(piece)):
            writer.write(piece)
            await writer.drain()
        await reader.read(1)
    writer.close()


async def _send_endless_head(target: Target) -> None:
    reader, writer = await target.connect()
    piece = b"".join(b"X-%06d: aaaaaaaa\r\n" % number for number in range(4000))
    with suppress(ConnectionError):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(8 * MEGABYTE // len(piece)):
            writer.write(piece)
            await writer.drain()
        await reader.read(1)
    writer.close()


async def _leave_half_open(target: Target) -> None:
    """Says one letter and waits until the service has enough of it."""
    reader, writer = await target.connect()
    with suppress(ConnectionError):
        writer.write(b"G")
        await reader.read(1)
    writer.close()


async def _come_and_go(target: Target) -> None:
    for _ in range(100):
        _, writer = await target.connect()
        writer.close()


def _table_of_spaces(count: int) -> bytes:
    block = {"block_label": "table", "block_content": f"<table>{' ' * count}</table>", "block_bbox": [0, 0, 100, 100]}
    page = {"prunedResult": {"width": 1000, "height": 1000, "parsing_res_list": [block]}}
    return json.dumps({"pages": [page, page]}).encode()


def _form_of_long_names() -> bytes:
    value = b"a" * 10 + b"-" + b"99999" + b"a" * 64_985
    parts = (
        b'--B\r\nContent-Disposition: form-data; name="f%d-"\r\n\r\n%s\r\n' % (number, value) for number in range(20)
    )
    return b"".join(parts) + b"--B--\r\n"


def _send_form(target: Target) -> Awaitable[object]:
    headers = {"Content-Type": "multipart/form-data; boundary=B; charset=punycode"}
    return target.client.post("/ocr", content=_form_of_long_names(), headers=headers)


def make_attacks() -> Mapping[str, Attack]:
    """One of each kind that takes much for little: places, decoding, drawing, reading, parsing, heads, connections."""
    crowded, dot = crowded_page(), _dot()
    options = f'{{"file":"{dot}","markdownIgnoreLabels":['.encode()
    objects = f'{{"source":{{"base64":"{dot}"}},"x":['.encode()
    return {
        "slow uploads": Attack(_upload_slowly, ends=False),
        "fast uploads": Attack(_upload_fast("/ocr")),
        "fast uploads that are kept": Attack(_upload_fast("/v1/files")),
        "chunks of one byte": Attack(_send_chunks_of_a_byte),
        "JPEG of many scans": Attack(_document(scan_bomb())),
        "PDF of shadings": Attack(_document(shading_bomb())),
        "picture of 59 megapixels": Attack(_document(large_picture())),
        "crowded page": Attack(_document(crowded)),
        "crowded crop": Attack(_document(crowded, task="text")),
        "table of spaces": Attack(_json("/restructure-pages", _table_of_spaces(4 * MEGABYTE))),
        "callers that leave": Attack(_json("/restructure-pages", _table_of_spaces(4 * MEGABYTE), timeout_s=0.5)),
        "list of errors": Attack(_json("/layout-parsing", options + b"0," * (3 * MEGABYTE // 2) + b"0]}")),
        "JSON of objects": Attack(_json("/ocr", objects + b"{}," * (3 * MEGABYTE) + b"0]}")),
        "form in Punycode": Attack(_send_form),
        "endless heads": Attack(_send_endless_head),
        "half-open connections": Attack(_leave_half_open, at_once=HALF_OPEN, ends=False),
        "connections that come and go": Attack(_come_and_go),
    }


async def _repeat(attack: Attack, target: Target) -> None:
    while True:
        with suppress(httpx.HTTPError, OSError):
            await attack.send(target)
        await asyncio.sleep(PAUSE_S)


async def run(url: str, attack: Attack, once: bool) -> None:
    transport = httpx.AsyncHTTPTransport(local_address=ADDRESS, limits=httpx.Limits(max_connections=None))
    headers = {"X-API-Key": KEY}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=ANSWER_TIMEOUT_S, transport=transport
    ) as client:
        target = Target(client, urlsplit(url).port or 80)
        if once:
            with suppress(httpx.HTTPError, OSError):
                await attack.send(target)
            return
        await asyncio.gather(*(_repeat(attack, target) for _ in range(attack.at_once)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("kind", choices=list(make_attacks()))
    parser.add_argument("--once", action="store_true", help="one request by itself")
    options = parser.parse_args()
    asyncio.run(run(options.url, make_attacks()[options.kind], options.once))


if __name__ == "__main__":
    main()
