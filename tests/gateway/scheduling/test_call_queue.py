from __future__ import annotations

import asyncio
import random
import weakref
from contextlib import ExitStack

import pytest

from gateway.errors import ServiceError
from gateway.scheduling.call_queue import CallQueue, EngineTime
from gateway.scheduling.fair_semaphore import BATCH, FairSemaphore, Flow
from gateway.settings import Settings
from tests.support.waiting import eventually

ANYBODY = Flow()


def queue_of(limit: int = 1, **changes: object) -> CallQueue:
    return CallQueue(Settings.model_validate(changes), limit)


class Calls:
    """Calls that take a slot each and hold it until they are let go; `order` names them as they began."""

    def __init__(self, queue: CallQueue) -> None:
        self.queue = queue
        self.order: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str, flow: Flow = ANYBODY, page: int = 1) -> None:
        self.gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, flow, page))
        await asyncio.sleep(0)

    async def _hold(self, name: str, flow: Flow, page: int) -> None:
        async with self.queue.run_slot(flow, page):
            self.order.append(name)
            await self.gates[name].wait()

    async def finish_all(self) -> None:
        for gate in self.gates.values():
            gate.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def test_interactive_goes_first_then_earlier_pages_then_first_come() -> None:
    calls = Calls(queue_of(limit=1))
    document = Flow()
    await calls.start("running", document)
    await calls.start("batch page 1", Flow(BATCH), 1)
    await calls.start("page 2", document, 2)
    await calls.start("page 1", document, 1)
    await calls.start("page 1 again", document, 1)
    await calls.finish_all()
    assert calls.order == ["running", "page 1", "page 1 again", "page 2", "batch page 1"]


async def test_who_asks_for_little_waits_for_one_round_however_much_others_have_asked_for() -> None:
    calls = Calls(queue_of(limit=1))
    large, larger = Flow(), Flow()
    await calls.start("running", large)
    for number in range(5):
        await calls.start(f"large {number}", large)
        await calls.start(f"larger {number}", larger)
    await calls.start("chat", Flow())
    await calls.finish_all()
    assert calls.order.index("chat") <= 3
    assert [name.split()[0] for name in calls.order if name not in ("running", "chat")] in (
        ["large", "larger"] * 5,
        ["larger", "large"] * 5,
    )


async def test_who_comes_late_is_owed_nothing_for_the_time_before() -> None:
    calls = Calls(queue_of(limit=1))
    early, late = Flow(), Flow()
    await calls.start("early 0", early)
    for number in range(1, 7):
        await calls.start(f"early {number}", early)
    for number in range(3):
        calls.gates[f"early {number}"].set()
        await calls.tasks[f"early {number}"]
    for number in range(3):
        await calls.start(f"late {number}", late)
    await calls.finish_all()
    assert set(calls.order[4:6]) == {"late 0", "early 4"}


async def test_newcomers_without_end_starve_no_document() -> None:
    in_flight, document, order = FairSemaphore(1), Flow(), []

    async def take(flow: Flow, name: str) -> None:
        await in_flight.acquire(flow, 1)
        order.append(name)
        if name == "newcomer" and len(order) < 40:
            tasks.append(asyncio.create_task(take(Flow(), "newcomer")))
            await asyncio.sleep(0)
        in_flight.release(flow)

    tasks = [asyncio.create_task(take(Flow(), "newcomer"))]
    tasks += [asyncio.create_task(take(document, "document")) for _ in range(5)]
    while not all(task.done() for task in tasks):
        await asyncio.gather(*tasks)
    assert order.count("document") == 5
    assert max(at for at, name in enumerate(order) if name == "document") <= 12


async def test_callers_that_were_served_are_forgotten_while_others_wait() -> None:
    in_flight = FairSemaphore(1)
    served = []
    holder = Flow()
    await in_flight.acquire(holder, 1)
    for _ in range(100):
        flow = Flow()
        served.append(weakref.ref(flow))
        waiting = asyncio.create_task(in_flight.acquire(flow, 1))
        await asyncio.sleep(0)
        in_flight.release(holder)
        await waiting
        holder = flow
        del flow
    del waiting
    assert sum(flow() is not None for flow in served) < 10


