"""Items of many callers in one batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.layout.pp_doclayout.onnx_model import BatchQueue
from tests.support.waiting import WAIT_S


class Model:
    """Doubles numbers, a batch at a time, as soon as it may go on; fails on negative ones."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.may_go_on.wait(WAIT_S)
        if any(item < 0 for item in items):
            raise ValueError("negative")
        return [2 * item for item in items]


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def queue(model: Model) -> AsyncIterator[BatchQueue[int, int]]:
    with ThreadPoolExecutor(1) as thread:
        yield BatchQueue(model, thread, max_items=3)


async def submit(queue: BatchQueue[int, int], model: Model, *items: int) -> list[asyncio.Task[int]]:
    """The first item is in work before the others come."""
    tasks = [asyncio.create_task(queue.submit(items[0]))]
    while not model.batches:  # noqa: ASYNC110 - filled by another thread
        await asyncio.sleep(0.001)
    tasks.extend(asyncio.create_task(queue.submit(item)) for item in items[1:])
    await asyncio.sleep(0)
    return tasks


async def test_waiting_items_share_batch(queue: BatchQueue[int, int], model: Model) -> None:
    tasks = await submit(queue, model, 1, 2, 3, 4, 5)
    model.may_go_on.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert model.batches == [[1], [2, 3, 4], [5]]
    assert await queue.submit(6) == 12


async def test_cancelled_item_leaves_batch(queue: BatchQueue[int, int], model: Model) -> None:
    tasks = await submit(queue, model, 1, 2, 3)
    tasks[1].cancel()
    await asyncio.sleep(0)
    model.may_go_on.set()
    assert await tasks[2] == 6
    assert model.batches == [[1], [3]]
    tasks = [asyncio.create_task(queue.submit(4))]
    assert await tasks[0] == 8


async def test_one_that_fails_fails_alone(queue: BatchQueue[int, int], model: Model) -> None:
    tasks = await submit(queue, model, 1, 2, -3, 4)
    model.may_go_on.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [answers[0], answers[1], answers[3]] == [2, 4, 8]
    assert isinstance(answers[2], ValueError)


async def test_close_releases_waiting(model: Model) -> None:
    thread = ThreadPoolExecutor(1)
    closed: BatchQueue[int, int] = BatchQueue(model, thread, max_items=1)
    tasks = await submit(closed, model, 1, 2, 3)
    thread.shutdown(wait=False, cancel_futures=True)
    model.may_go_on.set()
    answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT_S)
    assert answers[0] == 2
    assert all(isinstance(answer, RuntimeError) for answer in answers[1:])
