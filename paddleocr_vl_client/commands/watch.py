"""`paddleocr-vl watch`: reads what is in a folder, and what comes into it, until it is interrupted."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from watchfiles import watch

from paddleocr_vl_client.commands.failures import CommandError, ExitStatus, say
from paddleocr_vl_client.commands.inputs import (
    Input,
    add_read_arguments,
    check_output,
    check_parallel,
    find_documents,
    parse_read_options,
)
from paddleocr_vl_client.commands.progress import Progress
from paddleocr_vl_client.commands.read import add_work_arguments, read_inputs
from paddleocr_vl_client.commands.reading import Reader, Reading
from paddleocr_vl_client.commands.services import add_service_arguments, open_client

_QUIET_S = 1.0
"""A file that was written to more lately may not be whole yet. One from the future comes from another clock."""
_LOOK_MS = 1000
_FIRST_RETRY_S, _LAST_RETRY_S = 30.0, 3600.0
"""Pauses before a document is read again whose failure may pass by itself: the service was away or busy."""


class Backlog:
    """Documents that were looked at, by the time of their last change, and those that are tried again."""

    def __init__(self) -> None:
        self._changed: dict[Path, float] = {}
        self._due: dict[Path, float] = {}
        self._pause_s: dict[Path, float] = {}

    def has(self, file: Path, changed: float) -> bool:
        """Whether the document need not be read now."""
        if self._changed.get(file) != changed:
            return False
        return time.monotonic() < self._due.get(file, math.inf)

    def add(self, file: Path, changed: float) -> None:
        if self._changed.get(file) != changed:
            self._pause_s.pop(file, None)
        self._changed[file] = changed
        self._due.pop(file, None)

    def retry(self, file: Path) -> None:
        """Later, after pauses that double."""
        pause_s = self._pause_s.get(file, _FIRST_RETRY_S)
        self._due[file] = time.monotonic() + pause_s
        self._pause_s[file] = min(2 * pause_s, _LAST_RETRY_S)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder to watch, with all folders in it")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for the results")
    add_read_arguments(parser)
    add_work_arguments(parser)
    add_service_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Ends by a signal only."""
    folder: Path = options.folder
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder.", ExitStatus.USAGE)
    options.output = check_output(options.output)
    check_parallel(options.parallel)
    with open_client(options) as client:
        reader = Reader(client, options.format, parse_read_options(options), options.output, options.force)
        say(f"Watching {folder}; results go to {options.output}.")
        backlog = Backlog()
        # A tick without a change finds the files that were too fresh before.
        for _ in _ticks(folder):
            ready = _find_ready(folder, options.output, backlog)
            for file, changed in ready.items():
                backlog.add(file, changed)
            for reading in _read(reader, [_input(folder, file) for file in ready], options):
                if reading.may_pass:
                    backlog.retry(Path(reading.source))
    return ExitStatus.OK


def _ticks(folder: Path) -> Iterable[object]:
    """At once, with each change and at least each second."""
    yield None
    yield from watch(folder, rust_timeout=_LOOK_MS, yield_on_timeout=True, raise_interrupt=True)


def _find_ready(folder: Path, output: Path, backlog: Backlog) -> dict[Path, float]:
    """Documents that are new or changed and lie still, with the times of their last change."""
    now = time.time()
    times = {file: _changed(file) for file in find_documents(folder, output)}
    return {
        file: at
        for file, at in times.items()
        if at is not None and not backlog.has(file, at) and abs(now - at) >= _QUIET_S
    }


def _changed(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return None


def _input(folder: Path, file: Path) -> Input:
    return Input(str(file), file.relative_to(folder))


def _read(reader: Reader, inputs: list[Input], options: argparse.Namespace) -> Iterator[Reading]:
    if not inputs:
        return
    with Progress(len(inputs)) as progress:
        for reading in read_inputs(reader, inputs, progress, options.parallel, options.json):
            if reading.status in ("ok", "partial"):
                progress.say(f"{reading.source} → {reading.output}")
            yield reading
