"""A render worker process: `python -m gateway.intake.render.worker <memory_mb>`.

Requests come on stdin, which is a socket, for each brings its document's descriptor; answers go to stdout, one for each
request, in turn (`messages`). `open` asks what pages a document has, `page` for one of them. The worker keeps the files
that it used last open. It trusts its limits and its parent's clock to end what goes wrong.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import select
import signal
import socket
import sys
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import IO

from gateway.errors import ServiceError
from gateway.intake.page_ranges import select_pages
from gateway.intake.render import messages
from gateway.intake.render.images import ImageSource
from gateway.intake.render.messages import Header
from gateway.intake.render.page_source import FileView, PageSource, Raster
from gateway.intake.render.pdf import PdfSource
from gateway.intake.sniff import PDF

NICENESS = 5
"""A third of the share that the gateway gets when both want a core."""
_MAX_OPEN_FILES = 16
_MAX_DESCRIPTORS = 64
_PR_SET_DUMPABLE = 4  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38

Answer = tuple[Header, Raster | None]


class OpenFileCache:
    """Opened files by their keys, the latest used last; `_MAX_OPEN_FILES` at most."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, PageSource] = OrderedDict()

    def get(self, request: Header, descriptor: int) -> PageSource:
        """The request's document, opened unless it is still open. Takes the descriptor over."""
        key = request["key"]
        if key in self._sources:
            os.close(descriptor)
            self._sources.move_to_end(key)
        else:
            self._make_room()
            self._sources[key] = _open_source(request, FileView(descriptor))
        return self._sources[key]

    def discard(self, key: str) -> None:
        self._sources.pop(key).close()

    def _make_room(self) -> None:
        for source in self._sources.values():
            source.trim()
        while len(self._sources) >= _MAX_OPEN_FILES:
            self._sources.popitem(last=False)[1].close()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the gateway's business
    os.nice(NICENESS)
    requests, answers = _take_private_ends()
    _exit_with_parent(requests.fileno())
    warnings.simplefilter("ignore")
    logging.disable()
    _confine(memory_mb=int(sys.argv[1]))
    messages.send(answers, {"ready": True})
    _silence(2)  # from here on errors travel in answers; what native decoders print about hostile files is noise
    cache = OpenFileCache()
    while True:
        serve(requests, answers, cache)


def serve(requests: socket.socket, answers: IO[bytes], cache: OpenFileCache) -> None:
    """Answers one request. A page's pixels live no longer than this call."""
    header, raster = answer(*messages.receive_request(requests), cache)
    messages.send(answers, header, raster.strips if raster else ())


def answer(request: Header, descriptor: int, cache: OpenFileCache) -> Answer:
    """Never raises for what a file does to its decoder."""
    try:
        return _OPERATIONS[request["op"]](request, descriptor, cache)
    except ServiceError as error:
        return _failure(error.status, error.code, error.detail), None
    except MemoryError:
        return _failure(413, "out_of_memory", "The document needs more memory than the service gives it."), None
    except Exception as error:
        return _failure(422, "unreadable_document", f"The document can't be read ({type(error).__name__})."), None


def _open(request: Header, descriptor: int, cache: OpenFileCache) -> Answer:
    source = cache.get(request, descriptor)
    try:
        selected = select_pages(request["pages"], source.pages_total)
        _check_count(len(selected), source.pages_total, request["max_pages"])
        source.probe(selected)
    except BaseException:
        cache.discard(request["key"])
        raise
    return {"pages_total": source.pages_total, "selected": selected}, None


def _render_page(request: Header, descriptor: int, cache: OpenFileCache) -> Answer:
    raster = cache.get(request, descriptor).page(request["number"])
    return {"width": raster.width, "height": raster.height, "dpi": raster.dpi}, raster


_OPERATIONS: dict[str, Callable[[Header, int, OpenFileCache], Answer]] = {"open": _open, "page": _render_page}


def _open_source(request: Header, file: FileView) -> PageSource:
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


def _take_private_ends() -> tuple[socket.socket, IO[bytes]]:
    """stdin and stdout under other numbers, so that a stray print can't get between the answers."""
    requests, answers = socket.socket(fileno=os.dup(0)), os.fdopen(os.dup(1), "wb")
    _silence(0)
    _silence(1)
    return requests, answers


def _silence(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)


def _confine(memory_mb: int) -> None:
    """Address space, no core dumps, no file writing, few descriptors, no new privileges, memory closed to debuggers.

    Comes before the first hostile byte.
    """
    _limit(resource.RLIMIT_AS, memory_mb * 2**20)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, _MAX_DESCRIPTORS)
    libc = ctypes.CDLL(None)
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
        libc.prctl(option, value, 0, 0, 0)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _exit_with_parent(pipe: int) -> None:
    """Ends this process as soon as the other end of `pipe` is closed, whatever native code is running.

    A watching thread and not PR_SET_PDEATHSIG: that one fires when the thread that started the worker ends.
    """
    threading.Thread(target=_exit_on_hangup, args=(pipe,), daemon=True).start()


def _exit_on_hangup(pipe: int) -> None:
    poll = select.poll()
    poll.register(pipe, 0)  # POLLHUP is always reported; unread data is not waited for
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except messages.ProtocolError:
        sys.exit(0)  # the gateway has gone
