"""`make bench-bulk`: many small files of a real S3 by `paddleocr-vl bulk`, beside the same documents through `/ocr`."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import psutil
from pyarrow import dataset
from pyarrow.fs import S3FileSystem

from benchmarks.load.runs import SERVER, Run, send_concurrently
from benchmarks.load.servers import Document, make_document, start_engine, start_gateway
from benchmarks.processes import Program
from benchmarks.report import command, table, verdict, write_report
from tests.support.s3_server import BUCKET, KEY, SECRET, S3Server, client_of, s3_server

AT_ONCE = 16
WARM_UP = 32
POLL_S = 0.25
REGION = "ru-central-1"
GOAL_PACE = 0.95


@dataclass(frozen=True, slots=True)
class BulkRun:
    """`first_s`: until a file was done. Of the command with all that it starts: `peak_mb`, shared memory once, and
    `cpu_s`; `gateway_cpu_s` meanwhile."""

    wall_s: float
    first_s: float
    peak_mb: float
    cpu_s: float
    gateway_cpu_s: float


def put_files(server: S3Server, document: Document, count: int) -> None:
    storage = client_of(server)
    for number in range(count):
        storage.put_object(Bucket=BUCKET, Key=f"in/{number % 50}/{number:05}.pdf", Body=document.data)


def run_bulk(
    server: S3Server, gateway: Program, target: str, *words: str, until: Callable[[], bool] = lambda: False
) -> BulkRun:
    """The command until its end, or killed when `until` says so."""
    begun, gateway_cpu_s = time.monotonic(), gateway.cpu_s()
    process = subprocess.Popen(
        [sys.executable, "-m", "supervision.cli", "bulk", f"s3://{BUCKET}/in", f"s3://{BUCKET}/{target}",
         "--url", gateway.url, "-j", str(AT_ONCE), *words],
        env=_environment(server), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    program = Program("bulk", "", process)
    first_s, peak_mb, cpu_s, storage = 0.0, 0.0, 0.0, client_of(server)
    while process.poll() is None:
        if not first_s and storage.list_objects_v2(Bucket=BUCKET, Prefix=f"{target}/documents/", MaxKeys=1)["KeyCount"]:
            first_s = time.monotonic() - begun
        peak_mb, cpu_s = max(peak_mb, _pss_mb(program)), max(cpu_s, program.cpu_s())
        if until():
            process.kill()
        time.sleep(POLL_S)
    return BulkRun(time.monotonic() - begun, first_s, peak_mb, cpu_s, gateway.cpu_s() - gateway_cpu_s)


def count_reread(server: S3Server, gateway: Program, count: int) -> tuple[int, int]:
    """Pages that were begun twice where the command is killed at a third and at two thirds, and the table's keys."""
    before = pages_read(gateway)
    for share in (1 / 3, 2 / 3):
        run_bulk(server, gateway, "killed", until=lambda share=share: pages_read(gateway) - before >= share * count)  # type: ignore[misc]
    run_bulk(server, gateway, "killed")
    files = S3FileSystem(endpoint_override=server.url, region=REGION, access_key=KEY, secret_key=SECRET)
    rows = dataset.dataset(f"{BUCKET}/killed/table", filesystem=files).to_table()
    keys = rows["key"].to_pylist()
    if len(keys) != len(set(keys)):
        sys.exit("a file has two rows")
    return pages_read(gateway) - before - count, len(keys)


def pages_read(gateway: Program) -> int:
    with urllib.request.urlopen(f"{gateway.url}/metrics") as answer:
        return int(sum(float(value) for value in re.findall(rb"^ocr_pages_total\{.*\} (.+)$", answer.read(), re.M)))


def _environment(server: S3Server) -> Mapping[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    return {**os.environ, **keys, "AWS_ENDPOINT_URL": server.url, "AWS_REGION": REGION}


def _pss_mb(program: Program) -> float:
    total = 0.0
    for process in program.tree():
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / 1e6


def rate(name: str, run: BulkRun, count: int, plain: Sequence[Run]) -> list[list[str]]:
    """Against `/ocr` before and after. Documents that lack something count on both sides: a busy machine has some."""
    pace = mean(count / one.wall_s for one in plain)
    cpu = run.gateway_cpu_s / mean(one.cpu_s[SERVER] for one in plain)
    whole, later = count / run.wall_s / pace, (count - 1) / (run.wall_s - run.first_s) / pace
    return [
        [f"{name}: pages/s from the first result on ÷ `/ocr`", f"≥ {GOAL_PACE}", f"{later:.2f}",
         verdict(later >= GOAL_PACE)],
        [f"{name}: pages/s of the whole command ÷ `/ocr`", "", f"{whole:.2f}", ""],
        [f"{name}: CPU of the gateway a page ÷ `/ocr`", "", f"{cpu:.2f}", ""],
        [f"{name}: CPU of the command", "", f"{run.cpu_s:.1f} s, {1000 * run.cpu_s / count:.0f} ms a page", ""],
        [f"{name}: seconds until the first result", "", f"{run.first_s:.1f}", ""],
        [f"{name}: peak memory of the command (PSS)", "", f"{run.peak_mb:.0f} MB", ""],
    ]  # fmt: skip


def measure(folder: Path, count: int, with_ray: bool) -> tuple[list[list[str]], str]:
    ways: dict[str, tuple[str, ...]] = {"threads": ()} | ({"Ray": ("--ray-address", "local")} if with_ray else {})
    with s3_server(folder) as storage, start_engine() as stub, start_gateway(stub) as server:
        document = make_document(str(folder), 1)
        put_files(storage, document, count)

        def pace(number: int) -> Run:
            return asyncio.run(send_concurrently(server, document, AT_ONCE, number))

        pace(WARM_UP)
        plain, rows = [pace(count)], []
        for name, words in ways.items():
            run = run_bulk(storage, server.program, name, *words)
            plain.append(pace(count))
            rows += rate(name, run, count, plain[-2:])
        reread, keys = count_reread(storage, server.program, count)
    rows.append(
        ["pages read again after kills at a third and at two thirds", f"≤ {2 * AT_ONCE} in work", str(reread),
         verdict(reread <= 2 * AT_ONCE and keys == count)]
    )  # fmt: skip
    told = "; ".join(
        f"{count / run.wall_s:.1f} pages/s ({dict(run.statuses())}), others kept {run.foreign_cores:.1f} cores busy"
        for run in plain
    )
    return rows, f"`/ocr` before and after each: {told}."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("--files", type=int, default=200, help="of one page")
    parser.add_argument("--no-ray", action="store_true", help="leave Ray out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, told = measure(Path(folder), arguments.files, not arguments.no_ray)
    write_report(
        "bulk",
        "Many files",
        f"Command: `{command()}`. {arguments.files:,} PDFs of one page on SeaweedFS, {AT_ONCE} at once; the gateway on "
        f"the stub engine with recorded layout, all on this machine.",
        table(["what", "goal", "figure", "verdict"], rows),
        told,
    )


if __name__ == "__main__":
    main()
