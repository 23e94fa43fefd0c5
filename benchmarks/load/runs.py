"""Documents sent to a server, and what became of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from benchmarks.cpu_sampler import OTHERS, CpuSampler
from benchmarks.load.servers import GATEWAY, Document, Reply, Server, open_session
from benchmarks.processes import Memory

SERVER, ENGINE = "server", "engine"
LOST = 0
"""The status of a document whose connection broke."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One document: seconds from the first byte sent to the last one back."""

    seconds: float
    reply: Reply


Send = Callable[[aiohttp.ClientSession, list[Outcome]], Awaitable[None]]


@dataclass
class Run:
    """All documents of one run. `cpu_s`: of SERVER, ENGINE, clients and OTHERS. `lag_ms`: the gateway's only."""

    pages_each: int
    wall_s: float
    cpu_s: Mapping[str, float]
    peak_mb: float
    slope_mb_an_hour: float
    outcomes: Sequence[Outcome]
    lag_ms: dict[str, float] = field(default_factory=dict)

    @property
    def read(self) -> list[Outcome]:
        """What was answered in full."""
        return [outcome for outcome in self.outcomes if outcome.reply.is_whole]

    @property
    def pages(self) -> int:
        return len(self.read) * self.pages_each

    @property
    def pages_a_second(self) -> float:
        return self.pages / self.wall_s

    @property
    def cpu_ms_a_page(self) -> float:
        return 1000 * self.cpu_s[SERVER] / max(self.pages, 1)

    @property
    def foreign_cores(self) -> float:
        """Cores that others on the machine kept busy."""
        return self.cpu_s[OTHERS] / self.wall_s

    def latency_s(self, share: float) -> float:
        """Of the documents that were read; `share` from 0 to 1."""
        times = sorted(outcome.seconds for outcome in self.read)
        return times[min(int(share * len(times)), len(times) - 1)] if times else float("nan")

    def statuses(self) -> Counter[str]:
        """Documents by what became of them: `whole`, `partial`, or the HTTP status (LOST)."""
        return Counter(_name(outcome.reply) for outcome in self.outcomes)


async def send_concurrently(server: Server, document: Document, concurrent: int, count: int) -> Run:
    """`count` documents, `concurrent` at a time: each client sends its next when it has its answer."""
    left = iter(range(count))

    async def send_in_turn(session: aiohttp.ClientSession, outcomes: list[Outcome]) -> None:
        for _ in left:
            outcomes.append(await _send(session, server, document))

    return await _measure(server, document, concurrent, send_in_turn)


async def send_for_seconds(server: Server, document: Document, concurrent: int, seconds: float) -> Run:
    """So many clients for a time."""
    end = time.monotonic() + seconds

    async def send_until_end(session: aiohttp.ClientSession, outcomes: list[Outcome]) -> None:
        while time.monotonic() < end:
            outcomes.append(await _send(session, server, document))

    return await _measure(server, document, concurrent, send_until_end)


async def send_at_rate(server: Server, document: Document, a_second: float, seconds: float) -> Run:
    """So many documents a second for a time, whatever becomes of those before: users who don't know of each other."""

    async def send_all(session: aiohttp.ClientSession, outcomes: list[Outcome]) -> None:
        begun = time.monotonic()
        async with asyncio.TaskGroup() as sending:
            for number in range(int(a_second * seconds)):
                await asyncio.sleep(begun + number / a_second - time.monotonic())
                sending.create_task(_note(session, server, document, outcomes))

    return await _measure(server, document, 1, send_all)


async def _note(session: aiohttp.ClientSession, server: Server, document: Document, outcomes: list[Outcome]) -> None:
    outcomes.append(await _send(session, server, document))


async def _measure(server: Server, document: Document, clients: int, send: Send) -> Run:
    outcomes: list[Outcome] = []
    async with open_session() as session:
        await _lag(session, server)
        with Memory(server.program).watch() as memory:
            programs = {SERVER: server.program.cpu_s, ENGINE: lambda: sum(one.cpu_s() for one in server.engines)}
            sampler, start = CpuSampler(programs), time.monotonic()
            await asyncio.gather(*(send(session, outcomes) for _ in range(clients)))
            wall_s, cpu_s = time.monotonic() - start, sampler.spent_s()
        lag = await _lag(session, server)
    return Run(document.pages, wall_s, cpu_s, memory.peak_mb, memory.slope_mb_an_hour(), outcomes, lag)


async def _send(session: aiohttp.ClientSession, server: Server, document: Document) -> Outcome:
    begun = time.monotonic()
    try:
        reply = await server.read(session, server.program.url, document)
    except aiohttp.ClientError:
        reply = Reply(LOST)
    return Outcome(time.monotonic() - begun, reply)


async def _lag(session: aiohttp.ClientSession, server: Server) -> dict[str, float]:
    """What the gateway's loop was late by since the last such question; empty for a peer."""
    if server.program.name != GATEWAY:
        return {}
    async with session.get(f"{server.program.url}/lag") as response:
        lag: dict[str, float] = await response.json()
    return lag


def _name(reply: Reply) -> str:
    if reply.status != 200:
        return str(reply.status)
    return "whole" if reply.is_whole else "partial"
