from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.scheduling.body_turns import BodyTurns
from gateway.scheduling.fair_threads import CALLER

PIECES = 20


async def upload(turns: BodyTurns, caller: str, pieces: int, taken: list[str]) -> None:
    CALLER.set(caller)
    for _ in range(pieces):
        await turns.wait()
        taken.append(caller)


async def test_other_work_goes_on_between_pieces() -> None:
    turns, taken = BodyTurns(), list[str]()
    uploads = [asyncio.create_task(upload(turns, "one", PIECES, taken)) for _ in range(64)]
    before, between = 0, list[int]()
    while len(taken) < 64 * PIECES:
        await asyncio.sleep(0)
        between.append(len(taken) - before)
        before = len(taken)
    assert max(between) <= 2
    await asyncio.gather(*uploads)


async def test_callers_take_turns() -> None:
    turns, taken = BodyTurns(), list[str]()
    many = [asyncio.create_task(upload(turns, "many", PIECES, taken)) for _ in range(16)]
    await asyncio.sleep(0)
    await upload(turns, "few", PIECES, taken)
    assert taken.count("many") <= PIECES + 3
    await asyncio.gather(*many)


async def test_who_leaves_keeps_no_turn() -> None:
    turns, taken = BodyTurns(), list[str]()
    leaving: Sequence[asyncio.Task[None]] = [asyncio.create_task(upload(turns, "one", 9, taken)) for _ in range(8)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    await upload(turns, "other", PIECES, taken)
    assert taken.count("other") == PIECES
