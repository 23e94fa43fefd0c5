"""What one caller's hostile requests cost another: `python -m benchmarks.fairness --url URL`.

The service runs with two keys, `API_KEYS=hostile,polite`. A polite caller reads one page after the other, first alone
and then beside 64 requests of each kind by a hostile one; printed is how much longer its pages take.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import statistics
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

HOSTILE_REQUESTS = 64
ANSWER_TIMEOUT_S = 600.0
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


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile request; `send` returns when it is over."""

    name: str
    send: Callable[[httpx.AsyncClient], Awaitable[object]]


async def trickle() -> AsyncIterator[bytes]:
    """A body that is there in an hour."""
    yield b"\x89PNG\r\n\x1a\n"
    while True:
        await asyncio.sleep(1)
        yield bytes(1500)


def attacks() -> list[Attack]:
    """One of each kind that holds something for long: places, decoding, drawing, layout with recognition."""

    def post(data: bytes, **options: str) -> Callable[[httpx.AsyncClient], Awaitable[object]]:
        return lambda client: client.post("/ocr", files={"file": data}, data=options)

    def slow_upload(client: httpx.AsyncClient) -> Awaitable[object]:
        return client.post("/ocr", content=trickle(), headers={"Content-Type": "image/png"})

    crowded = crowded_page()
    return [
        Attack("slow uploads", slow_upload),
        Attack("JPEG of many scans", post(scan_bomb())),
        Attack("PDF of shadings", post(shading_bomb())),
        Attack("crowded page", post(crowded)),
        Attack("crowded crop", post(crowded, task="text")),
    ]


async def read_page(client: httpx.AsyncClient, page: bytes) -> float:
    """Seconds that a page takes. Raises ValueError for any answer but 200."""
    began = time.perf_counter()
    answer = await client.post("/ocr", files={"file": page}, data={"images": "none"})
    if answer.status_code != 200:
        raise ValueError(f"the polite caller was answered {answer.status_code}: {answer.text[:200]}")
    return time.perf_counter() - began


async def read_pages(client: httpx.AsyncClient, page: bytes, count: int) -> list[float]:
    return [await read_page(client, page) for _ in range(count)]


async def attack_always(client: httpx.AsyncClient, attack: Attack) -> None:
    """Sends the request again as soon as it is over."""
    while True:
        with suppress(httpx.HTTPError):
            await attack.send(client)
        await asyncio.sleep(0.2)


async def measure(url: str, page: bytes, count: int, names: Sequence[str]) -> None:
    polite = httpx.AsyncClient(base_url=url, headers=_key("polite"), timeout=ANSWER_TIMEOUT_S)
    limits = httpx.Limits(max_connections=None)
    async with polite:
        await read_pages(polite, page, 2)
        quiet = await read_pages(polite, page, count)
        print(f"alone: median {statistics.median(quiet):.2f} s, longest {max(quiet):.2f} s")
        for attack in attacks():
            if names and attack.name not in names:
                continue
            async with httpx.AsyncClient(
                base_url=url, headers=_key("hostile"), timeout=ANSWER_TIMEOUT_S, limits=limits
            ) as hostile:
                tasks = [asyncio.create_task(attack_always(hostile, attack)) for _ in range(HOSTILE_REQUESTS)]
                await asyncio.sleep(3)
                beside = await read_pages(polite, page, count)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            median = statistics.median(beside)
            ratio = median / statistics.median(quiet)
            print(f"{attack.name}: median {median:.2f} s, longest {max(beside):.2f} s, {ratio:.2f} times", flush=True)
            await asyncio.sleep(35)  # what the hostile requests have left in render workers ends meanwhile


def _key(name: str) -> Mapping[str, str]:
    return {"X-API-Key": name}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8081")
    parser.add_argument("--page", type=Path, default=Path("examples/article-en.png"))
    parser.add_argument("--pages", type=int, default=7, help="pages that the polite caller reads beside each attack")
    parser.add_argument("--attack", action="append", default=[], help="only this kind")
    options = parser.parse_args()
    asyncio.run(measure(options.url, options.page.read_bytes(), options.pages, options.attack))


if __name__ == "__main__":
    main()
