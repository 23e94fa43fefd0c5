from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stub_engine import StubEngine


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with StubEngine() as engine:
        yield engine
