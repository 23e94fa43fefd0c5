"""Gateways on one Postgres and one folder: each serves the jobs of all, and no end of one loses anything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from gateway.jobs.execution import JobExecutor
from gateway.jobs.queue import DATABASE_THREADS, JobQueue
from gateway.storage.objects import FolderObjects
from tests.gateway.jobs.test_execution import Steps
from tests.support import local_http
from tests.support.fleet import (
    IN_WORK,
    Fleet,
    await_end,
    await_pages,
    find_faults,
    fleet,
    get,
    numbered_pages,
    pages_read,
    post,
    read_size,
    state_of,
    submit,
)
from tests.support.postgres_server import PostgresServer
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import WAIT_S, wait_until

PAGES = 24
DOCUMENT, ONE_PAGE = numbered_pages(PAGES), numbered_pages(1)


@pytest.fixture(scope="module")
def engine() -> Iterator[StubEngine]:
    with StubEngine() as running:
        yield running


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, engine: StubEngine) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with fleet(folder, engine, database_url=postgres.url("pair"), max_jobs="1") as running:
        running.start()
        running.start()
        yield running


def test_any_gateway_shows_and_ends_the_jobs_of_another(pair: Fleet) -> None:
    one, two = pair.gateways
    pair.engine.answer = lambda _request: Reply("never", delay_s=3600)
    jobs = [submit(one, DOCUMENT), submit(two, DOCUMENT)]
    for job in jobs:
        wait_until(lambda: state_of(one, job) == state_of(two, job) == "running", "the reading", one.log)  # noqa: B023
    wait_until(lambda: pair.engine.running > 1, "calls of both")
    assert {job["id"] for job in get(one, "/jobs").json()["jobs"]} == set(jobs)
    # Whichever reads which: each is asked to end the one of the other, or its own.
    for job in jobs:
        assert local_http.delete(f"{one.url}/jobs/{job}").status_code == 204
        assert get(two, f"/jobs/{job}").status_code == 404
    wait_until(lambda: pair.engine.running == 0, "calls to be dropped", two.log)
    wait_until(lambda: "ocr_jobs_gateways 2.0" in get(one, "/metrics").text, "a beat that counts both", one.log)


def test_a_storm_of_deletions_leaves_nothing_behind(pair: Fleet) -> None:
    pair.engine.answer = read_size

    def submit_and_delete(number: int) -> int:
        at, other = pair.gateways[number % 2], pair.gateways[1 - number % 2]
        return local_http.delete(f"{other.url}/jobs/{submit(at, ONE_PAGE)}").status_code

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(submit_and_delete, range(40))) == {204}
    assert get(pair.gateways[0], "/jobs").json()["jobs"] == []
    wait_until(lambda: not list((pair.folder / "data" / "jobs").iterdir()), "their folders to go")
    job = submit(pair.gateways[0], ONE_PAGE)
    await_end(pair.gateways[1], [job])
    assert state_of(pair.gateways[1], job) == "done"


def test_jobs_of_a_killed_gateway_go_on_at_another(pair: Fleet) -> None:
    one, two = pair.gateways
    pair.engine.answer = read_size
    expected = post(one, "/ocr", DOCUMENT).json()["markdown"]
    pair.engine.requests.clear()
    jobs = [submit(one, DOCUMENT) for _ in range(2)]
    for job in jobs:
        await_pages(two, job, 3)
    pair.kill(one)
    await_end(two, jobs)
    assert find_faults(two, jobs, expected, PAGES) == []
    assert pages_read(pair.engine) <= 2 * PAGES + IN_WORK


async def test_a_gateway_whose_calls_wait_for_the_database_lives(postgres: PostgresServer, tmp_path: Path) -> None:
    """The others take for dead who stops counting, and read its jobs anew."""
    queue, answers = JobQueue(), threading.Event()
    executor = JobExecutor(queue, postgres.url("slow"), tmp_path, FolderObjects(tmp_path), 1)
    await executor.start(Steps())
    calls = [asyncio.create_task(queue.call(answers.wait)) for _ in range(DATABASE_THREADS)]
    try:
        before = count_beats(postgres)
        await asyncio.wait_for(executor.beat(), WAIT_S)
        assert count_beats(postgres) == before + 1
    finally:
        answers.set()
        await asyncio.gather(*calls, return_exceptions=True)
        await executor.stop()


def count_beats(postgres: PostgresServer) -> int:
    """Of the only gateway there is."""
    with psycopg.connect(postgres.url("slow")) as connection:
        [(beats,)] = connection.execute("select beats from paddleocr_vl.gateways").fetchall()
    return int(beats)
