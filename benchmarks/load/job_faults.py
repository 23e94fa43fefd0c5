"""`make faults-jobs`: jobs while gateways are killed, the database stops and the engine goes away."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.report import command, table, verdict, write_report
from tests.support.fleet import (
    IN_WORK,
    Fleet,
    await_end,
    find_faults,
    fleet,
    get,
    numbered_pages,
    pages_read,
    post,
    read_size,
    submit,
)
from tests.support.postgres_server import PostgresServer, postgres_server
from tests.support.stub_engine import StubEngine

GATEWAYS = 3
MAX_JOBS = "2"
SEED = 16


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each fault. Seconds, but for counts."""

    pages: int
    kills: int
    jobs: int
    replica_kills: int
    pause_s: float
    database_s: float
    engine_s: float


SHORT = Size(pages=40, kills=3, jobs=6, replica_kills=2, pause_s=20, database_s=10, engine_s=10)
FULL = Size(pages=200, kills=20, jobs=50, replica_kills=15, pause_s=20, database_s=60, engine_s=300)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`faults`: what is not as an undisturbed run has it. `reread`: pages that were read again, of which the kills and
    outages may cost `allowed`."""

    what: str
    jobs: int
    pages: int
    faults: Sequence[str]
    reread: int
    allowed: int

    def row(self) -> list[str]:
        is_met = not self.faults and self.reread <= self.allowed
        told = "; ".join(self.faults[:3]) or "none"
        return [self.what, str(self.jobs), str(self.pages), told, f"{self.reread} (≤ {self.allowed})", verdict(is_met)]


@contextmanager
def start_fleet(folder: Path, count: int, **settings: str) -> Iterator[Fleet]:
    with StubEngine(answer=read_size) as engine, fleet(folder, engine, max_jobs=MAX_JOBS, **settings) as gateways:
        for _ in range(count):
            gateways.start()
        yield gateways


def disturb(what: str, gateways: Fleet, pages: int, jobs: int, faults: Sequence[Callable[[], None]]) -> Outcome:
    """The jobs while one fault after the other comes, compared with an undisturbed reading."""
    document = numbered_pages(pages)
    service = gateways.gateways[0]
    expected = post(service, "/ocr", document).json()["markdown"]
    gateways.engine.requests.clear()
    ids = [submit(service, document) for _ in range(jobs)]
    for fault in faults:
        fault()
    await_end(gateways.gateways[0], ids)
    reread = pages_read(gateways.engine) - jobs * pages
    print(f"{what}: done", file=sys.stderr, flush=True)
    found = find_faults(gateways.gateways[0], ids, expected, pages)
    return Outcome(what, jobs, pages, found, max(reread, 0), len(faults) * int(MAX_JOBS) * IN_WORK)


def kill_one(gateways: Fleet, after_s: float, drawn: random.Random) -> None:
    time.sleep(after_s)
    gateways.kill(drawn.choice(gateways.gateways))
    gateways.start()


def kill_on_sqlite(folder: Path, size: Size) -> Outcome:
    drawn = random.Random(SEED)
    with start_fleet(folder, 1) as gateways:
        kills = [partial(kill_one, gateways, drawn.uniform(0.1, 2.0), drawn) for _ in range(size.kills)]
        return disturb(f"gateway on SQLite killed {size.kills} times", gateways, size.pages, 1, kills)


def kill_replicas(folder: Path, size: Size, postgres: PostgresServer) -> Outcome:
    drawn = random.Random(SEED)
    what = f"one of {GATEWAYS} gateways on Postgres killed every {size.pause_s:g} s, {size.replica_kills} times"
    with start_fleet(folder, GATEWAYS, database_url=postgres.url("replicas")) as gateways:
        kills = [partial(kill_one, gateways, size.pause_s, drawn)] * size.replica_kills
        return disturb(what, gateways, size.pages, size.jobs, kills)


def interrupt(folder: Path, size: Size, postgres: PostgresServer) -> list[Outcome]:
    with start_fleet(folder, 1, database_url=postgres.url("outages")) as gateways:
        engine = gateways.engine

        def start_database() -> None:
            assert get(gateways.gateways[0], "/readyz").json()["limitations"]
            postgres.start()

        without_database = partial(pause, postgres.stop, start_database, size.database_s)
        without_engine = partial(pause, engine.kill, engine.start, size.engine_s)
        return [
            disturb(f"database stopped for {size.database_s:g} s", gateways, size.pages, 2, [without_database]),
            disturb(f"engine away for {size.engine_s:g} s", gateways, size.pages, 2, [without_engine]),
        ]


def pause(stop: Callable[[], None], start: Callable[[], None], seconds: float) -> None:
    """What the gateways need goes away in the middle of the jobs."""
    time.sleep(1)
    stop()
    time.sleep(seconds)
    start()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.job_faults", description=__doc__)
    parser.add_argument("--full", action="store_true", help="half an hour and more of it")
    size = FULL if parser.parse_args().full else SHORT
    with tempfile.TemporaryDirectory() as root, postgres_server() as postgres:
        folders = [Path(root) / name for name in ("sqlite", "replicas", "outages")]
        for folder in folders:
            folder.mkdir()
        outcomes = [
            kill_on_sqlite(folders[0], size),
            kill_replicas(folders[1], size, postgres),
            *interrupt(folders[2], size, postgres),
        ]
    header = ["fault", "jobs", "pages each", "lost, doubled, or of another text", "pages read again", "verdict"]
    write_report(
        "job-faults",
        "Jobs and faults",
        f"Command: `{command()}`. Real gateways, Postgres and SQLite; the engine is scripted and answers after 0.1 s "
        f"with a text for each page. Each gateway reads {MAX_JOBS} jobs at once; a kill is `kill -9`, at moments drawn "
        "by a seed. "
        f"A job of each gateway may have {IN_WORK} pages in work.",
        table(header, [outcome.row() for outcome in outcomes]),
        "The disk full, the clock set back an hour and the bucket away are in `tests/faults/jobs`.",
    )


if __name__ == "__main__":
    main()
