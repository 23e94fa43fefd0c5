"""Several engines that share the calls."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.engine import transport
from gateway.engine.endpoint import Endpoint
from gateway.imaging.crops import cut_crop
from gateway.model import Reading
from gateway.parts import Parts, create_parts
from gateway.scheduling.fair_semaphore import Flow
from gateway.settings import Settings
from gateway.tasks import RegionTask
from tests.support.fakes import blank, text_regions
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import WAIT_S, eventually

CROP = cut_crop(blank(), text_regions(1)[0], RegionTask(), fit=False)
BODY = b'{"model": "stub-model", "messages": [{"role": "user", "content": "a b c"}]%s}'


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.engine.monitor.POLL_WHILE_AWAY_S", 0.05)
    monkeypatch.setattr("gateway.engine.monitor.POLL_WHILE_READY_S", 0.05)
    # What a busy machine may miss, where a test is not about it.
    monkeypatch.setattr("gateway.engine.probes.POLL_TIMEOUT_S", WAIT_S)
    monkeypatch.setattr("gateway.engine.transport.CONNECT_TIMEOUT_S", WAIT_S)
    monkeypatch.setattr("gateway.engine.transport._options", transport._options.__wrapped__)
    monkeypatch.setattr("gateway.recognition.hedging.DEFAULT_STALL_S", WAIT_S)


@pytest.fixture
def _quick_to_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second without a word is a silence, and one without an answer to a canary."""
    for name, value in {"MIN_KNOWN": 1, "STALL_FACTOR": 0, "MIN_STALL_S": 0.5, "CHECK_INTERVAL_S": 0.05}.items():
        monkeypatch.setattr(f"gateway.recognition.hedging.{name}", value)
    monkeypatch.setattr("gateway.engine.monitor.CANARY_TIMEOUT_S", 0.5)
    monkeypatch.setattr("gateway.engine.monitor.CANARY_TIMEOUT_BUSY_S", 0.5)


@pytest.fixture
def pair() -> Iterator[tuple[StubEngine, StubEngine]]:
    with StubEngine(kind="external") as first, StubEngine(kind="external") as second:
        yield first, second


def settings_of(*urls: str, **changes: object) -> Settings:
    return Settings.model_validate(
        {
            "vlm_engine": "external",
            "vlm_base_url": ",".join(urls),
            "vlm_stream": False,
            "vlm_restart_grace_s": WAIT_S,
            **changes,
        }
    )


@asynccontextmanager
async def sharing(*stubs: StubEngine, **changes: object) -> AsyncIterator[Parts]:
    """Parts whose engines are all ready."""
    parts = create_parts(settings_of(*(stub.base_url for stub in stubs), **changes))
    await parts.engine.start()
    try:
        await eventually(lambda: all(endpoint.is_serving for endpoint in parts.engine.endpoints))
        yield parts
    finally:
        await parts.engine.close()
        parts.slots.close()


async def read(parts: Parts) -> Reading:
    async with parts.queue.run_slot(Flow()):
        return await parts.reader.read(CROP, RegionTask())


async def read_many(parts: Parts, count: int) -> Sequence[Reading]:
    return await asyncio.gather(*(read(parts) for _ in range(count)))


def statuses(readings: Sequence[Reading]) -> Counter[str]:
    return Counter(reading.status for reading in readings)


def spend_budget(parts: Parts) -> None:
    """No costly retry is allowed from now on."""
    while parts.reader.hedging.budget.spend():
        pass


def endpoint_of(parts: Parts, stub: StubEngine) -> Endpoint:
    return next(endpoint for endpoint in parts.engine.endpoints if endpoint.url == stub.base_url)


async def test_calls_go_to_the_engine_with_the_least_to_do(pair: tuple[StubEngine, StubEngine]) -> None:
    release = threading.Event()
    for stub in pair:
        stub.answer = lambda _request: Reply("read", after=release)
    async with sharing(*pair) as parts:
        calls = asyncio.create_task(read_many(parts, 20))
        await eventually(lambda: sum(stub.running for stub in pair) == 20)
        assert [stub.running for stub in pair] == [10, 10]
        release.set()
        assert statuses(await calls) == {"ok": 20}
        assert parts.engine.moved == 0


