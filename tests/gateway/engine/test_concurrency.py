from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.imaging.crops import cut_crop
from gateway.parts import Parts
from gateway.scheduling.concurrency_limit import FIRST
from gateway.scheduling.fair_semaphore import Flow
from gateway.tasks import RegionTask
from tests.support.fakes import blank, text_regions
from tests.support.parts import start_parts
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.engine.monitor.POLL_WHILE_READY_S", 0.02)


@asynccontextmanager
async def full(parts: Parts) -> AsyncIterator[None]:
    """More calls want to run than may."""

    async def call() -> None:
        async with parts.queue.run_slot(Flow()):
            await asyncio.Event().wait()

    calls = [asyncio.create_task(call()) for _ in range(1000)]
    await eventually(lambda: parts.queue.waiting > 0)
    yield
    for task in calls:
        task.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("kind", ["vllm", "external"])
async def test_an_engine_whose_queue_grows_is_given_less_and_one_with_room_more(kind: str) -> None:
    with StubEngine(kind=kind, load=(8, 56)) as stub:
        async with start_parts(stub) as parts, full(parts):
            await eventually(lambda: parts.queue.in_flight.limit < 20)
            stub.load = (100, 0)
            await eventually(lambda: parts.queue.in_flight.limit > 100)


async def test_the_setting_is_never_exceeded() -> None:
    with StubEngine(kind="external", load=(100, 0)) as stub:
        async with start_parts(stub, max_concurrent_regions=10) as parts, full(parts):
            asked = stub.metrics_asked
            await eventually(lambda: stub.metrics_asked > asked + 5)
            assert parts.queue.in_flight.limit == parts.queue.running == 10


async def test_an_engine_without_metrics_is_not_asked_for_them_again_and_again() -> None:
    with StubEngine(kind="external") as stub:
        async with start_parts(stub) as parts, full(parts):
            await eventually(lambda: stub.metrics_asked > 0)
            asked, health_asked = stub.metrics_asked, stub.health_asked
            await eventually(lambda: stub.health_asked > health_asked + 5)
            assert stub.metrics_asked <= asked + 1


async def test_the_embedded_engine_keeps_its_bound() -> None:
    with StubEngine(kind="embedded", load=(100, 0)) as stub:
        async with start_parts(stub) as parts, full(parts):
            limit, health_asked = parts.queue.in_flight.limit, stub.health_asked
            await eventually(lambda: stub.health_asked > health_asked + 5)
            assert parts.queue.in_flight.limit == limit


async def test_an_engine_that_refuses_what_it_has_no_room_for_loses_nothing() -> None:
    with StubEngine(kind="external", delay_s=0.02) as stub:
        stub.answer = lambda _request: Reply(status=429) if stub.running > 6 else Reply("read")
        async with start_parts(stub) as parts:
            flow, task = Flow(), RegionTask()
            crop = cut_crop(blank(), text_regions(1)[0], task, fit=False)

            async def call() -> str:
                async with parts.queue.run_slot(flow):
                    return (await parts.reader.read(crop, task)).status

            statuses = await asyncio.gather(*(call() for _ in range(300)))
            assert set(statuses) == {"ok"}
            assert parts.queue.in_flight.limit < 16


async def test_what_was_learned_of_an_engine_outlasts_a_lost_connection() -> None:
    with StubEngine(kind="external", load=(8, 56)) as stub:
        async with start_parts(stub) as parts, full(parts):
            await eventually(lambda: parts.queue.in_flight.limit < FIRST)
            stub.load = (8, 1)
            parts.engine.endpoints[0].monitor.record_loss("gone")
            assert await parts.engine.wait_ready(10)
            assert parts.queue.in_flight.limit < FIRST
