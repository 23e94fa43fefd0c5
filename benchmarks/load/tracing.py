"""`make bench-tracing`: the CPU time of a page with traces of one request in a hundred, and of all, against none."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median

from benchmarks.load.answers import TOKENS
from benchmarks.load.runs import Run, send_concurrently
from benchmarks.load.servers import Document, make_document, start_engine, start_gateway
from benchmarks.report import command, table, verdict, write_report

AT_ONCE = 8
GOAL = 1.03
OFF, AGAIN, SPARSE, ALL = "off", "off again", "one in a hundred", "all"
SHARES: Mapping[str, float | None] = {OFF: None, AGAIN: None, SPARSE: 0.01, ALL: 1.0}
"""`AGAIN` is a second gateway without traces: what its figure differs by is chance."""


class Receiver(BaseHTTPRequestHandler):
    """Takes spans, as a collector does, and forgets them."""

    taken = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.taken += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def receive_spans() -> Iterator[str]:
    """Base URL of a receiver in this process, whose CPU time is nobody's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def measure(document: Document, rounds: int, count: int) -> dict[str, list[Run]]:
    """The runs of each gateway, one in each round, so that all see the same machine."""
    runs: dict[str, list[Run]] = {name: [] for name in SHARES}
    with receive_spans() as url, ExitStack() as running:
        servers = {}
        for name, share in SHARES.items():
            stub = running.enter_context(start_engine())
            given = {} if share is None else {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER_ARG": str(share)}
            servers[name] = running.enter_context(start_gateway(stub, **given))
        for number in range(rounds + 1):
            order = list(servers) if number % 2 else list(reversed(servers))
            for name in order:
                run = asyncio.run(send_concurrently(servers[name], document, AT_ONCE, count))
                if number:  # the first is for warming up
                    runs[name].append(run)
    if not Receiver.taken:
        raise RuntimeError("no span has come")
    return runs


def rate(runs: Mapping[str, list[Run]]) -> list[list[str]]:
    rows = []
    for name, taken in runs.items():
        ratios = [run.cpu_ms_a_page / off.cpu_ms_a_page for run, off in zip(taken, runs[OFF], strict=True)]
        figure = f"{median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})"
        goal = f"≤ {GOAL}" if name == SPARSE else ""
        told = verdict(median(ratios) <= GOAL) if name == SPARSE else ""
        statuses = {status for run in taken for status in run.statuses()}
        milliseconds = f"{median(run.cpu_ms_a_page for run in taken):.1f} ms"
        rows.append([name, milliseconds, goal, "" if name == OFF else figure, told, ", ".join(sorted(statuses))])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.tracing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="of all gateways")
    parser.add_argument("--documents", type=int, default=48, help="of one page, in each round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = measure(make_document(folder), arguments.rounds, arguments.documents)
    foreign = median(run.foreign_cores for run in runs[OFF])
    write_report(
        "tracing",
        "Traces",
        f"Command: `{command()}`. {arguments.documents} documents of one page with {len(TOKENS)} regions, {AT_ONCE} at "
        f"once, at one gateway after the other, {arguments.rounds} rounds; stub engine, layout recorded, a receiver of "
        f"OTLP that forgets. Others kept {foreign:.1f} cores busy. Against `{OFF}` of the same round: median, least, "
        "most.",
        table(["traces", "CPU a page", "goal", f"÷ {OFF}", "verdict", "documents"], rate(runs)),
    )


if __name__ == "__main__":
    main()
