"""`paddleocr-vl bench`: a service under a simple load of given files."""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from paddleocr_vl_client.client import Client
from paddleocr_vl_client.commands.failures import CommandError, ExitStatus
from paddleocr_vl_client.commands.inputs import add_option_arguments, expand_inputs, parse_read_options
from paddleocr_vl_client.commands.progress import Progress
from paddleocr_vl_client.commands.services import add_service_arguments, open_client
from paddleocr_vl_client.errors import APIError, APIStatusError
from paddleocr_vl_client.options import ReadOptions


class Load(msgspec.Struct, frozen=True):
    """What one number of documents at once gave. Latencies are seconds of documents that were read."""

    parallel: int
    documents: int
    pages: int
    seconds: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    errors: dict[str, int]

    @property
    def pages_a_second(self) -> float:
        return self.pages / self.seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", nargs="+", help="files, folders or URLs, which are sent in turn")
    parser.add_argument(
        "-n", "--documents", type=int, default=32, metavar="N", help="documents to send at each load; default: 32"
    )
    parser.add_argument(
        "-j", "--parallel", default="1,4,16", metavar="N,…", help="documents at once, one load each; default: 1,4,16"
    )
    add_option_arguments(parser)
    parser.add_argument("--json", action="store_true", help="a line of JSON for each load")
    add_service_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Prints a line for each load; FAILED where a document was not read."""
    places = [one.place for one in expand_inputs(options.input)]
    loads = _parse_loads(options.parallel)
    if options.documents < 1:
        raise CommandError("--documents is a whole number from 1.", ExitStatus.USAGE)
    has_errors = False
    with open_client(options) as client:
        if not options.json:
            sys.stdout.write("parallel  documents  pages/s  p50 s  p95 s  errors\n")
        for parallel in loads:
            with Progress(options.documents) as progress:
                load = measure(client, places, options.documents, parallel, parse_read_options(options), progress)
            has_errors = has_errors or bool(load.errors)
            sys.stdout.write(_format(load, options.json) + "\n")
            sys.stdout.flush()
    return ExitStatus.FAILED if has_errors else ExitStatus.OK


def measure(
    client: Client, places: Sequence[str], documents: int, parallel: int, options: ReadOptions, progress: Progress
) -> Load:
    """Sends `documents`, the places in turn, `parallel` at once."""

    def read(place: str) -> tuple[float, int, str]:
        start = time.perf_counter()
        try:
            pages, code = len(client.read(place, **options).pages), ""
        except APIError as error:
            pages, code = 0, error.code if isinstance(error, APIStatusError) else type(error).__name__
        progress.advance()
        return time.perf_counter() - start, pages, code

    start = time.perf_counter()
    with ThreadPoolExecutor(parallel) as executor:
        found = list(executor.map(read, itertools.islice(itertools.cycle(places), documents)))
    seconds = time.perf_counter() - start
    latencies = sorted(latency for latency, _, code in found if not code)
    return Load(
        parallel=parallel,
        documents=documents,
        pages=sum(pages for _, pages, _ in found),
        seconds=seconds,
        latency_p50_s=statistics.median(latencies) if latencies else None,
        latency_p95_s=latencies[round(0.95 * (len(latencies) - 1))] if latencies else None,
        errors=dict(Counter(code for _, _, code in found if code)),
    )


def _parse_loads(text: str) -> list[int]:
    try:
        loads = [int(part) for part in text.split(",")]
    except ValueError:
        loads = []
    if not loads or min(loads) < 1:
        raise CommandError(f"--parallel {text} is not a list of whole numbers from 1.", ExitStatus.USAGE)
    return loads


def _format(load: Load, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode(load).decode()
    errors = ", ".join(f"{count} × {code}" for code, count in load.errors.items()) or "none"
    p50, p95 = (f"{value:.2f}" if value is not None else "-" for value in (load.latency_p50_s, load.latency_p95_s))
    return f"{load.parallel:8}  {load.documents:9}  {load.pages_a_second:7.2f}  {p50:>5}  {p95:>5}  {errors}"
