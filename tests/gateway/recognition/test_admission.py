from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack

import pytest

from gateway.errors import ServiceError
from gateway.recognition.admission import BATCH, INTERACTIVE, Priority, RegionQueue
from gateway.settings import Settings
from tests.support.parts import eventually

FIRST = Priority()


def queue_of(limit: int = 1, **changes: object) -> RegionQueue:
    return RegionQueue(Settings.model_validate(changes), limit)


class Calls:
    """Calls that take a slot each and hold it until they are let go; `order` names them as they began."""

    def __init__(self, queue: RegionQueue) -> None:
        self.queue = queue
        self.order: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, priority: Priority = FIRST) -> None:
        self.gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, priority))
        await asyncio.sleep(0)

    async def _hold(self, name: str, priority: Priority) -> None:
        async with self.queue.slot(priority):
            self.order.append(name)
            await self.gates[name].wait()

    async def finish_all(self) -> None:
        for gate in self.gates.values():
            gate.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def test_interactive_goes_first_then_earlier_pages_then_first_come() -> None:
    calls = Calls(queue_of(limit=1))
    await calls.begin("running")
    await calls.begin("batch page 1", Priority(BATCH, 1))
    await calls.begin("page 2", Priority(INTERACTIVE, 2))
    await calls.begin("page 1", Priority(INTERACTIVE, 1))
    await calls.begin("page 1 again", Priority(INTERACTIVE, 1))
    await calls.finish_all()
    assert calls.order == ["running", "page 1", "page 1 again", "page 2", "batch page 1"]


async def test_no_more_run_than_the_limit_and_a_new_limit_counts_at_once() -> None:
    calls = Calls(queue_of(limit=2))
    for name in "abcde":
        await calls.begin(name)
    assert (calls.queue.running, calls.queue.waiting) == (2, 3)
    calls.queue.turns.limit = 4
    await asyncio.sleep(0)
    assert (calls.queue.running, calls.queue.waiting) == (4, 1)
    calls.queue.turns.limit = 1
    calls.gates["a"].set()
    await calls.tasks["a"]
    assert (calls.queue.running, calls.queue.waiting) == (3, 1)
    await calls.finish_all()
    assert sorted(calls.order) == list("abcde")


async def test_room_is_bounded_and_given_by_priority() -> None:
    calls = Calls(queue_of(limit=1, max_queued_regions=1))
    await calls.begin("running")
    await calls.begin("waiting", Priority(page=5))
    await calls.begin("outside", Priority(page=3))
    await calls.begin("outside, urgent", Priority(page=1))
    assert calls.queue.waiting == 1
    await calls.finish_all()
    assert calls.order == ["running", "waiting", "outside, urgent", "outside"]


async def test_a_cancelled_waiter_frees_its_place_and_leaks_no_slot() -> None:
    calls = Calls(queue_of(limit=1))
    await calls.begin("running")
    await calls.begin("gone")
    await calls.begin("next")
    calls.tasks["gone"].cancel()
    await asyncio.gather(calls.tasks["gone"], return_exceptions=True)
    assert calls.queue.waiting == 1
    await calls.finish_all()
    assert calls.order == ["running", "next"]
    assert (calls.queue.running, calls.queue.waiting) == (0, 0)


async def test_cancelled_in_the_moment_of_its_turn_it_passes_the_turn_on() -> None:
    calls = Calls(queue_of(limit=1))
    await calls.begin("running")
    await calls.begin("gone")
    await calls.begin("next")
    calls.gates["running"].set()
    await asyncio.sleep(0)
    calls.tasks["gone"].cancel()
    await eventually(lambda: "next" in calls.order)
    await calls.finish_all()
    assert (calls.queue.running, calls.queue.waiting) == (0, 0)


async def test_no_cancellation_at_any_moment_leaks() -> None:
    queue = queue_of(limit=3, max_queued_regions=5)
    chance = random.Random(7)

    async def call(page: int) -> None:
        async with queue.slot(Priority(page=page)):
            await asyncio.sleep(chance.choice((0, 0, 0.001)))

    for _ in range(50):
        tasks = [asyncio.create_task(call(page)) for page in range(12)]
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
            chance.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (queue.running, queue.waiting) == (0, 0)


async def test_a_place_left_twice_frees_one_place() -> None:
    queue = queue_of()
    first, second = await queue.place(Priority()), await queue.place(Priority())
    first.leave()
    first.leave()
    assert queue.waiting == 1
    second.leave()
    assert queue.waiting == 0


async def test_a_full_queue_turns_documents_away_and_says_when_to_come_back() -> None:
    queue = queue_of(max_queued_regions=2)
    places = [await queue.place(Priority()) for _ in range(2)]
    with pytest.raises(ServiceError) as refused, queue.admit():
        pass
    assert (refused.value.status, refused.value.code) == (429, "queue_full")
    assert (refused.value.retry_after_s or 0) >= 1
    assert queue.documents == 0
    places[0].leave()
    with queue.admit():
        assert queue.documents == 1


async def test_too_many_documents_are_turned_away_until_one_ends() -> None:
    queue = queue_of(max_documents=2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(queue.admit())
        with pytest.raises(ServiceError) as refused, queue.admit():
            pass
        assert refused.value.code == "queue_full"
    with queue.admit():
        assert queue.documents == 1


async def test_the_time_to_come_back_grows_with_the_queue() -> None:
    queue = queue_of(limit=1)
    for _ in range(30):
        async with queue.slot(Priority()):
            pass
    few = [await queue.place(Priority()) for _ in range(3)]
    short = queue.retry_after_s()
    many = [await queue.place(Priority()) for _ in range(60)]
    assert 1 <= short < queue.retry_after_s()
    for place in few + many:
        place.leave()
