"""A render worker process: `python -m gateway.intake.worker <memory_mb>`.

Requests come on stdin, which is a socket, as files come by their descriptors; answers go to stdout. Each request gets
one answer (`gateway.intake.frames`), in turn. `open` and `load` bring a file, `page` asks for a page of it, `forget`
frees files. The worker keeps the last files that it was given; asked for one it no longer holds, it answers `unknown`
and is given it again. It trusts its limits and its parent's clock to end what goes wrong.
"""

from __future__ import annotations

import logging
import socket
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
from gateway.intake.view import FileView

_MAX_FILES = 16

Answer = tuple[Header, Raster | None]


class Shelf:
    """The opened files, latest used last: _MAX_FILES at most."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, PageSource] = OrderedDict()

    def make_room(self) -> None:
        """For one more file."""
        for source in self._sources.values():
            source.trim()
        while len(self._sources) >= _MAX_FILES:
            self._sources.popitem(last=False)[1].close()

    def put(self, key: str, source: PageSource) -> None:
        self.remove(key)
        self._sources[key] = source

    def get(self, key: str) -> PageSource | None:
        if key not in self._sources:
            return None
        self._sources.move_to_end(key)
        return self._sources[key]

    def remove(self, key: str) -> None:
        if key in self._sources:
            self._sources.pop(key).close()


def main() -> None:
    sandbox.ignore_interrupts()
    sandbox.go_behind()
    requests, answers = sandbox.private_ends()
    sandbox.die_with_parent(requests.fileno())
    warnings.simplefilter("ignore")
    logging.disable()
    sandbox.confine(memory_mb=int(sys.argv[1]))
    frames.send(answers, {"ready": True})
    sandbox.silence(2)  # from here on errors travel in answers; what native decoders print about hostile files is noise
    shelf = Shelf()
    while True:
        serve(requests, answers, shelf)


def serve(requests: socket.socket, answers: IO[bytes], shelf: Shelf) -> None:
    """One request. A page's pixels live no longer than this call."""
    header, raster = answer(*frames.asked(requests), shelf)
    frames.send(answers, header, raster.strips if raster else ())


def answer(request: Header, descriptor: int | None, shelf: Shelf) -> Answer:
    """Never raises for what a file does to its decoder."""
    file = FileView(descriptor) if descriptor is not None else None
    try:
        return _OPERATIONS[request["op"]](request, file, shelf)
    except ServiceError as error:
        return _failure(error.status, error.code, error.detail), None
    except MemoryError:
        return _failure(413, "out_of_memory", "The document needs more memory than the service gives it."), None
    except Exception as error:
        return _failure(422, "unreadable_document", f"The document can't be read ({type(error).__name__})."), None


def _open(request: Header, file: FileView | None, shelf: Shelf) -> Answer:
    source = _make_source(request, file, shelf)
    try:
        selected = select_pages(request["pages"], source.pages_total)
        _check_count(len(selected), source.pages_total, request["max_pages"])
        source.probe(selected)
    except BaseException:
        source.close()
        raise
    shelf.put(request["key"], source)
    return {"pages_total": source.pages_total, "selected": selected}, None


def _load(request: Header, file: FileView | None, shelf: Shelf) -> Answer:
    shelf.put(request["key"], _make_source(request, file, shelf))
    return {}, None


def _page(request: Header, _: FileView | None, shelf: Shelf) -> Answer:
    source = shelf.get(request["key"])
    if source is None:
        return {"unknown": True}, None
    raster = source.page(request["number"])
    return {"width": raster.width, "height": raster.height, "dpi": raster.dpi}, raster


def _forget(request: Header, _: FileView | None, shelf: Shelf) -> Answer:
    for key in request["keys"]:
        shelf.remove(key)
    return {}, None


_OPERATIONS: dict[str, Callable[[Header, FileView | None, Shelf], Answer]] = {
    "open": _open,
    "load": _load,
    "page": _page,
    "forget": _forget,
}


def _make_source(request: Header, file: FileView | None, shelf: Shelf) -> PageSource:
    if file is None:
        raise ValueError("no file came with the request")
    shelf.make_room()
    if request["media_type"] == PDF:
        return PdfSource(file, request["dpi"], request["max_pixels"])
    return ImageSource(file, request["media_type"], request["max_pixels"])


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


if __name__ == "__main__":
    try:
        main()
    except frames.BrokenFrame:
        sys.exit(0)  # the gateway has gone
