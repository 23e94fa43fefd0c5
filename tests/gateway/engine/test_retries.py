"""What tries leave behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from gateway.engine.errors import EngineFailure
from gateway.engine.retries import RetryBudget, attempts


@pytest.fixture
def _no_search_for_garbage() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_search_for_garbage")
@pytest.mark.parametrize("failures", [0, 1])
async def test_nothing_of_a_call_waits_for_the_search_for_garbage(failures: int) -> None:
    asked = 0
    with attempts(RetryBudget()) as tries:
        state = ref(tries)
        async for attempt in tries:
            with attempt:
                asked += 1
                if asked <= failures:
                    raise EngineFailure("dropped", "The connection broke.")
                break
    del tries, attempt
    assert asked == failures + 1
    assert state() is None