async def test_the_bound_is_the_sum_of_those_that_serve(pair: tuple[StubEngine, StubEngine]) -> None:
    first, second = pair
    async with sharing(first) as alone:
        one = alone.queue.in_flight.limit
    async with sharing(*pair) as parts:
        assert parts.queue.in_flight.limit == 2 * one
        second.kill()
        await eventually(lambda: parts.queue.in_flight.limit == one)
        assert parts.engine.state == "ready"
        second.start()
        await eventually(lambda: parts.queue.in_flight.limit == 2 * one)


async def test_each_engine_has_a_limit_of_its_own(pair: tuple[StubEngine, StubEngine]) -> None:
    """One tells of a queue that stands in it, the other of none."""
    first, second = pair
    first.load, second.load = (4, 60), (100, 0)
    release = threading.Event()
    for stub in pair:
        stub.answer = lambda _request: Reply("read", after=release)
    async with sharing(*pair) as parts:
        calls = asyncio.create_task(read_many(parts, 150))
        await eventually(lambda: endpoint_of(parts, first).limit < 10 < 60 < endpoint_of(parts, second).limit)
        release.set()
        assert statuses(await calls) == {"ok": 150}


async def test_all_together_never_have_more_than_the_setting_allows(pair: tuple[StubEngine, StubEngine]) -> None:
    release = threading.Event()
    for stub in pair:
        stub.answer = lambda _request: Reply("read", after=release)
    async with sharing(*pair, max_concurrent_regions=6) as parts:
        calls = asyncio.create_task(read_many(parts, 30))
        await eventually(lambda: sum(stub.running for stub in pair) == 6)
        release.set()
        assert statuses(await calls) == {"ok": 30}
        assert sum(stub.most_running for stub in pair) == 6


@pytest.mark.parametrize("streams", [False, True])
async def test_an_engine_that_dies_at_work_loses_nothing(pair: tuple[StubEngine, StubEngine], streams: bool) -> None:
    first, second = pair
    release = threading.Event()
    first.answer = lambda _request: Reply("a b c d", after=release)
    async with sharing(*pair, vlm_stream=streams) as parts:
        calls = asyncio.create_task(read_many(parts, 60))
        await eventually(lambda: first.running > 4 and second.requests)
        first.kill()
        readings = await calls
        assert statuses(readings) == {"ok": 60}
        assert endpoint_of(parts, first).failed == parts.engine.moved > 0
        assert second.most_running <= endpoint_of(parts, second).limit * 9 / 8


@pytest.mark.parametrize(
    "failure", [Reply(status=500), Reply(drop=True), Reply(status=503, retry_after="20")], ids=["5xx", "reset", "busy"]
)
async def test_a_call_that_fails_at_one_engine_is_asked_of_the_other_as_it_was(
    pair: tuple[StubEngine, StubEngine], failure: Reply
) -> None:
    first, second = pair
    first.script.append(failure)
    async with sharing(*pair) as parts:
        spend_budget(parts)
        assert (await read(parts)).status == "ok"
        [asked], [asked_again] = first.requests, second.requests
        assert asked.body == asked_again.body
        assert parts.engine.moved == 1


async def test_what_fails_everywhere_fails_as_it_does_at_one_engine(pair: tuple[StubEngine, StubEngine]) -> None:
    for stub in pair:
        stub.answer = lambda _request: Reply(status=500)
    async with sharing(*pair) as parts:
        reading = await read(parts)
        assert reading.status == "failed"
        assert "HTTP 500" in (reading.error or "")
        # The move to the other engine, and both retries that one engine would have had.
        assert sum(len(stub.requests) for stub in pair) == 4


async def test_what_the_engine_rejects_is_not_asked_of_another(pair: tuple[StubEngine, StubEngine]) -> None:
    for stub in pair:
        stub.answer = lambda _request: Reply(status=400)
    async with sharing(*pair) as parts:
        assert (await read(parts)).status == "failed"
        assert sum(len(stub.requests) for stub in pair) == 1


