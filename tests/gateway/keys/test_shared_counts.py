"""Limits of keys over gateways of one Postgres: each counts for all, and none waits for the database."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest

from gateway.errors import ServiceError
from gateway.keys.accounts import Account, Window
from gateway.keys.counts_table import TIMEOUT_S, Counts, CountsTable, WindowId
from gateway.keys.keyring import Keyring
from gateway.keys.shared_counts import SharedCounts
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import eventually

GATEWAYS = 3
KEYS = 200
NOON = 1_772_366_400.0
"""Of a day in 2026: clocks of tests begin no minute while one runs."""


@pytest.fixture
def url(postgres: PostgresServer, request: pytest.FixtureRequest) -> str:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:16]
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    return postgres.url(name)


def write_keys(path: Path, count: int, **limits: int) -> Path:
    keys = [
        {"name": f"key-{at}", "hashes": ["sha256:" + hashlib.sha256(f"{at}".encode()).hexdigest()], "limits": limits}
        for at in range(count)
    ]
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"keys": keys}))
    return draft.replace(path)


@asynccontextmanager
async def replicas(
    url: str, path: Path, count: int = GATEWAYS, timeout_s: float = TIMEOUT_S
) -> AsyncIterator[list[SharedCounts]]:
    """So many gateways' counts, that have reached the database."""
    # No round counts as slow, whatever this machine does besides.
    made = [SharedCounts(Keyring([], path, clock=lambda: NOON), url, timeout_s, timeout_s) for _ in range(count)]
    tasks = [asyncio.create_task(one.run()) for one in made]
    try:
        for one in made:
            await eventually(lambda: one.is_shared)  # noqa: B023
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def find(one: SharedCounts, key: int = 0) -> Account:
    account = one.keyring.find(str(key))
    assert account is not None
    return account


def is_let_in(account: Account) -> bool:
    try:
        account.take_request()
    except ServiceError:
        return False
    return True


def used(account: Account) -> int:
    return account.usage().requests_per_minute.used


async def test_a_limit_is_one_for_all(url: str, tmp_path: Path) -> None:
    async with replicas(url, write_keys(tmp_path / "keys", 1, requests_per_minute=100, pages_per_day=50)) as made:
        one, two, three = map(find, made)
        assert sum(is_let_in(one) for _ in range(90)) == 90
        await eventually(lambda: used(two) == used(three) == 90)
        assert sum(is_let_in(two) for _ in range(90)) == 10
        await eventually(lambda: used(three) == 100)
        assert not is_let_in(three)
        with one.hold_pages(40) as count:
            await eventually(lambda: three.pages_left() == 10)
            count()
        await eventually(lambda: three.pages_left() == 49)


async def test_documents_at_once_are_those_of_all(url: str, tmp_path: Path) -> None:
    async with replicas(url, write_keys(tmp_path / "keys", 1, documents=2), 2) as made:
        one, two = map(find, made)
        with one.hold_document():
            await eventually(lambda: two.documents_elsewhere == 1)
            with two.hold_document():
                await eventually(lambda: one.documents_elsewhere == 1)
                with pytest.raises(ServiceError, match="2 documents"), one.hold_document():
                    pass
        await eventually(lambda: two.documents_elsewhere == 0)
        with two.hold_document(), two.hold_document():
            pass


async def test_documents_of_a_key_whose_limit_changes(url: str, tmp_path: Path) -> None:
    """They are told to the others whatever its limits, and are over for them when they are over."""
    limited, path = {"documents": 1, "requests_per_minute": 1000}, tmp_path / "keys"
    async with replicas(url, write_keys(path, 1, **limited), 2) as made:
        one, two = map(find, made)

        def limit(**limits: int) -> None:
            write_keys(path, 1, **limits)
            for replica in made:
                replica.keyring.reload()

        with one.hold_document():
            await eventually(lambda: two.documents_elsewhere == 1)
            limit()
        limit(**limited)
        await eventually(lambda: two.documents_elsewhere == 0)
        limit()
        with one.hold_document():
            limit(**limited)
            await eventually(lambda: two.documents_elsewhere == 1)


