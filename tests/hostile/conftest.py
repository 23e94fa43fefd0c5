from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from tests.gateway.conftest import encoded
from tests.hostile.polite_caller import READING, PoliteCaller, polite_caller
from tests.support.service_process import Service, service_process
from tests.support.stub_engine import Reply, StubEngine


class StartService(Protocol):
    def __call__(self, **settings: str) -> Service: ...


@pytest.fixture(scope="module")
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartService]:
    """Starts gateways with settings (`max_documents="4"`), each with an engine of its own; all end with the module."""
    with ExitStack() as running:

        def start(**settings: str) -> Service:
            engine = running.enter_context(StubEngine(answer=lambda _request: Reply(READING)))
            return running.enter_context(service_process(tmp_path_factory.mktemp("service"), engine, **settings))

        yield start


@pytest.fixture(scope="session")
def page() -> bytes:
    """A picture that is read at once."""
    return encoded("PNG")


@pytest.fixture
def call_politely(page: bytes) -> Iterator[Callable[..., PoliteCaller]]:
    """Puts a polite caller beside the test (`call_politely(service, key=None)`), who must be served to its end."""
    with ExitStack() as calling:

        def call(service: Service, key: str | None = None) -> PoliteCaller:
            return calling.enter_context(polite_caller(service, page, key))

        yield call