async def test_a_batch_never_starves_however_many_interactive_callers_come() -> None:
    calls = Calls(queue_of(limit=1))
    await calls.start("running")
    for number in range(4):
        await calls.start(f"batch {number}", Flow(BATCH))
    for number in range(40):
        await calls.start(f"interactive {number}", Flow())
    await calls.finish_all()
    first = [name.split()[0] for name in calls.order[1:]]
    assert first[:7] == ["interactive"] * 7
    assert first[:40].count("batch") == 4


async def slow_call(queue: CallQueue) -> None:
    async with queue.run_slot(Flow()):
        await asyncio.sleep(0.1)


async def test_who_would_wait_for_too_long_is_turned_away_and_a_batch_later_than_others() -> None:
    queue = queue_of(limit=1, max_wait_s=1, max_batch_wait_s=3)
    await slow_call(queue)
    calls = Calls(queue)
    for number in range(21):  # one runs, twenty wait: two seconds' work
        await calls.start(str(number), Flow())
    with pytest.raises(ServiceError, match="first") as refused, queue.admit(Flow()):
        pass
    assert (refused.value.status, refused.value.code) == (429, "queue_full")
    with pytest.raises(ServiceError, match="first"), queue.admit_chat(Flow()):
        pass
    with queue.admit(Flow(BATCH)):
        pass
    await calls.finish_all()
    with queue.admit(Flow()):
        pass


async def test_the_wait_for_an_engine_that_came_back_is_not_taken_for_its_speed() -> None:
    queue = queue_of(limit=1, max_wait_s=1)
    calls = Calls(queue)
    for number in range(8):
        await calls.start(str(number), Flow())
    await asyncio.sleep(0.3)
    queue.reset_rate()
    waiting = queue.waiting
    calls.gates["0"].set()
    await eventually(lambda: queue.waiting == waiting - 1)
    with queue.admit(Flow()):
        pass
    await calls.finish_all()


async def test_who_has_given_up_is_not_counted_among_those_before() -> None:
    queue = queue_of(limit=1, max_wait_s=1)
    await slow_call(queue)
    calls = Calls(queue)
    for number in range(30):
        await calls.start(str(number), Flow())
    with pytest.raises(ServiceError, match="first"), queue.admit(Flow()):
        pass
    gone = [calls.tasks[str(number)] for number in range(1, 30)]
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    with queue.admit(Flow()):
        pass
    await calls.finish_all()


async def test_a_batch_keeps_no_interactive_request_out() -> None:
    queue = queue_of(limit=1, max_wait_s=1, max_batch_wait_s=1)
    await slow_call(queue)
    calls = Calls(queue)
    for number in range(31):
        await calls.start(str(number), Flow(BATCH))
    with pytest.raises(ServiceError, match="first"), queue.admit(Flow(BATCH)):
        pass
    with queue.admit(Flow()):
        pass
    await calls.finish_all()


async def test_one_large_document_keeps_no_small_one_out() -> None:
    queue = queue_of(limit=10, max_wait_s=1)
    await slow_call(queue)
    calls = Calls(queue)
    large = Flow()
    for number in range(300):
        await calls.start(str(number), large)
    with queue.admit(Flow()):
        pass
    await calls.finish_all()


async def test_a_documents_own_calls_all_go_before_its_next_one() -> None:
    queue = queue_of(limit=1, max_wait_s=4.5)
    await slow_call(queue)
    calls = Calls(queue)
    document = Flow()
    for number in range(51):  # one runs, fifty wait: five seconds' work
        await calls.start(str(number), document)
    queue.require_capacity(Flow())
    with pytest.raises(ServiceError, match="the 50 regions that go first"):
        queue.require_capacity(document)
    await calls.finish_all()


async def test_before_anything_is_measured_documents_are_let_in() -> None:
    calls = Calls(queue_of(limit=1, max_wait_s=0.001))
    for number in range(50):
        await calls.start(str(number), Flow())
    with calls.queue.admit(Flow()):
        pass
    await calls.finish_all()


async def test_no_more_run_than_the_limit_and_a_new_limit_counts_at_once() -> None:
    calls = Calls(queue_of(limit=2))
    for name in "abcde":
        await calls.start(name)
    assert (calls.queue.running, calls.queue.waiting) == (2, 3)
    calls.queue.in_flight.limit = 4
    await asyncio.sleep(0)
    assert (calls.queue.running, calls.queue.waiting) == (4, 1)
    calls.queue.in_flight.limit = 1
    calls.gates["a"].set()
    await calls.tasks["a"]
    assert (calls.queue.running, calls.queue.waiting) == (3, 1)
    await calls.finish_all()
    assert sorted(calls.order) == list("abcde")


