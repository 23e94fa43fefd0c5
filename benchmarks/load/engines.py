"""`make bench-engines`: two engines against one, and one of two killed under load."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks.load.answers import TOKENS
from benchmarks.load.runs import Run, send_concurrently
from benchmarks.load.servers import Document, make_document, start_engine, start_gateway
from benchmarks.report import command, table, verdict, write_report

CALLS = 8
"""That one engine reads at once: so few that the engines, and not this machine, bound what is read."""
AT_ONCE = 32
PATIENCE_S = "600"
"""`MAX_WAIT_S`: engines this slow would have documents refused until the gateway has learned their limits."""
KILLED_AT = 0.5
"""Share of the time that two engines take, after which one of them is killed."""
GOAL_RATIO = 1.9


def measure(page: Document, count: int, engines: int, kill_after_s: float | None = None) -> Run:
    """`count` documents on so many engines, of which the last may be killed meanwhile."""
    with ExitStack() as running:
        stubs = [running.enter_context(start_engine(concurrency=CALLS)) for _ in range(engines)]
        server = running.enter_context(start_gateway(*stubs, MAX_WAIT_S=PATIENCE_S))
        asyncio.run(send_concurrently(server, page, AT_ONCE, AT_ONCE))
        if kill_after_s is not None:
            killing = threading.Timer(kill_after_s, stubs[-1].process.kill)
            running.callback(killing.cancel)
            killing.start()
        return asyncio.run(send_concurrently(server, page, AT_ONCE, count))


def row(name: str, runs: Sequence[Run]) -> list[str]:
    times = [f"{median(run.latency_s(share) for run in runs):.2f}" for share in (0.5, 0.95, 1.0)]
    cpu_ms = median(run.cpu_ms_a_page for run in runs)
    lost = sum(len(run.outcomes) - len(run.read) for run in runs)
    return [name, f"{median(run.pages_a_second for run in runs):.2f}", *times, f"{cpu_ms:.0f}", str(lost)]


def goals(one: Sequence[Run], two: Sequence[Run], killed: Run) -> list[list[str]]:
    ratios = [both.pages_a_second / alone.pages_a_second for alone, both in zip(one, two, strict=True)]
    ratio, lost = median(ratios), len(killed.outcomes) - len(killed.read)
    figure = f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return [
        ["pages/s of two engines ÷ one", f"≥ {GOAL_RATIO:g}", figure, verdict(ratio >= GOAL_RATIO)],
        ["documents not read whole while one of two is killed", "0", str(lost), verdict(lost == 0)],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.engines", description=__doc__)
    parser.add_argument("--documents", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=1)
    arguments = parser.parse_args()
    one, two = [], []
    with tempfile.TemporaryDirectory() as folder:
        page = make_document(folder)
        for _ in range(arguments.repetitions):
            one.append(measure(page, arguments.documents, 1))
            two.append(measure(page, arguments.documents, 2))
        killed = measure(page, arguments.documents, 2, KILLED_AT * two[-1].wall_s)
    header = ["engines", "pages/s", "p50, s", "p95, s", "longest, s", "CPU ms a page", "documents lost"]
    write_report(
        "engines",
        "Several engines",
        f"Command: `{command()}`. {arguments.documents} documents of one page with {len(TOKENS)} regions, {AT_ONCE} at "
        f"once, after {AT_ONCE} by which the gateway learns; stub engines of {CALLS} calls at once each, layout "
        f"recorded. Medians of {arguments.repetitions} repetition(s). One of two is killed (SIGKILL) when "
        f"{KILLED_AT:.0%} of the time that both took has passed, and does not come back.",
        table(["what", "goal", "figure", "verdict"], goals(one, two, killed)),
        table(header, [row("one", one), row("two", two), row("two, one of them killed", [killed])]),
    )


if __name__ == "__main__":
    main()
