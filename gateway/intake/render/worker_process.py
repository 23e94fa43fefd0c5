"""The gateway's side of one render worker process: starts it, talks to it, ends it. Blocks; runs in threads."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from gateway.intake.render.page_source import BACKGROUND_ROWS, CHARACTER
from gateway.intake.spool import SpooledFile
from gateway.model import PageImage, Pixels
from gateway.reading_options import OWN_NAMES, OptionNames
from gateway.text_layer.characters import TextLayer, unpack_characters
from gateway.text_layer.ink import InkFinder
from gateway.workers import messages
from gateway.workers.messages import Header, ProtocolError
from gateway.workers.process import ChildProcess, worker_command, worker_environment

_MAX_ANSWERS = 2000
"""A worker is replaced after so many: what native decoders leak must not add up to its memory limit."""

_MAX_LAYER = 4 * 2**20
"""Bytes of a text layer's characters: three times what a worker gives."""


@dataclass(slots=True)
class CpuTime:
    """What workers have spent on a document, in seconds."""

    spent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A document, and how pages are made of them. `key` is unique in the process; `dpi`,
    `password` and `has_layer`, whether its pages come with their text layers, concern PDFs. `names`: how a refusal
    names the options."""

    key: str
    content: SpooledFile
    media_type: str
    dpi: int
    max_pixels: int
    password: str | None = field(default=None, repr=False)
    has_layer: bool = False
    names: OptionNames = OWN_NAMES
    cpu: CpuTime = field(default_factory=CpuTime)


class OpenResult(NamedTuple):
    pages_total: int
    selected: tuple[int, ...]


class WorkerLost(Exception):
    """The worker ended, or was ended because it took too long, before it answered."""

    def __init__(self, reason: Literal["crash", "timeout"]) -> None:
        super().__init__(reason)
        self.reason = reason


class WorkerProcess(ChildProcess):
    """One render worker."""

    def __init__(self, memory_mb: int, font_dir: Path) -> None:
        self.last_key: str | None = None  # of the document that it served last, which it has open
        self._answers = 0
        self._out_of_memory = False
        command = worker_command("gateway.intake.render.worker", str(memory_mb), str(font_dir))
        super().__init__(command, worker_environment())

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
        pixels = self._read_pixels(answer, file.max_pixels)
        return PageImage(
            number,
            pixels,
            answer["dpi"],
            warnings=tuple(map(str, answer["warnings"])),
            is_partial=bool(answer["is_partial"]),
            text_angle=answer["text_angle"],
            layer=self._read_layer(answer["layer"], pixels) if answer["layer"] else None,
        )

    def _request(self, file: SourceFile, operation: Header) -> Header:
        """Sends the document with every request: a worker that has it open does not open it again."""
        document = {"key": file.key, "media_type": file.media_type, "dpi": file.dpi, "max_pixels": file.max_pixels}
        document.update(password=file.password, has_layer=file.has_layer, names=asdict(file.names))
        with file.content.open_fd() as descriptor:
            try:
                messages.send_request(self._channel, {**operation, **document}, descriptor)
            except OSError as error:
                raise self._give_up() from error
        answer = self._receive()
        self._answers += 1
        file.cpu.spent_s += float(answer["cpu_s"])
        failure = answer.get("error")
        if failure:
            self._out_of_memory = failure["code"] == "out_of_memory"
            raise messages.unpack_error(failure)
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

    def _read_layer(self, header: Header, pixels: Pixels) -> TextLayer:
        size, strips = int(header["bytes"]), list(map(int, header["strips"]))
        height, width = pixels.shape[:2]
        if not 0 < size <= _MAX_LAYER or size % CHARACTER.size or len(strips) != -(-height // BACKGROUND_ROWS):
            raise self._give_up()
        finder = InkFinder(pixels)
        try:
            for top, count in zip(range(0, height, BACKGROUND_ROWS), strips, strict=True):
                if count not in (3, min(BACKGROUND_ROWS, height - top) * width * 3):
                    raise self._give_up()
                finder.add_strip(messages.read_bytes(self._stdout, count))
            characters = messages.read_bytes(self._stdout, size)
        except ProtocolError as error:
            raise self._give_up() from error
        fonts = tuple(map(str, header["fonts"]))
        return TextLayer(
            fonts or ("none",), unpack_characters(fonts, characters), finder.ink, *finder.find_background()
        )

    def _give_up(self) -> WorkerLost:
        """After a broken exchange nothing more that the worker says can be matched to a question."""
        self._process.kill()
        self._process.wait()
        return WorkerLost("crash")
