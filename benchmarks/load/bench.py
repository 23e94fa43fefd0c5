"""`make bench`: pages a second, latency, CPU and memory of the gateway, against its peers in the same run.

The engine is scripted and the layout recorded, so that only the servers count. Peers are measured where an
environment is given for them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median

from benchmarks.load import servers
from benchmarks.load.answers import engine_seconds
from benchmarks.load.page import REGIONS
from benchmarks.load.runs import Run, send_concurrently
from benchmarks.load.servers import GATEWAY, GLMOCR, PADDLEX, Document, Server, start_gateway
from benchmarks.report import command, table, verdict, write_report

LEVELS = (1, 4, 16, 64)
AT = 16
"""The level at which servers are compared."""
GOAL_RATIO, GOAL_OVER_ENGINE_MS, GOAL_CPU_MS, GOAL_LAG_MS = 8, 150, 120, 20

Runs = Mapping[str, Mapping[int, Sequence[Run]]]
"""By server and by documents at once, the repetitions."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many documents at each level, how often, and up to which level peers are asked: they take minutes there."""

    documents: Mapping[int, int]
    peer_documents: Mapping[int, int]
    repetitions: int


QUICK = Plan({1: 6, 4: 24, 16: 80, 64: 192}, {1: 3, 4: 8, 16: 24}, 1)
FULL = Plan({1: 12, 4: 48, 16: 192, 64: 512}, {1: 6, 4: 16, 16: 48, 64: 128}, 3)


async def measure(server: Server, page: Document, documents: Mapping[int, int]) -> dict[int, Run]:
    """A run at each level, after one document that warms the server up."""
    await send_concurrently(server, page, 1, 1)
    runs = {}
    for level, count in documents.items():
        runs[level] = await send_concurrently(server, page, level, count)
        print(f"{server.program.name}, {level} at once: {runs[level].pages_a_second:.2f} pages/s", file=sys.stderr)
    return runs


def measure_all(plan: Plan, page: Document, peers: Mapping[str, str]) -> Runs:
    """Servers run in turn, in each repetition anew, so that none has the machine's good hours for itself."""
    runs: dict[str, dict[int, list[Run]]] = {}
    with servers.start_engine() as stub:
        starts: dict[str, AbstractContextManager[Server]]
        for _ in range(plan.repetitions):
            starts = {GATEWAY: start_gateway(stub)}
            starts |= {name: PEERS[name](stub, python) for name, python in peers.items()}
            for name, start in starts.items():
                with start as server:
                    counts = plan.documents if name == GATEWAY else plan.peer_documents
                    for level, run in asyncio.run(measure(server, page, counts)).items():
                        runs.setdefault(name, {}).setdefault(level, []).append(run)
    return runs


PEERS = {PADDLEX: servers.start_paddlex, GLMOCR: servers.start_glmocr}


def speed_rows(runs: Runs) -> list[list[str]]:
    return [
        [str(level), name, *_cells(taken[level])] for level in LEVELS for name, taken in runs.items() if level in taken
    ]


def _cells(taken: Sequence[Run]) -> list[str]:
    lost = sum(run.statuses().total() - len(run.read) for run in taken)
    return [
        f"{_middle(taken, 'pages_a_second'):.2f}",
        *(f"{median(run.latency_s(share) for run in taken):.2f}" for share in (0.5, 0.95, 0.99)),
        f"{_middle(taken, 'cpu_ms_a_page'):.0f}",
        f"{_middle(taken, 'engine_ms_a_page'):.0f}",
        f"{max(run.peak_mb for run in taken):.0f}",
        str(lost),
        f"{max(run.foreign_cores for run in taken):.2f}",
    ]


def _middle(taken: Sequence[Run], name: str) -> float:
    return float(median(getattr(run, name) for run in taken))


def ratio_rows(runs: Runs) -> list[list[str]]:
    """The gateway's pages a second against each peer's, of the same repetition: median, least and most."""
    return [
        [str(level), name, *_ratios(runs[GATEWAY][level], runs[name][level])]
        for level in LEVELS
        for name in runs
        if name != GATEWAY and level in runs[name]
    ]