async def test_one_of_many_keys_floods(url: str, tmp_path: Path) -> None:
    """It gets its limit, and at most what the other gateways let pass in a round; others get what they ask for."""
    limit, asked = 60, 5
    async with replicas(url, write_keys(tmp_path / "keys", KEYS, requests_per_minute=limit)) as made:
        let_in, refused = 0, 0
        flooding = [find(one) for one in made]
        for turn in range(30):
            let_in += sum(map(is_let_in, flooding))
            others = [1 + (turn * asked + at) % (KEYS - 1) for at in range(asked)]
            refused += sum(not is_let_in(find(made[key % GATEWAYS], key)) for key in others)
            # As fast as the database answers, whatever this machine does besides.
            await eventually(lambda: min(map(used, flooding)) >= min(let_in, limit))  # noqa: B023
    assert limit <= let_in < limit + GATEWAYS
    assert refused == 0


class SlowTable:
    """Three gateways' counts; each round takes as long on its way there as on its way back. Those that count anything
    do so in rounds that come to the database together, whatever this machine does besides."""

    WAY_S = 0.02

    def __init__(self, counts: Counter[WindowId], together: threading.Barrier) -> None:
        self._counts, self._together = counts, together
        self._turn = threading.Lock()

    def join(self) -> int:
        time.sleep(2 * self.WAY_S)
        return GATEWAYS

    def exchange(self, counted: Mapping[WindowId, int], _documents: Mapping[str, int]) -> Counts:
        time.sleep(self.WAY_S)
        self._together.wait()
        with self._turn:
            self._counts.update(counted)
            found = Counts({one: self._counts[one] for one in counted}, {})
        time.sleep(self.WAY_S)
        return found

    def read_all(self, _now: float, _documents: Mapping[str, int]) -> Counts:
        return Counts(dict(self._counts), {}, GATEWAYS)

    def cut(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("asked", [(1, 1, 1), (8, 1, 1), (50, 50, 50), (1, 0, 0)])
async def test_a_slow_database_lets_nobody_exceed_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Sequence[int]
) -> None:
    """Whatever comes to each gateway in the time of a round: the limit is used up, and exceeded by two at most."""
    limit = 600
    counts, together = Counter[WindowId](), threading.Barrier(sum(map(bool, asked)))
    monkeypatch.setattr("gateway.keys.shared_counts.CountsTable", lambda _url, _gateway: SlowTable(counts, together))
    path = write_keys(tmp_path / "keys", 1, requests_per_minute=limit)
    made = [SharedCounts(Keyring([], path, clock=lambda: NOON), "", slow_s=0.0) for _ in range(GATEWAYS)]
    tasks = [asyncio.create_task(one.run()) for one in made]
    try:
        for one in made:
            await eventually(lambda: one.is_shared)  # noqa: B023
        accounts, let_in = list(map(find, made)), 0
        while counts.total() < limit:
            let_in += sum(is_let_in(one) for one, count in zip(accounts, asked, strict=True) for _ in range(count))
            await asyncio.sleep(0.001)
        assert limit <= let_in <= limit + GATEWAYS - 1
    finally:
        together.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_shares_that_are_used_up_in_every_round_exceed_a_limit_by_two_at_most() -> None:
    """Whatever the order in which the rounds of three gateways come to the database."""
    limit, total = 3000, 0
    windows = [Window("requests_per_minute", "requests", "a minute") for _ in range(GATEWAYS)]
    while total < limit:
        for window in windows:
            while window.has_room(1, limit, GATEWAYS):
                window.count(1)
        windows.reverse()
        for window in windows:
            total += window.unshared
            window.used, window.unshared = total, 0
    assert limit <= total <= limit + 2


class ForgetfulTable(SlowTable):
    """Its second count of the gateways, which waits for `may_read`, misses the others."""

    def __init__(self) -> None:
        super().__init__(Counter(), threading.Barrier(1))
        self.may_read = threading.Event()

    def read_all(self, _now: float, _documents: Mapping[str, int]) -> Counts:
        self.may_read.wait()
        return Counts({}, {}, 1)


async def test_a_gateway_divides_from_its_first_answer_on_and_whatever_the_next_one_misses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = ForgetfulTable()
    monkeypatch.setattr("gateway.keys.shared_counts.CountsTable", lambda _url, _gateway: table)
    path = write_keys(tmp_path / "keys", 1, requests_per_minute=90)
    one = SharedCounts(Keyring([], path, clock=lambda: NOON), "", slow_s=0.0)
    task = asyncio.create_task(one.run())
    try:
        await eventually(lambda: find(one).gateways == GATEWAYS)
        assert sum(is_let_in(find(one)) for _ in range(90)) == 10
        table.may_read.set()
        await eventually(lambda: one.is_shared)
        assert find(one).gateways == GATEWAYS
    finally:
        table.may_read.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_clock_that_has_jumped_ahead_takes_nothing_from_the_others(url: str) -> None:
    one, other = CountsTable(url, "one"), CountsTable(url, "other")
    try:
        one.join()
        now = time.time()
        window = WindowId("owner", "pages_per_day", int(now) + 3600)
        one.exchange({window: 7}, {})
        other.read_all(now + 400 * 86_400, {})
        assert one.read_all(now, {}).windows == {window: 7}
    finally:
        one.close()
        other.close()


