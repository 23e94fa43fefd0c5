"""A gateway with several engines, as its clients and its operator see it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import wait_until

KEY = {"x-api-key": "one-key"}
CHAT = {"messages": [{"role": "user", "content": "a b c"}]}


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, StubEngine]]:
    with (
        StubEngine(kind="external") as second,
        gateway(
            tmp_path_factory.mktemp("gateway"),
            engine=StubEngine(kind="external"),
            more_engines=[second],
            api_keys="one-key",
        ) as running,
    ):
        yield running, second


@pytest.fixture
def pair(_running: tuple[Gateway, StubEngine]) -> tuple[Gateway, StubEngine]:
    """Both engines are ready, and get calls."""
    served, second = _running
    for engine in (served.engine, second):
        engine.start()
    served.reset()
    second.requests.clear()
    second.answer = served.engine.answer
    served.client.headers.clear()
    served.client.headers.update(KEY)
    wait_until(
        lambda: [(one["state"], one["is_left_out"]) for one in engines(served)] == [("ready", False)] * 2, "engines"
    )
    return served, second


def engines(served: Gateway) -> list[dict[str, object]]:
    found: list[dict[str, object]] = served.client.get("/health").json()["engines"]
    return found


def test_an_engine_killed_under_load_costs_no_document_and_no_chat(
    pair: tuple[Gateway, StubEngine], png: bytes
) -> None:
    served, second = pair
    release = threading.Event()
    second.answer = lambda _request: Reply("never", after=release)
    with ThreadPoolExecutor(12) as clients:
        documents = [clients.submit(served.read, png) for _ in range(8)]
        chats = [clients.submit(served.client.post, "/v1/chat/completions", json=CHAT) for _ in range(4)]
        wait_until(lambda: second.running >= 2, "calls at the engine that is killed")
        second.kill()
        assert [document.result().json()["status"] for document in documents] == ["ok"] * 8
        assert [chat.result().status_code for chat in chats] == [200] * 4
    assert served.client.get("/readyz").status_code == 200
    wait_until(lambda: [one["state"] for one in engines(served)] == ["ready", "restarting"], "the loss in /health")
    text = served.client.get("/metrics").text
    assert 'ocr_engine_ready{engine="0"} 1.0' in text
    assert 'ocr_engine_ready{engine="1"} 0.0' in text
    moved = next(line for line in text.splitlines() if line.startswith("ocr_calls_moved_total"))
    assert float(moved.split()[1]) >= 2


def test_health_tells_of_each_engine_and_strangers_not_where_it_is(pair: tuple[Gateway, StubEngine]) -> None:
    served, second = pair
    told = engines(served)
    assert [one["engine"] for one in told] == ["0", "1"]
    assert [one["url"] for one in told] == [served.engine.base_url, second.base_url]
    assert all(one["reason"] is None and one["running"] == 0 for one in told)
    served.client.headers.clear()
    assert [one["url"] for one in engines(served)] == [None, None]


def test_metrics_name_engines_by_number_only(pair: tuple[Gateway, StubEngine]) -> None:
    served, _ = pair
    lines = [line for line in served.client.get("/metrics").text.splitlines() if "{engine=" in line]
    assert {line.partition("{")[2].partition("}")[0] for line in lines} == {'engine="0"', 'engine="1"'}
    assert not [line for line in lines if "127.0.0.1" in line]
