"""A render worker process: `python -m gateway.intake.worker <memory_mb>`. Requests on stdin, answers on stdout.

Each request gets one answer (`gateway.intake.frames`), in turn. `open` and `load` bring a file, `page` asks for a page
of it, `forget` frees files. The worker keeps files it was given as long as they fit; asked for one it no longer holds,
it answers `unknown` and is given it again. It trusts its limits and its parent's clock to end what goes wrong.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import IO

from gateway.errors import ServiceError
from gateway.intake import frames, sandbox
from gateway.intake.frames import Header
from gateway.intake.images import ImageSource
from gateway.intake.pdf import PdfSource
from gateway.intake.raster import PageSource, Raster
from gateway.intake.selection import select_pages
from gateway.intake.sniff import PDF

_MAX_FILES = 16
_MAX_BYTES = 256 * 10**6

Answer = tuple[Header, Raster | None]


class Shelf:
    """The opened files, latest used last. Holds at most _MAX_FILES and _MAX_BYTES, but always the latest one."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, tuple[PageSource, int]] = OrderedDict()

    def make_room(self, size: int) -> None:
        """For one more file of `size` bytes."""
        for source, _ in self._sources.values():
            source.trim()
        while self._sources and (len(self._sources) >= _MAX_FILES or self._bytes() + size > _MAX_BYTES):
            self._sources.popitem(last=False)[1][0].close()

    def put(self, key: str, source: PageSource, size: int) -> None:
        self.remove(key)
        self._sources[key] = (source, size)

    def get(self, key: str) -> PageSource | None:
        if key not in self._sources:
            return None
        self._sources.move_to_end(key)
        return self._sources[key][0]

    def remove(self, key: str) -> None:
        if key in self._sources:
            self._sources.pop(key)[0].close()

    def _bytes(self) -> int:
        return sum(size for _, size in self._sources.values())


def main() -> None:
    sandbox.ignore_interrupts()
    requests, answers = _private_pipes()
    sandbox.die_with_parent(requests.fileno())
    warnings.simplefilter("ignore")
    logging.disable()
    sandbox.confine(memory_mb=int(sys.argv[1]))
    frames.send(answers, {"ready": True})
    _silence(2)  # from here on errors travel in answers; what native decoders print about hostile files is noise
    shelf = Shelf()
    while True:
        serve(requests, answers, shelf)


def serve(requests: IO[bytes], answers: IO[bytes], shelf: Shelf) -> None:
    """One request. A page's pixels live no longer than this call."""
    header, raster = answer(frames.receive(requests), requests, shelf)
    frames.send(answers, header, raster.strips if raster else ())


def answer(request: Header, stream: IO[bytes], shelf: Shelf) -> Answer:
    """Never raises for what a file does to its decoder."""
    # Read before anything can fail, so that the next request starts where it should.
    data = frames.read_bytes(stream, request.get("size", 0))
    try:
        return _OPERATIONS[request["op"]](request, data, shelf)
    except ServiceError as error:
        return _failure(error.status, error.code, error.detail), None
    except MemoryError:
        return _failure(413, "out_of_memory", "The document needs more memory than the service gives it."), None
    except Exception as error:
        return _failure(422, "unreadable_document", f"The document can't be read ({type(error).__name__})."), None


def _open(request: Header, data: bytes, shelf: Shelf) -> Answer:
    source = _make_source(request, data, shelf)
    try:
        selected = select_pages(request["pages"], source.pages_total)
        _check_count(len(selected), source.pages_total, request["max_pages"])
        source.probe(selected)
    except BaseException:
        source.close()
        raise
    shelf.put(request["key"], source, len(data))
    return {"pages_total": source.pages_total, "selected": selected}, None


def _load(request: Header, data: bytes, shelf: Shelf) -> Answer:
    shelf.put(request["key"], _make_source(request, data, shelf), len(data))
    return {}, None


def _page(request: Header, _: bytes, shelf: Shelf) -> Answer:
    source = shelf.get(request["key"])
    if source is None:
        return {"unknown": True}, None
    raster = source.page(request["number"])
    return {"width": raster.width, "height": raster.height, "dpi": raster.dpi}, raster


def _forget(request: Header, _: bytes, shelf: Shelf) -> Answer:
    for key in request["keys"]:
        shelf.remove(key)
    return {}, None


_OPERATIONS: dict[str, Callable[[Header, bytes, Shelf], Answer]] = {
    "open": _open,
    "load": _load,
    "page": _page,
    "forget": _forget,
}


def _make_source(request: Header, data: bytes, shelf: Shelf) -> PageSource:
    shelf.make_room(len(data))
    if request["media_type"] == PDF:
        return PdfSource(data, request["dpi"], request["max_pixels"])
    return ImageSource(data, request["media_type"], request["max_pixels"])


def _check_count(selected: int, pages_total: int, max_pages: int) -> None:
    if selected > max_pages:
        raise ServiceError(
            413,
            "too_many_pages",
            f"{selected} of the file's {pages_total} pages are asked for, the limit is {max_pages}; "
            "option 'pages' can ask for fewer.",
        )


def _failure(status: int, code: str, detail: str) -> Header:
    return {"error": {"status": status, "code": code, "detail": detail}}


def _private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """stdin and stdout under other numbers, so that a stray print can't get between the answers."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _silence(0)
    _silence(1)
    return requests, answers


def _silence(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)


if __name__ == "__main__":
    try:
        main()
    except frames.BrokenFrame:
        sys.exit(0)  # the gateway has gone
