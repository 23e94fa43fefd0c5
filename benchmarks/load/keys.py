"""`make bench-keys`: a thousand keys, fifty of them at work, one flooding; limits; and what a key's check costs."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import aiohttp
import yaml

from benchmarks.load.servers import Document, make_document, open_session, start_engine, start_gateway
from benchmarks.report import command, table, verdict, write_report
from gateway.keys.accounts import Account, KeyLimits
from gateway.keys.keyring import Keyring
from gateway.keys.shared_counts import SharedCounts
from tests.support.postgres_server import postgres_server

KEYS, AT_WORK = 1000, 50
FLOOD_AT_ONCE, PAUSE_S = 64, 0.2
"""The pause after a refusal, which asks for more: at least 1 s."""
FLOODING, FEW_REQUESTS, FEW_PAGES, LIMITED = "flooding", "few-requests", "few-pages", "limited"
REQUESTS, PAGES = 600, 40
"""Limits a minute of the two keys that have any; twice as much is asked for."""
CALLS_AT_ONCE = 16
CHECKS = 100_000
SHARED, SHARED_A_SECOND, START_S = 1000, 50, 60
GOAL_SLOWDOWN, GOAL_OVERSHOOT, GOAL_CHECK_US = 1.5, 0.01, 100


def write_keys(folder: str) -> Path:
    entries: list[Mapping[str, object]] = [{"name": name, "hashes": [_hash(name)]} for name in map(_name, range(KEYS))]
    entries += [
        {"name": FLOODING, "hashes": [_hash(FLOODING)]},
        {"name": FEW_REQUESTS, "hashes": [_hash(FEW_REQUESTS)], "limits": {"requests_per_minute": REQUESTS}},
        {"name": LIMITED, "hashes": [_hash(LIMITED)], "limits": dict.fromkeys(KeyLimits.model_fields, 10**9)},
        {"name": FEW_PAGES, "hashes": [_hash(FEW_PAGES)], "limits": {"pages_per_minute": PAGES}},
    ]
    file = Path(folder) / "keys.yaml"
    file.write_text(yaml.safe_dump({"keys": entries}), encoding="utf-8")
    return file


def _name(number: int) -> str:
    return f"team-{number}"


def _hash(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


async def send(session: aiohttp.ClientSession, url: str, key: str, body: bytes) -> tuple[int, float]:
    """Status and seconds."""
    began = time.perf_counter()
    async with session.post(f"{url}/ocr", data=body, headers={"X-API-Key": key}) as answer:
        await answer.read()
    return answer.status, time.perf_counter() - began


async def read_politely(url: str, page: Document, rounds: int) -> list[float]:
    """Seconds of each page of `AT_WORK` keys, one at a time each. Raises ValueError for any answer but 200."""
    times = list[float]()

    async def read_in_turn(session: aiohttp.ClientSession, key: str) -> None:
        for _ in range(rounds):
            status, seconds = await send(session, url, key, page.data)
            if status != 200:
                raise ValueError(f"{key} was answered {status}")
            times.append(seconds)

    async with open_session() as session:
        await asyncio.gather(*(read_in_turn(session, _name(number * KEYS // AT_WORK)) for number in range(AT_WORK)))
    return times


async def read_beside_flood(url: str, page: Document, rounds: int) -> tuple[list[float], Counter[int]]:
    """Seconds as of `read_politely`, and what the flooding key was answered."""
    answers = Counter[int]()

    async def flood(session: aiohttp.ClientSession) -> None:
        while True:
            with suppress(aiohttp.ClientError):
                status, _ = await send(session, url, FLOODING, page.data)
                answers[status] += 1
                await asyncio.sleep(PAUSE_S if status == 429 else 0)

    async with open_session() as session:
        tasks = [asyncio.create_task(flood(session)) for _ in range(FLOOD_AT_ONCE)]
        times = await read_politely(url, page, rounds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return times, answers


async def count_accepted(url: str, key: str, body: bytes, asked: int) -> int:
    """Of so many requests within a minute those that are not told of the key's limit."""
    left = iter(range(asked))
    accepted = 0

    async def send_in_turn(session: aiohttp.ClientSession) -> None:
        nonlocal accepted
        for _ in left:
            status, _ = await send(session, url, key, body)
            accepted += status != 429

    async with open_session() as session:
        await asyncio.gather(*(send_in_turn(session) for _ in range(CALLS_AT_ONCE)))
    return accepted


def time_check(file: Path) -> float:
    """Microseconds of CPU to find a key among all and to count a request of it."""
    keyring = Keyring((), file)
    keys = [_name(number) for number in range(KEYS)]
    began = time.process_time()
    for at in range(CHECKS):
        find_account(keyring, keys[at % KEYS]).take_request()
    return 1e6 * (time.process_time() - began) / CHECKS


