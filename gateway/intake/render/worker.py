"""A render worker process: `python -m gateway.intake.render.worker <memory_mb> <font_dir>`.

Requests come on stdin, which is a socket, for each brings its document's descriptor; answers go to stdout, one for each
request, in turn (`messages`). `open` asks what pages a document has, `page` for one of them. The worker keeps the files
that it used last open. It trusts its limits and its parent's clock to end what goes wrong.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from gateway.errors import ServiceError
from gateway.intake.page_ranges import select_pages
from gateway.intake.render.fonts import font_folders
from gateway.intake.render.images import ImageSource
from gateway.intake.render.page_source import FileView, LayerData, PageSource, Raster
from gateway.intake.render.pdf import PdfSource
from gateway.intake.render.pdf_fonts import install_fonts
from gateway.intake.sniff import PDF
from gateway.reading_options import OptionNames
from gateway.workers import messages, sandbox
from gateway.workers.messages import Header

_MAX_OPEN_FILES = 16

Answer = tuple[Header, Raster | None]


class OpenFileCache:
    """Opened files by their keys, the latest used last; `_MAX_OPEN_FILES` at most. One that was deleted is closed when
    the next is opened: until then its bytes take the disk."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, PageSource] = OrderedDict()
        self._files: dict[str, FileView] = {}

    def get(self, request: Header, descriptor: int) -> PageSource:
        """The request's document, opened unless it is still open. Takes the descriptor over."""
        key = request["key"]
        if key in self._sources:
            os.close(descriptor)
            self._sources.move_to_end(key)
        else:
            file = FileView(descriptor)
            self._make_room()
            self._sources[key] = _open_source(request, file)
            self._files[key] = file
        return self._sources[key]

    def discard(self, key: str) -> None:
        del self._files[key]
        self._sources.pop(key).close()

    def _make_room(self) -> None:
        for key in [key for key, file in self._files.items() if file.is_deleted]:
            self.discard(key)
        for source in self._sources.values():
            source.trim()
        while len(self._sources) >= _MAX_OPEN_FILES:
            self.discard(next(iter(self._sources)))


def main() -> None:
    requests, answers = sandbox.start_worker()
    sandbox.confine(memory_mb=int(sys.argv[1]))
    install_fonts(font_folders(Path(sys.argv[2])))
    messages.send(answers, {"ready": True})
    sandbox.silence(2)  # from here on errors travel in answers; what native decoders print about hostile files is noise
    cache = OpenFileCache()
    while True:
        serve(requests, answers, cache)


def serve(requests: socket.socket, answers: IO[bytes], cache: OpenFileCache) -> None:
    """Answers one request. A page's pixels live no longer than this call."""
    request, descriptor = messages.receive_request(requests)
    began = time.process_time()
    header, raster = answer(request, descriptor, cache)
    header["cpu_s"] = time.process_time() - began
    messages.send(answers, header, _list_chunks(raster) if raster else ())


def _list_chunks(raster: Raster) -> Iterator[bytes | memoryview]:
    yield from raster.strips
    if raster.layer:
        yield from raster.layer.background
        yield raster.layer.characters


def answer(request: Header, descriptor: int, cache: OpenFileCache) -> Answer:
    """Never raises for what a file does to its decoder."""
    try:
        return _OPERATIONS[request["op"]](request, descriptor, cache)
    except ServiceError as error:
        return {"error": messages.pack_error(error)}, None
    except MemoryError:
        return _failure(413, "out_of_memory", "The document needs more memory than the service gives it."), None
    except Exception as error:
        return _failure(422, "unreadable_document", f"The document can't be read ({type(error).__name__})."), None


def _open(request: Header, descriptor: int, cache: OpenFileCache) -> Answer:
    source, names = cache.get(request, descriptor), OptionNames(**request["names"])
    try:
        selected = select_pages(request["pages"], source.pages_total, names)
        _check_count(len(selected), source.pages_total, request["max_pages"], names)
        source.probe(selected)
    except BaseException:
        cache.discard(request["key"])
        raise
    return {"pages_total": source.pages_total, "selected": selected}, None


def _render_page(request: Header, descriptor: int, cache: OpenFileCache) -> Answer:
    raster = cache.get(request, descriptor).page(request["number"])
    told: Header = {"warnings": raster.warnings, "is_partial": raster.is_partial, "text_angle": raster.text_angle}
    layer = raster.layer
    told["layer"] = _describe_layer(layer) if layer else None
    return {"width": raster.width, "height": raster.height, "dpi": raster.dpi, **told}, raster


def _describe_layer(layer: LayerData) -> Header:
    return {
        "fonts": layer.fonts,
        "bytes": len(layer.characters),
        "strips": [len(strip) for strip in layer.background],
    }


_OPERATIONS: dict[str, Callable[[Header, int, OpenFileCache], Answer]] = {"open": _open, "page": _render_page}


def _open_source(request: Header, file: FileView) -> PageSource:
    if request["media_type"] == PDF:
        has_layer, names = request["has_layer"], OptionNames(**request["names"])
        return PdfSource(
            file, request["dpi"], request["max_pixels"], request["password"], has_layer=has_layer, names=names
        )
    return ImageSource(file, request["media_type"], request["max_pixels"])


def _check_count(selected: int, pages_total: int, max_pages: int, names: OptionNames) -> None:
    if selected > max_pages:
        remedy = f"; `{names.pages}` can ask for fewer" if names.pages else ""
        asked = f"{selected} of the file's {pages_total} pages are asked for"
        raise ServiceError(413, "too_many_pages", f"{asked}, the limit is {max_pages}{remedy}.")


def _failure(status: int, code: str, detail: str) -> Header:
    return {"error": messages.pack_error(ServiceError(status, code, detail))}


if __name__ == "__main__":
    try:
        main()
    except messages.ProtocolError:
        sys.exit(0)  # the gateway has gone