async def test_an_engine_that_fails_at_once_does_not_get_all_calls(pair: tuple[StubEngine, StubEngine]) -> None:
    first, second = pair
    first.answer = lambda _request: Reply(status=500)
    second.delay_s = 0.01
    async with sharing(*pair, max_concurrent_regions=8) as parts:
        assert statuses(await read_many(parts, 200)) == {"ok": 200}
        assert len(first.requests) < 100


async def test_an_engine_may_fail_for_days(
    pair: tuple[StubEngine, StubEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = itertools.count(1)
    async with sharing(*pair) as parts:
        with monkeypatch.context() as patch:
            patch.setattr("gateway.engine.endpoint.monotonic", lambda: 3600.0 * next(hours))
            for _ in range(2000):
                endpoint_of(parts, pair[0]).record_failure()
        assert not endpoint_of(parts, pair[0]).is_trusted
        assert (await read(parts)).status == "ok"


@pytest.mark.usefixtures("_quick_to_doubt")
async def test_a_hung_engine_is_left_out_and_returns(pair: tuple[StubEngine, StubEngine]) -> None:
    first = pair[0]
    async with sharing(*pair, vlm_frozen_after_s=0.02) as parts:
        assert statuses(await read_many(parts, 8)) == {"ok": 8}
        first.answer, first.canary_hangs = lambda _request: Reply(hang=True), True
        assert statuses(await read_many(parts, 40)) == {"ok": 40}
        await eventually(lambda: not endpoint_of(parts, first).is_serving)
        asked = len(first.requests)
        assert statuses(await read_many(parts, 20)) == {"ok": 20}
        assert (len(first.requests), parts.engine.state) == (asked, "ready")
        first.answer, first.canary_hangs = lambda _request: Reply("read"), False
        await eventually(lambda: endpoint_of(parts, first).is_serving)
        await eventually(lambda: endpoint_of(parts, first).is_trusted)
        assert statuses(await read_many(parts, 20)) == {"ok": 20}
        assert len(first.requests) > asked


@pytest.mark.usefixtures("_quick_to_doubt")
async def test_a_silent_engines_calls_go_to_the_other_whatever_the_budget(pair: tuple[StubEngine, StubEngine]) -> None:
    first, _ = pair
    async with sharing(*pair) as parts:
        assert statuses(await read_many(parts, 8)) == {"ok": 8}
        spend_budget(parts)
        first.answer = lambda _request: Reply(hang=True)
        assert statuses(await read_many(parts, 8)) == {"ok": 8}
        assert parts.reader.hedging.won > 0


async def test_calls_wait_for_engines_that_are_all_away(pair: tuple[StubEngine, StubEngine]) -> None:
    async with sharing(*pair) as parts:
        for stub in pair:
            stub.kill()
        await eventually(lambda: parts.engine.state == "restarting")
        parts.engine.require_serving()
        calls = asyncio.create_task(read_many(parts, 5))
        await eventually(lambda: parts.queue.running == 5)
        pair[1].start()
        assert statuses(await calls) == {"ok": 5}


async def test_engines_that_stay_away_are_down_and_not_waited_for(pair: tuple[StubEngine, StubEngine]) -> None:
    async with sharing(*pair, vlm_restart_grace_s=0.2) as parts:
        for stub in pair:
            stub.kill()
        await eventually(lambda: parts.engine.state == "down")
        reading = await read(parts)
        assert (reading.status, reading.error) == ("failed", "The recognition engine could not be reached.")


async def test_an_engine_of_another_model_gets_no_calls(pair: tuple[StubEngine, StubEngine]) -> None:
    first, second = pair
    second.model = "another-model"
    async with sharing(*pair) as parts:
        assert statuses(await read_many(parts, 10)) == {"ok": 10}
        assert (len(first.requests), len(second.requests)) == (10, 0)
        assert parts.engine.why_left_out(endpoint_of(parts, first)) is None
        assert "stub-model" in (parts.engine.why_left_out(endpoint_of(parts, second)) or "")


async def test_whoever_gives_up_waiting_for_a_place_leaves_none_behind(pair: tuple[StubEngine, StubEngine]) -> None:
    release = threading.Event()
    for stub in pair:
        stub.answer = lambda _request: Reply("read", after=release)
    async with sharing(*pair) as parts:
        places = []
        while any(endpoint.has_place for endpoint in parts.engine.endpoints):
            places.append(await parts.engine.acquire())
        waiting = [asyncio.create_task(parts.engine.acquire()) for _ in range(10)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        parts.engine.release(places.pop())
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for place in places:
            parts.engine.release(place)
        assert [endpoint.running for endpoint in parts.engine.endpoints] == [0, 0]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_goes_on_at_another_engine(pair: tuple[StubEngine, StubEngine], stream: bool) -> None:
    first, second = pair
    body = BODY % (b', "stream": true' if stream else b"")
    async with sharing(*pair) as parts:

        async def chat() -> bytes:
            if stream:
                return b"".join([event async for event in parts.chat.stream(body)])
            return await parts.chat.complete(body)

        first.script.append(Reply(hang=True))
        second.script.append(Reply(hang=True))
        begun = asyncio.create_task(chat())
        await eventually(lambda: first.running or second.running)
        ill, well = (first, second) if first.running else (second, first)
        well.script.clear()
        ill.kill()
        assert b"b" in await begun
        assert [len(stub.requests) for stub in (ill, well)] == [1, 1]
        assert [endpoint.running for endpoint in parts.engine.endpoints] == [0, 0]


@pytest.mark.usefixtures("_quick_to_doubt")
async def test_a_chat_at_an_engine_that_is_found_hung_is_moved(pair: tuple[StubEngine, StubEngine]) -> None:
    first, second = pair
    async with sharing(*pair, vlm_canary_interval_s=0.01) as parts:
        for stub in pair:
            stub.script.append(Reply(hang=True))
        begun = asyncio.create_task(parts.chat.complete(BODY % b""))
        await eventually(lambda: first.running or second.running)
        ill, well = (first, second) if first.running else (second, first)
        well.script.clear()
        ill.canary_hangs = True
        assert b"a b c" in await begun
        assert not endpoint_of(parts, ill).is_serving


async def test_a_chats_place_is_held_to_the_end_of_its_stream(pair: tuple[StubEngine, StubEngine]) -> None:
    for stub in pair:
        stub.script.append(Reply("a b c d", events=2, then="hang"))
    async with sharing(*pair) as parts:
        events = parts.chat.stream(BODY % b', "stream": true')
        await anext(events)
        assert sum(endpoint.running for endpoint in parts.engine.endpoints) == 1
        await events.aclose()
        assert sum(endpoint.running for endpoint in parts.engine.endpoints) == 0


class Names:
    """What `engines.test` resolves to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = []
        self.asked = 0
        self._getaddrinfo = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the library has it
        if host != "engines.test":
            return self._getaddrinfo(host, *arguments, **named)
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [found for address in self.addresses for found in self._getaddrinfo(address, *arguments, **named)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def replicas() -> Iterator[tuple[StubEngine, StubEngine]]:
    """Engines at one port of two addresses."""
    first, second = StubEngine(kind="external"), StubEngine(kind="external", host="127.0.0.2")
    with first:
        second.port = first.port
        with second:
            yield first, second


@asynccontextmanager
async def resolving(port: int) -> AsyncIterator[Parts]:
    parts = create_parts(settings_of(f"dns+http://engines.test:{port}/v1", vlm_dns_refresh_s=0.02))
    await parts.engine.start()
    try:
        yield parts
    finally:
        await parts.engine.close()
        parts.slots.close()


@asynccontextmanager
async def draining(
    names: Names, replicas: tuple[StubEngine, StubEngine]
) -> AsyncIterator[tuple[Parts, asyncio.Task[Sequence[Reading]], threading.Event]]:
    """Eight calls at two engines, the second of which has left the name; the event lets both answer."""
    first, second = replicas
    names.addresses = ["127.0.0.1", "127.0.0.2"]
    release = threading.Event()
    for stub in replicas:
        stub.answer = lambda _request: Reply("read", after=release)
    async with resolving(first.port) as parts:
        await eventually(lambda: [endpoint.is_serving for endpoint in parts.engine.endpoints] == [True, True])
        calls = asyncio.create_task(read_many(parts, 8))
        await eventually(lambda: first.running == second.running == 4)
        names.addresses = ["127.0.0.1"]
        await eventually(lambda: parts.engine.draining)
        yield parts, calls, release


async def test_a_name_stands_for_the_engines_at_its_addresses(
    names: Names, replicas: tuple[StubEngine, StubEngine]
) -> None:
    async with resolving(replicas[0].port) as parts:
        await eventually(lambda: "engines.test" in (parts.engine.reason or ""))
        assert parts.engine.state == "starting"
        names.addresses = ["127.0.0.2"]
        assert await parts.engine.wait_ready(WAIT_S)
        assert (await read(parts)).status == "ok"
        assert [len(stub.requests) for stub in replicas] == [0, 1]
        names.addresses = ["127.0.0.1", "127.0.0.2"]
        await eventually(lambda: [endpoint.is_serving for endpoint in parts.engine.endpoints] == [True, True])
        assert statuses(await read_many(parts, 10)) == {"ok": 10}
        assert replicas[0].requests


async def test_an_engine_that_leaves_the_name_finishes_what_it_has(
    names: Names, replicas: tuple[StubEngine, StubEngine]
) -> None:
    first, second = replicas
    async with draining(names, replicas) as (parts, calls, release):
        assert [endpoint.url for endpoint in parts.engine.draining] == [second.base_url]
        later = asyncio.create_task(read_many(parts, 6))
        await eventually(lambda: first.running == 10)
        release.set()
        assert statuses([*await calls, *await later]) == {"ok": 14}
        assert (len(second.requests), second.aborted, parts.engine.moved) == (4, 0, 0)
        await eventually(lambda: not parts.engine.draining)
        # Its number is free, and nobody asks it any more.
        assert parts.engine.values(lambda endpoint: endpoint.number).keys() == {"0"}


async def test_an_engine_that_comes_back_while_it_drains_gets_calls_again(
    names: Names, replicas: tuple[StubEngine, StubEngine]
) -> None:
    second = replicas[1]
    async with draining(names, replicas) as (parts, calls, release):
        names.addresses = ["127.0.0.1", "127.0.0.2"]
        await eventually(lambda: not parts.engine.draining)
        later = asyncio.create_task(read_many(parts, 8))
        await eventually(lambda: second.running == 8)
        release.set()
        assert statuses([*await calls, *await later]) == {"ok": 16}


async def test_an_outage_of_the_resolver_is_none_of_the_engines(
    names: Names, replicas: tuple[StubEngine, StubEngine]
) -> None:
    names.addresses = ["127.0.0.1"]
    async with resolving(replicas[0].port) as parts:
        assert await parts.engine.wait_ready(WAIT_S)
        names.addresses, asked = [], names.asked
        await eventually(lambda: names.asked > asked + 3)
        assert (await read(parts)).status == "ok"


@pytest.mark.parametrize("url", ["dns+https://engines/v1", "dns+http://", "dns+http://engines:port/v1"])
def test_a_name_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValidationError, match="dns"):
        settings_of("http://127.0.0.1:1/v1", url)


def test_a_list_of_urls_may_have_spaces_slashes_and_repetitions() -> None:
    settings = settings_of(" http://a:1/v1/ ", "http://b:1/v1", "", "http://a:1/v1")
    assert settings.engine_urls == ["http://a:1/v1", "http://b:1/v1"]


def test_where_an_engine_is_told_to_be_no_password_stands() -> None:
    [endpoint] = create_parts(settings_of("http://user:hidden@engines:1/v1")).engine.endpoints
    assert endpoint.name == "http://engines:1/v1"
