"""`make bench-overload`: twice as many documents as the gateway can read, for minutes.

What it can read is measured first. Then documents come at twice that rate, each from a client that does not come again
when it is refused: users who know nothing of each other.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence

from benchmarks.load.runs import Outcome, Run, send_at_rate, send_for_seconds
from benchmarks.load.servers import Document, Server, make_document, start_engine, start_gateway
from benchmarks.report import command, table, verdict, write_report

FACTOR = 2
FULL_AT, CAPACITY_S, WARM_S = 64, 30.0, 5.0
"""As many documents as the gateway takes by default, for so many seconds, show what it can read."""
GOAL_GOODPUT, GOAL_REFUSAL_MS, GOAL_SLOPE_MB = 0.95, 10, 20
REFUSED = 429


async def measure(server: Server, page: Document, minutes: float) -> tuple[Run, Run]:
    """The run at capacity and the one beyond it."""
    await send_for_seconds(server, page, FULL_AT, WARM_S)
    capacity = await send_for_seconds(server, page, FULL_AT, CAPACITY_S)
    return capacity, await send_at_rate(server, page, FACTOR * capacity.pages_a_second, 60 * minutes)


def goals(capacity: Run, overload: Run) -> list[list[str]]:
    goodput = overload.pages_a_second / capacity.pages_a_second
    refusals = refused(overload)
    refusal_ms = 1000 * percentile(refusals, 0.5)
    others = overload.statuses().total() - len(overload.read) - len(refusals)
    return [
        ["goodput against capacity", f"≥ {GOAL_GOODPUT:.0%}", f"{goodput:.0%}", verdict(goodput >= GOAL_GOODPUT)],
        ["failures but 429", "0", str(others), verdict(others == 0)],
        ["time to a 429, median", f"≤ {GOAL_REFUSAL_MS} ms", f"{refusal_ms:.0f} ms",
         verdict(refusal_ms <= GOAL_REFUSAL_MS)],
        ["growth of memory", f"≤ {GOAL_SLOPE_MB} MB an hour", f"{overload.slope_mb_an_hour:+.0f} MB an hour",
         verdict(overload.slope_mb_an_hour <= GOAL_SLOPE_MB)],
    ]  # fmt: skip


def refused(run: Run) -> list[Outcome]:
    return [outcome for outcome in run.outcomes if outcome.reply.status == REFUSED]


def percentile(outcomes: Sequence[Outcome], share: float) -> float:
    times = sorted(outcome.seconds for outcome in outcomes)
    return times[min(int(share * len(times)), len(times) - 1)] if times else 0.0


def row(name: str, run: Run) -> list[str]:
    times = [f"{run.latency_s(share):.2f}" for share in (0.5, 0.95, 0.99)]
    what = ", ".join(f"{count} {status}" for status, count in sorted(run.statuses().items()))
    refusals = refused(run)
    waits = [f"{1000 * percentile(refusals, share):.0f}" for share in (0.5, 0.99)] if refusals else ["–", "–"]
    return [name, f"{run.pages_a_second:.2f}", *times, what, *waits, f"{run.lag_ms['p99']:.0f}", f"{run.peak_mb:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.overload", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder, start_engine() as stub, start_gateway(stub) as server:
        capacity, overload = asyncio.run(measure(server, make_document(folder), minutes))
    header = ["load", "pages/s read", "p50, s", "p95, s", "p99, s", "answers", "429 p50, ms", "429 p99, ms",
              "loop lag p99, ms", "peak MB"]  # fmt: skip
    write_report(
        "overload",
        f"The gateway at {FACTOR} × what it can read",
        f"Command: `{command()}`. Documents of one page on the stub engine, layout recorded. Capacity: {FULL_AT} "
        f"clients for {CAPACITY_S:.0f} s, each with its next document when it has its answer. Overload: {FACTOR} × "
        f"that rate for {minutes:g} minutes, nobody comes again. Times are of those that were read; growth is the "
        "slope of a line through the resident memory of all processes in the second half. The clients share the "
        "machine with the gateway.",
        table(["what", "goal", "figure", "verdict"], goals(capacity, overload)),
        table(header, [row("capacity", capacity), row("overload", overload)]),
    )


if __name__ == "__main__":
    main()
