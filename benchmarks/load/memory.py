"""`make bench-memory`: what long documents, many documents and long runs need of memory."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable

from benchmarks.load.runs import Run, send_concurrently, send_for_seconds
from benchmarks.load.servers import Document, Server, make_document, start_engine, start_gateway
from benchmarks.processes import Program
from benchmarks.report import command, table, verdict, write_report

SHORT = 20
WARM_AT, WARM = 3, 6
"""Documents of SHORT pages at once, and in all, that a gateway reads before it is measured: at its start it asks the
engine little at a time, so that a short document would be over before it is at its usual speed."""
PARALLEL, PAGES_EACH = 64, 10
SOAKED_AT = 4
QUALITY = 30
"""JPEG quality of the scans: a thousand pages shall be a file that people have."""
GOAL_PARALLEL_MB, GOAL_SLOPE_MB = 1500, 20
LARGE = {"MAX_UPLOAD_MB": "1000", "REQUEST_TIMEOUT_S": "3600"}


def measure(stub: Program, short: Document, work: Callable[[Server], Awaitable[Run]]) -> tuple[float, Run]:
    """Resident memory of a gateway of its own before it had any work, MB; and its run once it is warm."""
    with start_gateway(stub, **LARGE) as server:
        idle = server.program.rss_mb()
        asyncio.run(send_concurrently(server, short, WARM_AT, WARM))
        run = asyncio.run(_awaited(work, server))
    print(f"{run.pages} pages, {run.peak_mb:.0f} MB at most, {run.statuses()}", file=sys.stderr)
    return idle, run


async def _awaited(work: Callable[[Server], Awaitable[Run]], server: Server) -> Run:
    return await work(server)


def row(name: str, document: Document, idle: float, run: Run) -> list[str]:
    text_mb = max((outcome.reply.size for outcome in run.outcomes), default=0) / 1e6
    return [
        name, f"{len(document.data) / 1e6:.0f}", f"{text_mb:.1f}", f"{idle:.0f}", f"{run.peak_mb:.0f}",
        f"{run.pages_a_second:.2f}", ", ".join(f"{count} {what}" for what, count in run.statuses().items()),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.memory", description=__doc__)
    parser.add_argument("--pages", type=int, default=200, help="of the long document")
    parser.add_argument("--minutes", type=float, default=2, help="of the soak")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, start_engine() as stub:
        short, long = make_document(folder, SHORT, QUALITY), make_document(folder, arguments.pages, QUALITY)
        many, one = make_document(folder, PAGES_EACH, QUALITY), make_document(folder, 1, QUALITY)
        runs = [
            (
                short,
                *measure(stub, short, lambda on: send_concurrently(on, short, 1, arguments.pages // SHORT)),
            ),
            (long, *measure(stub, short, lambda on: send_concurrently(on, long, 1, 1))),
            (many, *measure(stub, short, lambda on: send_concurrently(on, many, PARALLEL, PARALLEL))),
            (
                one,
                *measure(stub, short, lambda on: send_for_seconds(on, one, SOAKED_AT, 60 * arguments.minutes)),
            ),
        ]
    names = [f"{arguments.pages // SHORT} documents of {SHORT} pages, one after the other",
             f"one document of {arguments.pages} pages",
             f"{PARALLEL} documents of {PAGES_EACH} pages at once",
             f"{SOAKED_AT} of one page at once, {arguments.minutes:g} minutes"]  # fmt: skip
    (_, _, little), (_, _, much), (_, _, crowd), (_, _, soak) = runs
    more_mb = much.peak_mb - little.peak_mb
    text_mb = much.outcomes[0].reply.size / 1e6
    file_mb = (len(long.data) - len(short.data)) / 1e6
    write_report(
        "memory",
        "Memory of the gateway",
        f"Command: `{command()}`. Documents are PDFs of JPEG scans, read on the stub engine with recorded layout. "
        "Resident memory is the sum over the gateway and its render workers, sampled four times a second; a gateway of "
        f"its own for each line, which read {WARM} documents of {SHORT} pages before, {WARM_AT} at once.",
        table(
            ["what", "goal", "figure", "verdict"],
            [
                [f"{arguments.pages} pages beyond {SHORT} pages", f"≤ its text, {text_mb:.0f} MB",
                 f"{more_mb:+.0f} MB, where the files differ by {file_mb:.0f} MB", verdict(more_mb <= text_mb)],
                [f"{PARALLEL} documents at once", f"≤ {GOAL_PARALLEL_MB} MB", f"{crowd.peak_mb:.0f} MB",
                 verdict(crowd.peak_mb <= GOAL_PARALLEL_MB)],
                ["growth while soaked", f"≤ {GOAL_SLOPE_MB} MB an hour", f"{soak.slope_mb_an_hour:+.0f} MB an hour",
                 verdict(soak.slope_mb_an_hour <= GOAL_SLOPE_MB)],
            ],
        ),
        table(["work", "file MB", "answer MB", "idle MB", "peak MB", "pages/s", "documents"],
              [row(name, *run) for name, run in zip(names, runs, strict=True)]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
