"""`paddleocr-vl watch`: reads what is in a folder, and what comes into it, until it is interrupted."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from watchfiles import watch

from paddleocr_vl_client.commands.failures import CommandError, ExitStatus, say
from paddleocr_vl_client.commands.inputs import (
    Input,
    add_read_arguments,
    find_documents,
    parse_read_options,
)
from paddleocr_vl_client.commands.progress import Progress
from paddleocr_vl_client.commands.read import add_work_arguments, read_inputs
from paddleocr_vl_client.commands.reading import Reader
from paddleocr_vl_client.commands.services import add_service_arguments, open_client

_QUIET_S = 1.0
"""A file that was written to more lately may not be whole yet."""
_LOOK_MS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder to watch, with all folders in it")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_read_arguments(parser)
    add_work_arguments(parser)
    add_service_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Ends by a signal only."""
    folder: Path = options.folder
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder.", ExitStatus.USAGE)
    with open_client(options) as client:
        reader = Reader(client, options.format, parse_read_options(options), options.output, options.force)
        say(f"Watching {folder}; results go to {options.output}.")
        seen: dict[Path, float] = {}
        # A tick without a change finds the files that were too fresh before.
        for _ in _ticks(folder):
            ready = _find_ready(folder, options.output, seen)
            seen.update(ready)
            _read(reader, [_input(folder, file) for file in ready], options)
    return ExitStatus.OK


def _ticks(folder: Path) -> Iterable[object]:
    """At once, with each change and at least each second."""
    yield None
    yield from watch(folder, rust_timeout=_LOOK_MS, yield_on_timeout=True, raise_interrupt=True)


def _find_ready(folder: Path, output: Path, seen: Mapping[Path, float]) -> dict[Path, float]:
    """Documents that are new or changed and lie still, with the times of their last change."""
    now = time.time()
    times = {file: _changed(file) for file in find_documents(folder, output)}
    return {file: at for file, at in times.items() if at is not None and seen.get(file) != at and now - at >= _QUIET_S}


def _changed(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return None


def _input(folder: Path, file: Path) -> Input:
    return Input(str(file), file.relative_to(folder))


def _read(reader: Reader, inputs: list[Input], options: argparse.Namespace) -> None:
    if not inputs:
        return
    with Progress(len(inputs)) as progress:
        for reading in read_inputs(reader, inputs, progress, options.parallel, options.json):
            if reading.status in ("ok", "partial"):
                progress.say(f"{reading.source} → {reading.output}")