def time_limits(file: Path) -> float:
    """The same for a document of one page, of a key that has all limits."""
    keyring = Keyring((), file)
    began = time.process_time()
    for _ in range(CHECKS):
        count_document(find_account(keyring, LIMITED))
    return 1e6 * (time.process_time() - began) / CHECKS


async def time_shared(file: Path, database_url: str) -> float:
    """The same where gateways share their counts, at `SHARED_A_SECOND`: what all of it takes more than a loop that
    counts nothing."""
    keyring = Keyring((), file)
    counts = SharedCounts(keyring, database_url)
    task = asyncio.create_task(counts.run())
    async with asyncio.timeout(START_S):
        while not counts.is_shared:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.1)
    try:
        spent = {}
        for counting in (False, True):
            began_s, began = time.process_time(), time.monotonic()
            for number in range(SHARED):
                await asyncio.sleep(max(0.0, began + number / SHARED_A_SECOND - time.monotonic()))
                if counting:
                    count_document(find_account(keyring, LIMITED))
            spent[counting] = time.process_time() - began_s
        return 1e6 * (spent[True] - spent[False]) / SHARED
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def late_of(times: Sequence[float]) -> float:
    return sorted(times)[int(0.95 * len(times))]


def find_account(keyring: Keyring, key: str) -> Account:
    account = keyring.find(key)
    assert account is not None
    account.require_scope("ocr")
    return account


def count_document(account: Account) -> None:
    """All that is counted of a document of one page."""
    account.take_request()
    with account.hold_document(), account.hold_pages(1) as count:
        count()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.keys", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="pages that each key reads, alone and beside the flood")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, start_engine() as stub:
        file, page = write_keys(folder), make_document(folder)
        check_us, limits_us = time_check(file), time_limits(file)
        with postgres_server() as postgres:
            shared_us = asyncio.run(time_shared(file, postgres.url("postgres")))
        with start_gateway(stub, API_KEYS_FILE=str(file), MAX_WAIT_S="600") as server:
            url = server.program.url
            asyncio.run(read_politely(url, page, 1))
            alone = asyncio.run(read_politely(url, page, rounds))
            beside, flood = asyncio.run(read_beside_flood(url, page, rounds))
            requests = asyncio.run(count_accepted(url, FEW_REQUESTS, b"no document", 2 * REQUESTS))
            pages = asyncio.run(count_accepted(url, FEW_PAGES, page.data, 2 * PAGES))
    slowdown, late = median(beside) / median(alone), late_of(beside) / late_of(alone)
    worst = max(abs(requests - REQUESTS) / REQUESTS, abs(pages - PAGES) / PAGES)
    limits = f"{requests} requests of {REQUESTS}, {pages} pages of {PAGES}"
    shares = f"{slowdown:.2f} × ({median(alone):.2f} s alone, {median(beside):.2f} s beside it)"
    told = ", ".join(f"{count} × {status}" for status, count in sorted(flood.items()))
    write_report(
        "keys",
        "Keys",
        f"Command: `{command()}`. {KEYS:,} keys in `API_KEYS_FILE`, {AT_WORK} of them at work with one page at a time "
        f"each, {rounds} each; one more key floods with {FLOOD_AT_ONCE} at once, each again {PAUSE_S} s after a "
        f"refusal, which were answered {told}. Stub engine, layout recorded. Limits are a minute's, and twice as much "
        "was asked for within it.",
        table(
            ["what", "goal", "figure", "verdict"],
            [
                ["median page beside the flood", f"≤ {GOAL_SLOWDOWN} ×", shares, verdict(slowdown <= GOAL_SLOWDOWN)],
                ["one page in twenty (p95)", f"≤ {GOAL_SLOWDOWN} ×", f"{late:.2f} ×", verdict(late <= GOAL_SLOWDOWN)],
                ["limits", f"within {GOAL_OVERSHOOT:.0%}", limits, verdict(worst <= GOAL_OVERSHOOT)],
                *(
                    [f"CPU of {what}", f"≤ {GOAL_CHECK_US} µs", f"{us:.1f} µs", verdict(us <= GOAL_CHECK_US)]
                    for what, us in {
                        "a key's check": check_us,
                        "a key's check, and of all limits of a document of one page": limits_us,
                        f"the same with counts shared by Postgres, {SHARED_A_SECOND} documents a second": shared_us,
                    }.items()
                ),
            ],
        ),
    )


if __name__ == "__main__":
    main()
