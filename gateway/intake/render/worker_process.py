"""The gateway's side of one render worker process: starts it, talks to it, ends it. Blocks; runs in threads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NamedTuple, cast

import numpy as np

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.model import PageImage, Pixels
from gateway.workers import messages
from gateway.workers.messages import Header, ProtocolError

_PACKAGE_ROOT = Path(__file__).resolve().parents[3]
_MAX_ANSWERS = 2000
"""A worker is replaced after so many: what native decoders leak must not add up to its memory limit."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A document, and how pages are made of them. `key` is unique in the process; `dpi` concerns PDFs."""

    key: str
    content: SpooledFile
    media_type: str
    dpi: int
    max_pixels: int


class OpenResult(NamedTuple):
    pages_total: int
    selected: tuple[int, ...]


class WorkerLost(Exception):
    """The worker ended, or was ended because it took too long, before it answered."""

    def __init__(self, reason: Literal["crash", "timeout"]) -> None:
        super().__init__(reason)
        self.reason = reason


class WorkerProcess:
    """One worker. Not for two threads at once, except `kill` and `alive`."""

    def __init__(self, memory_mb: int) -> None:
        self.last_key: str | None = None  # of the document that it served last, which it has open
        self._answers = 0
        self._out_of_memory = False
        self._channel, its_end = socket.socketpair()
        with its_end:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gateway.intake.render.worker", str(memory_mb)],
                stdin=its_end.fileno(),
                stdout=subprocess.PIPE,
                env=_build_environment(),
                start_new_session=True,  # a terminal's Ctrl-C goes to the gateway alone
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def needs_restart(self) -> bool:
        return self._out_of_memory or self._answers >= _MAX_ANSWERS

    def wait_ready(self) -> None:
        """Returns when the worker is ready. Raises WorkerLost."""
        self._receive()

    def open(self, file: SourceFile, pages: str | None, max_pages: int) -> OpenResult:
        """Raises ServiceError, WorkerLost."""
        answer = self._request(file, {"op": "open", "pages": pages, "max_pages": max_pages})
        return OpenResult(int(answer["pages_total"]), tuple(map(int, answer["selected"])))

    def page(self, file: SourceFile, number: int) -> PageImage:
        """Raises ServiceError, WorkerLost."""
        answer = self._request(file, {"op": "page", "number": number})
        return PageImage(number, self._read_pixels(answer, file.max_pixels), answer["dpi"])

    def kill(self) -> None:
        """Ends whatever a thread is waiting for here."""
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._channel.close()
        self._stdout.close()

    @property
    def _stdout(self) -> IO[bytes]:
        return cast(IO[bytes], self._process.stdout)

    def _request(self, file: SourceFile, operation: Header) -> Header:
        """Sends the document with every request: a worker that has it open does not open it again."""
        document = {"key": file.key, "media_type": file.media_type, "dpi": file.dpi, "max_pixels": file.max_pixels}
        with file.content.open_fd() as descriptor:
            try:
                messages.send_request(self._channel, {**operation, **document}, descriptor)
            except OSError as error:
                raise self._give_up() from error
        answer = self._receive()
        self._answers += 1
        failure = answer.get("error")
        if failure:
            self._out_of_memory = failure["code"] == "out_of_memory"
            raise ServiceError(failure["status"], failure["code"], failure["detail"])
        return answer

    def _receive(self) -> Header:
        try:
            return messages.receive(self._stdout)
        except (OSError, ProtocolError) as error:
            raise self._give_up() from error

    def _read_pixels(self, answer: Header, max_pixels: int) -> Pixels:
        width, height = int(answer["width"]), int(answer["height"])
        if not (width > 0 and height > 0 and width * height <= max_pixels):
            raise self._give_up()  # no decoder of ours says so: the worker is no longer ours
        pixels = np.empty((height, width, 3), np.uint8)
        if self._stdout.readinto(pixels.data.cast("B")) != pixels.nbytes:  # type: ignore[attr-defined]  # BufferedReader
            raise self._give_up()
        return pixels

    def _give_up(self) -> WorkerLost:
        """After a broken exchange nothing more that the worker says can be matched to a question."""
        self._process.kill()
        self._process.wait()
        return WorkerLost("crash")


def _build_environment() -> dict[str, str]:
    """As little as Python needs to start: a hostile file has no use for our keys."""
    inherited = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    passed = {name: os.environ[name] for name in inherited if name in os.environ}
    # One heap: each further one reserves 64 MB of the address space that is limited.
    path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
    return {**passed, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "1"}
