"""What tries leave behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tenacity import AsyncRetrying

from gateway.engine.errors import EngineError
from gateway.engine.pool import Place
from gateway.engine.retries import Retrier
from tests.support.parts import start_parts
from tests.support.stub_engine import StubEngine


@pytest.fixture
def _no_search_for_garbage() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_search_for_garbage")
@pytest.mark.parametrize("failures", [0, 1])
async def test_nothing_of_a_call_waits_for_the_search_for_garbage(failures: int) -> None:
    asked = 0

    async def send(_place: Place) -> str:
        nonlocal asked
        asked += 1
        if asked <= failures:
            raise EngineError("connection_lost", "The connection broke.")
        return "read"

    # Failures of other tests may hold theirs until the end of the run.
    others = _find_tries()
    with StubEngine() as stub:
        async with start_parts(stub) as parts:
            assert await Retrier(parts.engine).run(send) == "read"
            assert asked == failures + 1
            assert all(any(held is other for other in others) for held in _find_tries())


def _find_tries() -> list[AsyncRetrying]:
    return [held for held in gc.get_objects() if isinstance(held, AsyncRetrying)]