def test_a_gateway_that_tells_seldom_is_counted(url: str) -> None:
    """A slow database has half a minute between two of its tellings; what it adds tells of it too."""
    tables = one, two = [CountsTable(url, name) for name in ("one", "two")]

    def age(seconds: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "update paddleocr_vl.key_documents set told = now() - make_interval(secs => %s)", [seconds]
            )

    try:
        one.join()
        age(30)
        assert two.join() == 2
        age(3000)
        assert two.read_all(NOON, {}).gateways == 1
        one.exchange({}, {"owner": 1})
        assert two.read_all(NOON, {}).gateways == 2
    finally:
        for table in tables:
            table.close()


def test_what_is_larger_than_a_share_goes_alone() -> None:
    window = Window("pages_per_day", "pages", "a day", used=400, unshared=0)
    assert window.has_room(200, 1000, 3)
    window.count(200)
    assert not window.has_room(1, 1000, 3)
    assert not Window("pages_per_day", "pages", "a day", used=900).has_room(101, 1000, 3)


async def test_counts_outlive_the_gateways(url: str, tmp_path: Path) -> None:
    path = write_keys(tmp_path / "keys", 1, pages_per_day=5)
    async with replicas(url, path, 2) as made:
        with find(made[0]).hold_pages(3) as count:
            for _ in range(3):
                count()
        await eventually(lambda: find(made[1]).pages_left() == 2)
    async with replicas(url, path, 1) as made:
        assert find(made[0]).pages_left() == 2


async def test_without_the_database_each_counts_alone_and_tells_later(
    postgres: PostgresServer, url: str, tmp_path: Path
) -> None:
    async with replicas(url, write_keys(tmp_path / "keys", 1, requests_per_minute=10), 2) as made:
        one, two = map(find, made)
        assert is_let_in(one)
        await eventually(lambda: used(two) == 1)
        postgres.stop()
        try:
            assert sum(is_let_in(one) for _ in range(20)) == 9
            assert sum(is_let_in(two) for _ in range(4)) == 4
            await eventually(lambda: all(replica.reason for replica in made))
        finally:
            await asyncio.to_thread(postgres.start)
        await eventually(lambda: not any(replica.reason for replica in made))
        await eventually(lambda: used(two) == used(one) == 14)
        assert not is_let_in(two)


async def test_without_the_database_documents_are_those_of_each(
    postgres: PostgresServer, url: str, tmp_path: Path
) -> None:
    async with replicas(url, write_keys(tmp_path / "keys", 1, documents=1), 2) as made:
        one, two = map(find, made)
        with one.hold_document():
            await eventually(lambda: two.documents_elsewhere == 1)
            postgres.stop()
            try:
                await eventually(lambda: made[1].reason)
                with two.hold_document():
                    pass
            finally:
                await asyncio.to_thread(postgres.start)
            await eventually(lambda: two.documents_elsewhere == 1)
            with pytest.raises(ServiceError, match="1 documents"):
                two.hold_document().__enter__()


@contextmanager
def hanging(url: str) -> Iterator[psycopg.Connection]:
    """A database that answers nothing of the counts while it lasts."""
    with psycopg.connect(url) as connection:
        connection.execute("lock table paddleocr_vl.key_documents, paddleocr_vl.key_windows")
        yield connection


async def test_a_database_that_hangs_is_away(url: str, tmp_path: Path) -> None:
    async with replicas(url, write_keys(tmp_path / "keys", 1, documents=1), 2, timeout_s=1) as made:
        one, two = map(find, made)
        with one.hold_document():
            await eventually(lambda: two.documents_elsewhere == 1)
            with hanging(url):
                await eventually(lambda: made[1].reason)
                with two.hold_document():
                    pass
            await eventually(lambda: two.documents_elsewhere == 1)


async def test_a_database_that_hangs_does_not_hold_up_the_end(url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        async with replicas(url, write_keys(tmp_path / "keys", 1, requests_per_minute=10), 1, timeout_s=1e6):
            hung = stack.enter_context(hanging(url))
            waiting = "select count(*) from pg_locks where not granted"
            await eventually(lambda: hung.execute(waiting).fetchone() == (1,))
