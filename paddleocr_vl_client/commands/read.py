"""`paddleocr-vl read`: documents in, their text out, to the standard output or into a folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from paddleocr_vl_client.commands.failures import CommandError, ExitStatus, say
from paddleocr_vl_client.commands.inputs import (
    BINARY,
    STDIN,
    Input,
    add_read_arguments,
    check_output,
    check_parallel,
    expand_inputs,
    parse_read_options,
)
from paddleocr_vl_client.commands.progress import Progress
from paddleocr_vl_client.commands.reading import Reader, Reading
from paddleocr_vl_client.commands.services import add_service_arguments, open_client
from paddleocr_vl_client.sources import printable

DEFAULT_PARALLEL = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", nargs="+", help="files, folders, URLs, or - for the standard input")
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="folder for the results; default, and with -: the standard output"
    )
    add_read_arguments(parser)
    add_work_arguments(parser)
    parser.add_argument("--strict", action="store_true", help="end with 4 where something of a document is missing")
    add_service_arguments(parser)


def add_work_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-j", "--parallel", type=int, default=DEFAULT_PARALLEL, metavar="N", help="documents at once; default: 4"
    )
    parser.add_argument("--force", action="store_true", help="read again what is written already")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each document on the standard output")


def run(options: argparse.Namespace) -> int:
    """The exit status: `ExitStatus` says which."""
    options.output = None if options.output in (None, STDIN) else check_output(options.output)
    check_parallel(options.parallel)
    inputs, read_options = expand_inputs(options.input, options.output), parse_read_options(options)
    needs_text = options.output is None and (options.json or len(inputs) > 1 or sys.stdout.isatty())
    if needs_text and options.format in BINARY:
        raise CommandError(f"{options.format} is not text: name a folder for it with -o.", ExitStatus.USAGE)
    with open_client(options) as client, Progress(len(inputs)) as progress:
        reader = Reader(client, options.format, read_options, options.output, options.force, needs_text)
        statuses = [reading.status for reading in read_inputs(reader, inputs, progress, options.parallel, options.json)]
    if skipped := statuses.count("skipped"):
        say(f"Documents that had been read before: {skipped}. --force reads them again.")
    if "failed" in statuses:
        return ExitStatus.FAILED
    return ExitStatus.INCOMPLETE if options.strict and "partial" in statuses else ExitStatus.OK


def read_inputs(
    reader: Reader, inputs: Sequence[Input], progress: Progress, parallel: int, as_json: bool
) -> Iterator[Reading]:
    """Reads `parallel` at once, tells of each in order, and gives what became of it."""

    def read(one: Input) -> tuple[Reading, bytes | None]:
        with progress.pages(one.place) as bar:
            found = reader.read(one, bar.show)
        progress.advance()
        return found

    executor = ThreadPoolExecutor(max(1, parallel), thread_name_prefix="read")
    try:
        for reading, content in executor.map(read, inputs):
            _tell(reading, content, progress, as_json)
            yield reading
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _tell(reading: Reading, content: bytes | None, progress: Progress, as_json: bool) -> None:
    name = "standard input" if reading.source == STDIN else reading.source
    if reading.status == "failed":
        progress.say(f"{name}: {reading.error}")
    elif reading.status == "partial":
        progress.say(f"{name}: incomplete. {reading.warnings or 'Its warnings say what is missing.'}")
    elif reading.warnings:
        progress.say(f"{name}: {reading.warnings}")
    if as_json:
        _write(_encode(reading, content) + b"\n")
    elif content is not None:
        _write(content)


def _encode(reading: Reading, content: bytes | None) -> bytes:
    fields = msgspec.structs.asdict(reading)
    texts = {name: printable(value) for name, value in fields.items() if isinstance(value, str)}
    text = None if content is None else content.decode()
    return msgspec.json.encode(Reading(**fields | texts | {"content": text}))


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
