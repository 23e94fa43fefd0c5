"""`make bench-faults`: an engine of which one region call in twelve goes wrong, against one without faults."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import urllib.request

from benchmarks.load.engine import FAULTS, SLOW
from benchmarks.load.runs import Run, send_concurrently
from benchmarks.load.servers import Document, make_document, start_engine, start_gateway
from benchmarks.processes import Program
from benchmarks.report import command, table, verdict, write_report

AT_ONCE = 16
GOAL_P95 = 2.0


def measure(page: Document, count: int, *, faults: bool) -> tuple[Run, dict[str, object]]:
    """The run, and what the engine did wrong."""
    with start_engine(faults=faults) as stub, start_gateway(stub) as server:
        asyncio.run(send_concurrently(server, page, 1, 1))
        return asyncio.run(send_concurrently(server, page, AT_ONCE, count)), _counts(stub)


def _counts(stub: Program) -> dict[str, object]:
    with urllib.request.urlopen(f"{stub.url}/counts") as answer:
        counts: dict[str, object] = json.load(answer)
    return counts


def row(name: str, run: Run) -> list[str]:
    times = [f"{run.latency_s(share):.2f}" for share in (0.5, 0.95, 0.99, 1.0)]
    what = ", ".join(f"{count} {status}" for status, count in sorted(run.statuses().items()))
    return [name, f"{run.pages_a_second:.2f}", *times, what]


def goals(well: Run, ill: Run) -> list[list[str]]:
    ratio = ill.latency_s(0.95) / well.latency_s(0.95)
    lost = len(ill.outcomes) - len(ill.read)
    return [
        ["documents not read whole", "0", str(lost), verdict(lost == 0)],
        ["p95 against the one without faults", f"< {GOAL_P95:g} ×", f"{ratio:.1f} ×", verdict(ratio < GOAL_P95)],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.faults", description=__doc__)
    parser.add_argument("--documents", type=int, default=64)
    count = parser.parse_args().documents
    with tempfile.TemporaryDirectory() as folder:
        page = make_document(folder)
        (well, _), (ill, counts) = measure(page, count, faults=False), measure(page, count, faults=True)
    shares = ", ".join(f"{share:.0%} {fault}" for fault, share in FAULTS.items())
    header = ["engine", "pages/s", "p50, s", "p95, s", "p99, s", "longest, s", "documents"]
    write_report(
        "faults",
        "The gateway on an engine with faults",
        f"Command: `{command()}`. Documents of one page, {AT_ONCE} at once, on the stub engine, layout recorded. Of "
        f"the region calls {shares} ({SLOW:g} times as long). Stalled calls never end by themselves.",
        table(["what", "goal", "figure", "verdict"], goals(well, ill)),
        table(header, [row("well", well), row("with faults", ill)]),
        f"What the engine did: `{json.dumps(counts)}`.",
    )


if __name__ == "__main__":
    main()
