"""`python -m benchmarks.embedded.speed`: `/ocr` with the embedded engine against plain RapidOCR over the same files.

Both read every page in turn, page by page, in one run, so that what else the machine does falls on both. Core time is
told beside the wall's, for it hardly depends on what else that is.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from benchmarks.report import ROOT, table, write_report
from benchmarks.service import peak_memory_mb, start_service
from tests.support.samples import omnidocbench

GOAL_RATIO, GOAL_ARTICLE = 0.25, 0.40


def plain_rapidocr(pipe: Connection) -> None:
    """Child process: RapidOCR as its README starts it. Answers each path with the seconds it took."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})
    pipe.send(None)
    while path := pipe.recv():
        start = time.perf_counter()
        engine(str(path))
        pipe.send(time.perf_counter() - start)


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds that plain RapidOCR and `/ocr` took for a file: `wall` and `cores`, of each."""

    name: str
    wall: tuple[float, float]
    cores: tuple[float, float]


def core_seconds(processes: Iterable[psutil.Process]) -> float:
    return sum(float(times.user + times.system) for times in (process.cpu_times() for process in processes))


def measure(files: list[Path]) -> tuple[list[Row], dict[str, float]]:
    """What each file took; peak memory by process, MB."""
    pipe, child_pipe = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=plain_rapidocr, args=(child_pipe,))
    child.start()
    pipe.recv()
    rows: list[Row] = []
    plain_process = [psutil.Process(child.pid)]
    with start_service(VLM_ENGINE="embedded") as service:
        for round_files in (files[:1], files):  # the first file once more: models allocate at their first page
            rows = []
            for file in round_files:
                ours = [process for tier in service.tiers().values() for process in tier]
                before = core_seconds(plain_process), core_seconds(ours)
                pipe.send(file)
                plain = pipe.recv()
                start = time.perf_counter()
                service.ocr(file, images="none")
                wall = plain, time.perf_counter() - start
                cores = core_seconds(plain_process) - before[0], core_seconds(ours) - before[1]
                rows.append(Row(file.stem, wall, cores))
        memory = {**service.peak_memory_mb(), "plain RapidOCR": peak_memory_mb(child.pid or 0)}
    pipe.send(None)
    child.join()
    return rows, memory


def _sum_pairs(pairs: Iterable[tuple[float, float]]) -> tuple[float, float]:
    plain, ours = zip(*pairs, strict=True)
    return sum(plain), sum(ours)


def _cells(row: Row) -> list[str]:
    figures = (f"{value:.2f}" for plain, ours in (row.wall, row.cores) for value in (plain, ours, ours / plain))
    return [row.name, *figures]


def main() -> None:
    files = [*omnidocbench()[0], ROOT / "examples" / "article-en.png"]
    (*samples, article), memory = measure(files)
    total = Row("**all samples**", _sum_pairs(row.wall for row in samples), _sum_pairs(row.cores for row in samples))
    write_report(
        "embedded",
        "Embedded engine: wall and core time of `/ocr` against plain RapidOCR",
        f"Goals: ratio of the wall's time ≤ {GOAL_RATIO} over the samples, ≤ {GOAL_ARTICLE} for the article.",
        table(
            ["page", "RapidOCR, s", "/ocr, s", "ratio", "RapidOCR, core s", "/ocr, core s", "ratio"],
            [_cells(row) for row in (*samples, total, article)],
        ),
        "## Peak resident memory, MB",
        table(list(memory), [[f"{peak:.0f}" for peak in memory.values()]]),
    )


if __name__ == "__main__":
    main()
