"""`make bench-jobs`: what a job costs beside the same document through `/ocr`, and what many and long ones need."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.load.runs import Run, send_concurrently
from benchmarks.load.servers import (
    Document,
    Reply,
    Server,
    has_all_blocks,
    make_document,
    open_session,
    start_engine,
    start_gateway,
    start_gateway_on,
)
from benchmarks.processes import Program
from benchmarks.report import command, table, verdict, write_report
from tests.support.fleet import IN_WORK, await_end, await_pages, fleet, numbered_pages, pages_read, read_size, submit
from tests.support.stub_engine import Reply as Answer
from tests.support.stub_engine import StubEngine

AT_ONCE, SHORT = 16, 20
ALONE = 8
"""Documents one after the other."""
QUALITY = 30
NEVER_S = 86_400.0
"""What an answer of the engine takes where nothing is to be read meanwhile."""
FSYNCS = 200
WARM_UP = 50
"""Jobs that are submitted before those whose time and memory count."""
RESTARTED_PAGES = 100
GOAL_CPU, GOAL_MORE_MS, GOAL_ACCEPT_MS, GOAL_QUEUE_MB, GOAL_PEAK = 1.10, 300, 50, 50, 1.2


@dataclass(frozen=True, slots=True)
class Queueing:
    """`accept_ms`: of each job; `fsync_ms`: of as many bytes alone, on the same disk; `more_mb`: what the gateway
    takes of memory when all wait, beside what it took before."""

    accept_ms: list[float]
    fsync_ms: list[float]
    more_mb: float


def p99(times: list[float]) -> float:
    return sorted(times)[int(0.99 * len(times))]


async def read_as_job(session: aiohttp.ClientSession, url: str, document: Document) -> Reply:
    """Submitted, waited for by its events, fetched, and deleted."""
    job = await submit_job(session, url, document)
    async with session.get(f"{url}/jobs/{job}/events") as events:
        async for _ in events.content.iter_any():  # an event tells of all pages: no line has a bound
            pass
    async with session.get(f"{url}/jobs/{job}/result") as response:
        body = await response.read()
    async with session.delete(f"{url}/jobs/{job}"):
        pass
    return Reply(response.status, response.status == 200 and has_all_blocks(json.loads(body)), len(body))


async def submit_job(session: aiohttp.ClientSession, url: str, document: Document) -> str:
    form = aiohttp.FormData()
    form.add_field("file", document.data, filename="document.pdf")
    async with session.post(f"{url}/jobs", data=form) as response:
        answer = await response.json()
    if response.status != 202:
        sys.exit(f"a job was answered {response.status}: {answer}")
    return str(answer["id"])


async def await_jobs(url: str) -> None:
    async with open_session() as session:
        while True:
            async with session.get(f"{url}/jobs") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.2)


@contextmanager
def start_with_jobs(stub: Program, data_dir: str, **settings: str) -> Iterator[Server]:
    """A gateway that takes jobs already."""
    with start_gateway(stub, DATA_DIR=data_dir, **settings) as server:
        asyncio.run(await_jobs(server.program.url))
        yield server


def compare(stub: Program, document: Document, at_once: int, count: int) -> tuple[Run, Run]:
    """The same documents through `/ocr`, and as jobs of the same gateway, so many at once."""
    with tempfile.TemporaryDirectory() as data, start_with_jobs(stub, data, MAX_JOBS=str(AT_ONCE)) as server:
        as_jobs = Server(server.program, read_as_job, (stub,))
        for way in (server, as_jobs):
            asyncio.run(send_concurrently(way, document, 4, 4))
        plain = asyncio.run(send_concurrently(server, document, at_once, count))
        return plain, asyncio.run(send_concurrently(as_jobs, document, at_once, count))


def fill_queue(document: Document, count: int) -> Queueing:
    with (
        tempfile.TemporaryDirectory() as data,
        StubEngine() as engine,
        start_gateway_on(engine.root, DATA_DIR=data, MAX_JOBS="1", MAX_QUEUED_JOBS=str(count + WARM_UP)) as program,
    ):
        asyncio.run(await_jobs(program.url))
        # Only now: without an engine that answers no gateway gets ready.
        engine.answer = lambda _request: Answer("never", delay_s=NEVER_S)
        asyncio.run(time_submissions(program.url, document, WARM_UP))
        before = program.rss_mb()
        accept_ms = asyncio.run(time_submissions(program.url, document, count))
        return Queueing(accept_ms, time_fsyncs(Path(data), len(document.data)), program.rss_mb() - before)


async def time_submissions(url: str, document: Document, count: int) -> list[float]:
    """Milliseconds of each of so many jobs, one after the other."""
    times = []
    async with open_session() as session:
        for _ in range(count):
            begun = time.monotonic()
            await submit_job(session, url, document)
            times.append(1000 * (time.monotonic() - begun))
    return times


def time_fsyncs(folder: Path, size: int) -> list[float]:
    """Milliseconds of writing and flushing so many bytes, many times."""
    times = []
    for number in range(FSYNCS):
        begun = time.monotonic()
        with (folder / f"probe-{number}").open("wb") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
        times.append(1000 * (time.monotonic() - begun))
    return times


def measure_peak(stub: Program, short: Document, document: Document, count: int) -> Run:
    """Jobs one after the other, at a gateway of their own that is warm."""
    large = {"MAX_UPLOAD_MB": "4000", "MAX_PAGES": str(max(document.pages, SHORT)), "MAX_JOBS": "1"}
    with tempfile.TemporaryDirectory() as data, start_with_jobs(stub, data, **large) as server:
        as_jobs = Server(server.program, read_as_job, (stub,))
        asyncio.run(send_concurrently(as_jobs, short, 1, 2))
        return asyncio.run(send_concurrently(as_jobs, document, 1, count))


def count_reread(folder: Path) -> int:
    """Pages that are read twice where the gateway is killed in the middle of a job."""
    with StubEngine(answer=read_size) as engine, fleet(folder, engine) as gateways:
        service = gateways.start()
        job = submit(service, numbered_pages(RESTARTED_PAGES))
        await_pages(service, job, RESTARTED_PAGES // 2)
        gateways.kill(service)
        await_end(gateways.start(), [job])
        return pages_read(engine) - RESTARTED_PAGES


def rate_jobs(plain: Run, jobs: Run) -> list[list[str]]:
    cpu, more_ms = jobs.cpu_ms_a_page / plain.cpu_ms_a_page, find_delay_ms(plain, jobs)
    return [
        [f"CPU a page, against `/ocr` ({SHORT} pages, {AT_ONCE} at once)", f"≤ {GOAL_CPU:.2f} ×", f"{cpu:.2f} ×",
         verdict(cpu <= GOAL_CPU)],
        ["median time of such a document, against `/ocr`", f"≤ +{GOAL_MORE_MS} ms", f"{more_ms:+.0f} ms",
         verdict(more_ms <= GOAL_MORE_MS)],
    ]  # fmt: skip


def rate_alone(plain: Run, jobs: Run) -> list[str]:
    """Where those at once keep all cores busy, each takes longer by what all cost of CPU; one alone does not."""
    more_ms = find_delay_ms(plain, jobs)
    return [
        "the same of documents one after the other", f"≤ +{GOAL_MORE_MS} ms", f"{more_ms:+.0f} ms",
        verdict(more_ms <= GOAL_MORE_MS),
    ]  # fmt: skip


def find_delay_ms(plain: Run, jobs: Run) -> float:
    return 1000 * (jobs.latency_s(0.5) - plain.latency_s(0.5))


def rate_queue(queueing: Queueing, count: int) -> list[list[str]]:
    accept_ms = p99(queueing.accept_ms)
    return [
        [f"time to accept one of {count:,} jobs, p99", f"≤ {GOAL_ACCEPT_MS} ms",
         f"{accept_ms:.0f} ms; one write and fsync {p99(queueing.fsync_ms):.0f} ms",
         verdict(accept_ms <= GOAL_ACCEPT_MS)],
        [f"memory for {count:,} jobs that wait", f"≤ +{GOAL_QUEUE_MB} MB", f"{queueing.more_mb:+.0f} MB",
         verdict(queueing.more_mb <= GOAL_QUEUE_MB)],
    ]  # fmt: skip


def rate_peak(many: Run, single: Run, shorts: int, pages: int) -> list[str]:
    peak = single.peak_mb / many.peak_mb
    return [
        f"peak memory of {pages:,} pages in one job, against {shorts} of {SHORT}", f"≤ {GOAL_PEAK} ×",
        f"{peak:.2f} × ({single.peak_mb:.0f} MB, {many.peak_mb:.0f} MB)", verdict(peak <= GOAL_PEAK),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.jobs", description=__doc__)
    parser.add_argument("--documents", type=int, default=32, help=f"of {SHORT} pages, through /ocr and as jobs")
    parser.add_argument("--queued", type=int, default=500, help="jobs that wait")
    parser.add_argument("--pages", type=int, default=400, help="of the long document")
    arguments = parser.parse_args()
    shorts = arguments.pages // SHORT
    with tempfile.TemporaryDirectory() as folder, start_engine() as stub:
        short, long = make_document(folder, SHORT, QUALITY), make_document(folder, arguments.pages, QUALITY)
        one = make_document(folder, 1, QUALITY)
        plain, jobs = compare(stub, short, AT_ONCE, arguments.documents)
        alone = compare(stub, short, 1, ALONE)
        queueing = fill_queue(one, arguments.queued)
        many, single = measure_peak(stub, short, short, shorts), measure_peak(stub, short, long, 1)
        reread = count_reread(Path(folder))
    rows = [
        *rate_jobs(plain, jobs),
        rate_alone(*alone),
        *rate_queue(queueing, arguments.queued),
        rate_peak(many, single, shorts, arguments.pages),
        [f"pages read again after a kill in the middle of {RESTARTED_PAGES}", f"≤ {IN_WORK} in work", str(reread),
         verdict(reread <= IN_WORK)],
    ]  # fmt: skip
    whole = {"through /ocr": plain, "as jobs": jobs, f"{shorts} jobs": many, "one job": single}
    ended = "; ".join(f"{name}: {dict(run.statuses())}" for name, run in whole.items())
    write_report(
        "jobs",
        "Jobs",
        f"Command: `{command()}`. On the stub engine with recorded layout, jobs on SQLite; others on the machine kept "
        f"{plain.foreign_cores:.1f} cores busy during `/ocr` and {jobs.foreign_cores:.1f} during jobs.",
        table(["what", "goal", "figure", "verdict"], rows),
        f"What became of the documents: {ended}.",
    )


if __name__ == "__main__":
    main()
