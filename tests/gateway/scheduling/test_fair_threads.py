"""Work in threads, of a caller with much of it and of others."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.scheduling.fair_threads import CALLER, FairThreads


async def test_callers_take_turns() -> None:
    asyncio.get_running_loop().set_default_executor(FairThreads(1))
    begun, gate, done = threading.Event(), threading.Event(), list[str]()
    reserve_begun, reserve_gate = threading.Event(), threading.Event()

    def hold_reserve() -> None:
        reserve_begun.set()
        reserve_gate.wait()

    def wait(caller: str) -> None:
        begun.set()
        gate.wait()
        done.append(caller)

    async def work(caller: str) -> None:
        CALLER.set(caller)
        await asyncio.to_thread(wait, caller)

    busy = [asyncio.create_task(work("busy"))]
    await asyncio.sleep(0)
    begun.wait()
    reserve = asyncio.create_task(asyncio.to_thread(hold_reserve))
    await asyncio.sleep(0)
    reserve_begun.wait()
    busy += [asyncio.create_task(work("busy")) for _ in range(19)]
    others = [asyncio.create_task(work(caller)) for caller in ("one", "other", "one")]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*busy, *others)
    assert done[:6] == ["busy", "busy", "one", "other", "busy", "one"]
    assert len(done) == 23
    reserve_gate.set()
    await reserve


async def test_long_work_of_one_caller_leaves_threads_to_others() -> None:
    """And what it waits for is done once there is room again, each once."""
    threads = FairThreads(4)
    asyncio.get_running_loop().set_default_executor(threads)
    gate, begun, done = threading.Event(), threading.Semaphore(0), list[int]()

    def wait(number: int) -> None:
        begun.release()
        gate.wait()
        done.append(number)

    async def work(number: int) -> None:
        CALLER.set("busy")
        await asyncio.to_thread(wait, number)

    busy = [asyncio.create_task(work(number)) for number in range(12)]
    await asyncio.sleep(0)
    for _ in range(4):
        begun.acquire()
    for caller in ("", "one", "other"):
        CALLER.set(caller)
        assert await asyncio.to_thread(int, "7") == 7
    assert not begun.acquire(blocking=False)
    threads.shutdown(wait=False)
    gate.set()
    await asyncio.gather(*busy)
    assert sorted(done) == list(range(12))


async def test_work_that_fails_or_is_given_up() -> None:
    asyncio.get_running_loop().set_default_executor(FairThreads(1))
    gate, done = threading.Event(), list[int]()
    first = asyncio.create_task(asyncio.to_thread(gate.wait))
    given_up = asyncio.create_task(asyncio.to_thread(done.append, 1))
    await asyncio.sleep(0)
    given_up.cancel()
    fails = asyncio.create_task(asyncio.to_thread(int, "none"))
    await asyncio.sleep(0)
    gate.set()
    assert await first
    with pytest.raises(ValueError, match="none"):
        await fails
    assert not done
    assert await asyncio.to_thread(int, "7") == 7
