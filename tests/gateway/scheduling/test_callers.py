"""Shares of callers: one with much, and one with little beside it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack

import pytest

from gateway.errors import ServiceError
from gateway.scheduling.call_queue import CallQueue
from gateway.scheduling.fair_semaphore import BATCH, INTERACTIVE, FairSemaphore, Flow, Places, Priority, has_place
from gateway.settings import Settings
from tests.support.waiting import eventually

GREEDY, POLITE = "greedy", "polite"


class Turns:
    """Waiters of a semaphore; `order` names their callers as their turns came. Each turn ends when it is told to."""

    def __init__(self, semaphore: FairSemaphore) -> None:
        self.semaphore = semaphore
        self.order: list[str] = []
        self.held: list[Flow] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, flow: Flow, count: int = 1) -> None:
        self._tasks += [asyncio.create_task(self._take(flow)) for _ in range(count)]
        await asyncio.sleep(0)

    async def _take(self, flow: Flow) -> None:
        await self.semaphore.acquire(flow, 1)
        self.order.append(flow.caller)
        self.held.append(flow)

    async def end(self, count: int = 1) -> None:
        for _ in range(count):
            self.semaphore.release(self.held.pop(0))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def end_all(self) -> None:
        while self.held:
            await self.end()
        await asyncio.gather(*self._tasks)


async def test_many_documents_of_one_caller_are_one_caller() -> None:
    turns = Turns(FairSemaphore(1))
    for _ in range(30):
        await turns.ask(Flow(caller=GREEDY), 10)
    await turns.ask(Flow(caller=POLITE), 10)
    await turns.end_all()
    assert turns.order[1:21].count(POLITE) == 10
    assert len(turns.order) == 310


async def test_documents_of_a_caller_take_turns_among_themselves() -> None:
    turns, served = Turns(FairSemaphore(1)), Counter[Flow]()
    flows = [Flow(caller=GREEDY) for _ in range(3)]
    for flow in flows:
        await turns.ask(flow, 4)
    for _ in range(7):
        served[turns.held[0]] += 1
        await turns.end()
    assert sorted(served[flow] for flow in flows) == [2, 2, 3]
    await turns.end_all()


async def test_who_comes_anew_is_favoured_over_who_asks_for_more_and_more() -> None:
    turns = Turns(FairSemaphore(1, burst=8))
    await turns.ask(Flow(caller=GREEDY), 100)
    await turns.end(20)
    await turns.ask(Flow(caller=POLITE), 8)
    before = len(turns.order)
    await turns.end(10)
    assert turns.order[before:].count(POLITE) == 8
    await turns.end_all()


async def test_strangers_without_end_starve_nobody() -> None:
    turns = Turns(FairSemaphore(1, burst=8))
    await turns.ask(Flow(caller=GREEDY), 100)
    await turns.end(20)
    before = len(turns.order)
    for number in range(50):
        await turns.ask(Flow(caller=f"stranger {number}"), 2)
        await turns.end()
    assert turns.order[before:].count(GREEDY) >= 1
    await turns.end_all()


@pytest.mark.parametrize("priority", [INTERACTIVE, BATCH])
async def test_one_caller_never_holds_the_reserve(priority: Priority) -> None:
    turns = Turns(FairSemaphore(4, reserve=2))
    await turns.ask(Flow(priority, GREEDY), 100)
    assert len(turns.held) == 4
    await turns.ask(Flow(priority, POLITE), 100)
    assert turns.order.count(POLITE) == 1
    await turns.ask(Flow(priority, "third"), 100)
    assert turns.order.count("third") == 1
    assert len(turns.held) == 6
    await turns.end_all()
    assert turns.semaphore.count == 0


async def test_a_place_of_the_reserve_goes_to_a_batch_where_all_interactive_callers_have_theirs() -> None:
    turns = Turns(FairSemaphore(2, reserve=1))
    await turns.ask(Flow(caller=GREEDY), 10)
    await turns.ask(Flow(BATCH, POLITE))
    assert turns.order == [GREEDY, GREEDY, POLITE]
    await turns.end_all()


async def test_cancelled_waiters_of_many_callers_leave_nothing_behind() -> None:
    semaphore = FairSemaphore(2, reserve=1, burst=2)
    for round_ in range(50):
        flows = [Flow(caller=f"caller {number % 5}") for number in range(20)]
        tasks = [asyncio.create_task(_hold(semaphore, flow)) for flow in flows]
        for _ in range(round_ % 7):
            await asyncio.sleep(0)
        for task in tasks[:: 1 + round_ % 3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert semaphore.count == 0
        assert all(semaphore.has_place(flow.caller) for flow in flows)


async def _hold(semaphore: FairSemaphore, flow: Flow) -> None:
    await semaphore.acquire(flow, 1)
    try:
        await asyncio.sleep(0)
    finally:
        semaphore.release(flow)


def test_however_many_callers_come_a_new_one_has_a_place_until_all_are_taken() -> None:
    places, limit = Places(64), 64
    with ExitStack() as held:
        for number in range(1000):
            caller = f"caller {number}"
            while places.has_place(caller):
                held.enter_context(places.hold(caller))
            if places.count == 2 * limit:
                break
        assert places.count == 2 * limit
        assert number >= 4
    assert places.count == 0
    assert places.has_place("caller 0")


def test_beside_one_that_floods_many_others_have_a_place_each() -> None:
    places = Places(64)
    with ExitStack() as held:
        while places.has_place(GREEDY):
            held.enter_context(places.hold(GREEDY))
        for number in range(50):
            assert places.has_place(f"caller {number}")
            held.enter_context(places.hold(f"caller {number}"))
        assert not places.has_place(GREEDY)


@pytest.mark.parametrize("limit", [1, 2, 3, 64])
def test_one_caller_alone_has_all_that_the_limit_says(limit: int) -> None:
    places, taken = Places(limit), 0
    with ExitStack() as held:
        while places.has_place(GREEDY):
            held.enter_context(places.hold(GREEDY))
            taken += 1
    assert taken == limit
    assert not has_place(limit, limit, limit, 10)


def queue_of(**changes: object) -> CallQueue:
    return CallQueue(Settings.model_validate(changes), 4)


def test_documents_of_one_caller_keep_no_other_out() -> None:
    queue = queue_of(max_documents=8)
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(queue.admit(Flow(caller=GREEDY)))
        with pytest.raises(ServiceError) as refused:
            queue.require_document_place(Flow(caller=GREEDY))
        assert (refused.value.status, refused.value.code) == (429, "queue_full")
        held.enter_context(queue.admit(Flow(caller=POLITE)))
        assert queue.documents == 9


def test_chats_of_one_caller_keep_no_other_out() -> None:
    queue = queue_of(max_chats=8)
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(queue.admit_chat(Flow(caller=GREEDY)))
        with pytest.raises(ServiceError, match="chat"):
            queue.require_chat_place(Flow(caller=GREEDY))
        held.enter_context(queue.admit_chat(Flow(caller=POLITE)))


async def test_calls_of_one_caller_keep_no_other_out() -> None:
    queue = queue_of(max_queued_regions=8, max_concurrent_regions=1, max_wait_s=1e6)
    queue.set_limit(1)
    greedy = [asyncio.create_task(_call(queue, Flow(caller=GREEDY))) for _ in range(9)]
    await eventually(lambda: queue.waiting == 8)
    with pytest.raises(ServiceError, match="wait"):
        queue.require_document_place(Flow(caller=GREEDY))
    queue.require_document_place(Flow(caller=POLITE))
    for task in greedy:
        task.cancel()
    await asyncio.gather(*greedy, return_exceptions=True)


async def test_what_another_caller_has_asked_for_counts_only_as_far_as_it_goes_first() -> None:
    queue = queue_of(max_wait_s=1, max_concurrent_regions=1)
    queue.set_limit(1)
    async with queue.run_slot(Flow(caller=GREEDY)):
        await asyncio.sleep(0.1)  # ten calls a second, so ten may go before
    greedy = [asyncio.create_task(_call(queue, Flow(caller=GREEDY))) for _ in range(200)]
    await eventually(lambda: queue.waiting > 100)
    with pytest.raises(ServiceError, match="first"):
        queue.require_document_place(Flow(caller=GREEDY))
    for task in greedy:
        task.cancel()
    await asyncio.gather(*greedy, return_exceptions=True)


async def _call(queue: CallQueue, flow: Flow) -> None:
    async with queue.run_slot(flow):
        await asyncio.Event().wait()


async def test_no_more_calls_run_than_the_operator_allows() -> None:
    queue = queue_of(max_concurrent_regions=4)
    turns = Turns(queue.in_flight)
    for caller in (GREEDY, POLITE, "third"):
        await turns.ask(Flow(caller=caller), 10)
    assert queue.running == 4
    await turns.end_all()