def _ratios(ours: Sequence[Run], theirs: Sequence[Run]) -> list[str]:
    speed = [one.pages_a_second / other.pages_a_second for one, other in zip(ours, theirs, strict=True)]
    cpu = [one.cpu_ms_a_page / other.cpu_ms_a_page for one, other in zip(ours, theirs, strict=True)]
    return [f"{median(speed):.1f} ({min(speed):.1f} to {max(speed):.1f})", f"{median(cpu):.2f}"]


def goals(runs: Runs) -> list[list[str]]:
    """Name, goal, figure, verdict."""
    ours = runs[GATEWAY]
    over_ms = 1000 * (median(run.latency_s(0.5) for run in ours[1]) - engine_seconds())
    cpu_ms = _middle(ours[AT], "cpu_ms_a_page")
    lag = median(run.lag_ms["p99"] for run in ours[max(ours)])
    told = [
        ["one page beyond the engine's own time", f"≤ {GOAL_OVER_ENGINE_MS} ms", f"{over_ms:.0f} ms",
         verdict(over_ms <= GOAL_OVER_ENGINE_MS)],
        [f"gateway's CPU a page of {len(REGIONS)} regions, {AT} at once", f"≤ {GOAL_CPU_MS} ms", f"{cpu_ms:.0f} ms",
         verdict(cpu_ms <= GOAL_CPU_MS)],
        [f"event loop's lag, p99, {max(ours)} at once", f"≤ {GOAL_LAG_MS} ms", f"{lag:.0f} ms",
         verdict(lag <= GOAL_LAG_MS)],
    ]  # fmt: skip
    if PADDLEX in runs:
        ratio = _middle(ours[AT], "pages_a_second") / _middle(runs[PADDLEX][AT], "pages_a_second")
        told.insert(0, [f"pages/s against {PADDLEX}, {AT} at once", f"≥ {GOAL_RATIO} ×", f"{ratio:.1f} ×",
                        verdict(ratio >= GOAL_RATIO)])  # fmt: skip
    return told


def method(plan: Plan, runs: Runs) -> str:
    absent = [name for name in PEERS if name not in runs]
    missing = f" Not measured, for want of an environment: {', '.join(absent)}." if absent else ""
    return (
        f"Command: `{command()}`. Medians of {plan.repetitions} repetition(s), in each of which every server is "
        f"started anew. A document is a PDF of one scanned page with {len(REGIONS)} regions; every server has the same "
        "boxes in the place of its layout model and the same stub engine: 200 ms + 5 ms a token, 1,360 tokens a page, "
        f"{engine_seconds():.2f} s for the longest answer of a page, 256 at once. Servers are as they are by default; "
        f"{PADDLEX} is asked for no drawings, and {GLMOCR} reads the PDF from its own disk. Clients send their next "
        "document when they have their answer; pages/s are those from the first byte sent to the last one back. CPU "
        "and memory are of the server with all its child processes, from /proc; engine and clients share the machine; "
        f"`others` is how many cores everything else on it kept busy.{missing}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="more documents, three repetitions, peers at 64 too")
    parser.add_argument("--paddlex", metavar="PYTHON", help="interpreter of an environment with PaddleX")
    parser.add_argument("--glmocr", metavar="PYTHON", help="interpreter of an environment with GLM-OCR's SDK")
    parser.add_argument("--name", default="gateway", help="of the result, benchmarks/results/NAME.md")
    arguments = parser.parse_args()
    plan = FULL if arguments.full else QUICK
    peers = {name: python for name, python in ((PADDLEX, arguments.paddlex), (GLMOCR, arguments.glmocr)) if python}
    with tempfile.TemporaryDirectory() as folder:
        runs = measure_all(plan, servers.make_document(folder), peers)
    header = ["at once", "server", "pages/s", "p50, s", "p95, s", "p99, s", "CPU ms a page", "engine's", "peak MB",
              "lost", "others"]  # fmt: skip
    write_report(
        arguments.name,
        "The gateway under load, and its peers",
        method(plan, runs),
        "## Goals",
        table(["what", "goal", "figure", "verdict"], goals(runs)),
        "## Speed",
        table(header, speed_rows(runs)),
        "## The gateway against its peers",
        table(["at once", "peer", "pages/s, ratio (least to most)", "CPU a page, ratio"], ratio_rows(runs)),
    )


if __name__ == "__main__":
    main()