async def test_a_cancelled_waiter_frees_its_place_and_leaks_no_slot() -> None:
    calls = Calls(queue_of(limit=1))
    await calls.start("running")
    await calls.start("gone")
    await calls.start("next")
    calls.tasks["gone"].cancel()
    await asyncio.gather(calls.tasks["gone"], return_exceptions=True)
    assert calls.queue.waiting == 1
    await calls.finish_all()
    assert calls.order == ["running", "next"]
    assert (calls.queue.running, calls.queue.waiting) == (0, 0)


async def test_cancelled_in_the_moment_of_its_turn_it_passes_the_turn_on() -> None:
    calls = Calls(queue_of(limit=1))
    await calls.start("running")
    await calls.start("gone")
    await calls.start("next")
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
        async with queue.run_slot(Flow() if page % 3 else ANYBODY, page):
            await asyncio.sleep(chance.choice((0, 0, 0.001)))

    for _ in range(50):
        tasks = [asyncio.create_task(call(page)) for page in range(12)]
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
            chance.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (queue.running, queue.waiting) == (0, 0)


async def test_a_full_queue_turns_documents_away_and_says_when_to_come_back() -> None:
    calls = Calls(queue_of(max_queued_regions=2))
    queue = calls.queue
    for name in ("running", "first", "second"):
        await calls.start(name)
    with pytest.raises(ServiceError) as refused, queue.admit(Flow()):
        pass
    assert (refused.value.status, refused.value.code) == (429, "queue_full")
    assert (refused.value.retry_after_s or 0) >= 1
    assert queue.documents == 0
    calls.gates["running"].set()
    await calls.tasks["running"]
    with queue.admit(Flow()):
        assert queue.documents == 1
    await calls.finish_all()


async def test_too_many_documents_are_turned_away_until_one_ends() -> None:
    queue = queue_of(max_documents=2)
    with ExitStack() as count:
        for _ in range(2):
            count.enter_context(queue.admit(Flow()))
        with pytest.raises(ServiceError) as refused, queue.admit(Flow()):
            pass
        assert refused.value.code == "queue_full"
    with queue.admit(Flow()):
        assert queue.documents == 1


async def test_chats_are_counted_apart_from_documents() -> None:
    queue = queue_of(max_documents=1, max_chats=2)
    with queue.admit(Flow()), queue.admit_chat(Flow()), queue.admit_chat(Flow()):
        with pytest.raises(ServiceError, match="chat") as refused, queue.admit_chat(Flow()):
            pass
        assert (refused.value.status, refused.value.code) == (429, "queue_full")
        with pytest.raises(ServiceError, match="documents"), queue.admit(Flow()):
            pass
    with queue.admit_chat(Flow()):
        pass


async def test_a_full_queue_turns_chats_away() -> None:
    calls = Calls(queue_of(max_queued_regions=1))
    await calls.start("running")
    await calls.start("waiting")
    with pytest.raises(ServiceError, match="wait"), calls.queue.admit_chat(Flow()):
        pass
    calls.gates["running"].set()
    await calls.tasks["running"]
    with calls.queue.admit_chat(Flow()):
        pass
    await calls.finish_all()


async def test_the_time_to_come_back_grows_with_the_queue() -> None:
    queue = queue_of(limit=1)
    async with queue.run_slot(Flow()):
        await asyncio.sleep(0.5)
    calls = Calls(queue)
    for number in range(3):
        await calls.start(f"few {number}")
    short = queue.retry_after_s()
    for number in range(60):
        await calls.start(f"many {number}")
    assert 1 <= short < queue.retry_after_s()
    await calls.finish_all()


def test_calls_that_run_at_once_share_the_engines_time() -> None:
    now = 0.0
    time = EngineTime(lambda: now)
    with ExitStack() as first, ExitStack() as second:
        first_s = first.enter_context(time.hold())
        now = 2.0
        second_s = second.enter_context(time.hold())
        now = 5.0
        assert (first_s(), second_s()) == (2 + 3 / 2, 3 / 2)
        first.close()
        now = 6.0
        assert second_s() == 3 / 2 + 1
    now = 100.0
    assert time.busy_s == 6.0
