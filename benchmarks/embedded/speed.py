"""`python -m benchmarks.embedded.speed`: `/ocr` with the embedded engine against plain RapidOCR over the same files.

Both read every page in turn, page by page, in one run, so that what else the machine does falls on both.
"""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.report import table, write_report
from benchmarks.service import peak_memory_mb, start_service
from tests.support.samples import omnidocbench

GOAL_RATIO = 1.1


def plain_rapidocr(pipe: Connection) -> None:
    """Child process: RapidOCR as its README starts it. Answers each path with the seconds it took."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})
    pipe.send(None)
    while path := pipe.recv():
        start = time.perf_counter()
        engine(str(path))
        pipe.send(time.perf_counter() - start)


def measure(files: list[Path]) -> tuple[list[tuple[str, float, float]], dict[str, float]]:
    """Per file its name, seconds of plain RapidOCR and of `/ocr`; peak memory by process, MB."""
    pipe, child_pipe = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=plain_rapidocr, args=(child_pipe,))
    child.start()
    pipe.recv()
    rows: list[tuple[str, float, float]] = []
    with start_service(VLM_ENGINE="embedded") as service:
        for round_files in (files[:1], files):  # the first file once more: models allocate at their first page
            rows = []
            for file in round_files:
                pipe.send(file)
                plain = pipe.recv()
                start = time.perf_counter()
                service.ocr(file, images="none")
                rows.append((file.stem, plain, time.perf_counter() - start))
        memory = {**service.peak_memory_mb(), "plain RapidOCR": peak_memory_mb(child.pid or 0)}
    pipe.send(None)
    child.join()
    return rows, memory


def main() -> None:
    rows, memory = measure(omnidocbench()[0])
    plain, ours = sum(row[1] for row in rows), sum(row[2] for row in rows)
    cells = [[name, f"{a:.2f}", f"{b:.2f}", f"{b / a:.2f}"] for name, a, b in rows]
    write_report(
        "embedded",
        "Embedded engine: wall time of `/ocr` against plain RapidOCR",
        f"Goal: ratio ≤ {GOAL_RATIO} over all pages.",
        table(
            ["page", "RapidOCR, s", "/ocr, s", "ratio"],
            [*cells, ["**all**", f"{plain:.2f}", f"{ours:.2f}", f"**{ours / plain:.2f}**"]],
        ),
        "## Peak resident memory, MB",
        table(list(memory), [[f"{peak:.0f}" for peak in memory.values()]]),
    )


if __name__ == "__main__":
    main()
