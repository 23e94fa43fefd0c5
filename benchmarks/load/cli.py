"""`make bench-cli`: files read by `paddleocr-vl read` and by curl, in turns on one gateway."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks.cpu_sampler import OTHERS, CpuSampler
from benchmarks.load.servers import make_document, start_engine, start_gateway
from benchmarks.processes import Program
from benchmarks.report import ROOT, command, table, verdict, write_report

AT_ONCE = 4
GOAL = 1.05
PACE = 0.2
"""Of the stub engine: fast, so that what comes on top of the service's own time weighs more."""
CURL, ONE_CURL, READ = "curl for each file", "one curl for all files", "`paddleocr-vl read`"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for all files: until the command's end, of its CPU with its children, and of the gateway's meanwhile."""

    wall_s: float
    cpu_s: float
    gateway_cpu_s: float


def curl(url: str, files: Path, output: Path) -> None:
    """As a shell does it, with a process and a connection for each file."""
    address = f"{url}/ocr?format=markdown"
    words = ["xargs", "-P", str(AT_ONCE), "-I", "{}", "curl", "-sSf", "-F", f"file=@{files}/{{}}"]
    words += ["-o", f"{output}/{{}}.md", address]
    subprocess.run(words, input="\n".join(sorted(os.listdir(files))), text=True, check=True)


def one_curl(url: str, files: Path, output: Path) -> None:
    """As curl does it best: with one process, and connections that are used again."""
    transfers = [
        f'url = "{url}/ocr?format=markdown"\nform = "file=@{files / name}"\noutput = "{output / name}.md"\nfail'
        for name in sorted(os.listdir(files))
    ]
    words = ["curl", "--no-progress-meter", "--parallel", "--parallel-max", str(AT_ONCE), "--config", "-"]
    subprocess.run(words, input="\nnext\n".join(transfers), text=True, check=True)


def read(url: str, files: Path, output: Path) -> None:
    words = [sys.executable, "-m", "supervision.cli", "read", str(files), "-o", str(output), "-j", str(AT_ONCE)]
    subprocess.run([*words, "--url", url], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)


WAYS: Mapping[str, Callable[[str, Path, Path], None]] = {CURL: curl, ONE_CURL: one_curl, READ: read}


def measure(folder: Path, count: int, rounds: int) -> tuple[dict[str, list[Cost]], float]:
    """Each way's cost in each round, and how many cores others on the machine kept busy; who was first in a round is
    last in the next."""
    document, files = make_document(str(folder)), folder / "files"
    files.mkdir()
    for number in range(count):
        shutil.copy(document.file, files / f"{number:04}.pdf")
    costs: dict[str, list[Cost]] = {way: [] for way in WAYS}
    order = list(WAYS)
    with start_engine(pace=PACE) as stub, start_gateway(stub) as server:
        _spend(READ, server.program, files, folder / "output", count)  # a gateway's first documents are slower
        programs = {"gateway": server.program.cpu_s, "engine": stub.cpu_s, "commands": _children_cpu_s}
        sampler, begun = CpuSampler(programs), time.monotonic()
        for _ in range(rounds):
            for way in order:
                costs[way].append(_spend(way, server.program, files, folder / "output", count))
            order = [*order[1:], order[0]]
        foreign_cores = sampler.spent_s()[OTHERS] / (time.monotonic() - begun)
    return costs, foreign_cores


def _spend(way: str, gateway: Program, files: Path, output: Path, count: int) -> Cost:
    output.mkdir()
    begun, own, others = time.monotonic(), _children_cpu_s(), gateway.cpu_s()
    WAYS[way](gateway.url, files, output)
    cost = Cost(time.monotonic() - begun, _children_cpu_s() - own, gateway.cpu_s() - others)
    if sum(file.stat().st_size > 0 for file in output.iterdir()) != count:
        sys.exit(f"{way} did not write all files")
    shutil.rmtree(output)
    return cost


def _children_cpu_s() -> float:
    """Of those that have ended; the gateway and the engine run on."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rate(costs: Mapping[str, list[Cost]]) -> list[list[str]]:
    """The goal's row first: wall times are compared within a round."""
    rows = []
    for way, taken in costs.items():
        ratios = [cost.wall_s / curl.wall_s for cost, curl in zip(taken, costs[CURL], strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        told = f"{middle:.3f} ({low:.3f} to {high:.3f})"
        rows.append(
            [way, f"{median(cost.wall_s for cost in taken):.2f} s", told,
             verdict(middle <= GOAL) if way == READ else "",
             f"{median(cost.cpu_s for cost in taken):.2f} s", f"{median(cost.gateway_cpu_s for cost in taken):.2f} s"]
        )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.cli", description=__doc__)
    parser.add_argument("--files", type=int, default=100, help="of one page")
    parser.add_argument("--rounds", type=int, default=5, help="of all ways, whose medians count")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs, foreign_cores = measure(Path(folder), arguments.files, arguments.rounds)
    header = ["way", "wall", f"÷ {CURL} (quartiles)", f"≤ {GOAL} ×", "its CPU", "the gateway's CPU"]
    write_report(
        "cli",
        "Files from a shell",
        f"Command: `{command()}`. {arguments.files} PDFs of one page to Markdown, {AT_ONCE} at once, in "
        f"{arguments.rounds} rounds; the gateway on the stub engine with recorded layout; others on the machine kept "
        f"{foreign_cores:.1f} cores busy. Wall times are compared "
        "within a round, and hold the command's start.",
        table(header, rate(costs)),
    )


if __name__ == "__main__":
    main()
