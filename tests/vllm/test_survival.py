"""The engine dies or freezes; the service goes on. Last of the tests here: each of them costs a start of vLLM."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import local_http
from tests.support.waiting import wait_until
from tests.vllm.lessons import EXAMPLE
from tests.vllm.service import VllmService, configure
from tests.vllm.test_reading import example_markdown

pytestmark = pytest.mark.service


@pytest.fixture
def reading(service: VllmService) -> Iterator[ThreadPoolExecutor]:
    service.wait_until_ready()
    with ThreadPoolExecutor(8) as pool:
        yield pool


def states(service: VllmService, seen: set[str], until: threading.Event) -> None:
    while not until.is_set():
        seen.add(service.health()["vlm"]["state"])
        time.sleep(0.2)


def test_an_engine_killed_in_the_middle_of_documents_loses_nothing(
    service: VllmService, reading: ThreadPoolExecutor
) -> None:
    before = service.leader().pid
    seen: set[str] = set()
    done = threading.Event()
    reading.submit(states, service, seen, done)
    documents = [reading.submit(service.read, EXAMPLE, format="markdown") for _ in range(4)]
    wait_until(lambda: service.running_requests() > 0, "requests in the engine's hands")
    service.engine_core().kill()
    answers = [document.result() for document in documents]
    done.set()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert {answer.text for answer in answers} == {example_markdown()}
    assert "restarting" in seen
    assert service.leader().pid != before


def test_a_frozen_engine_is_found_killed_and_replaced_and_its_calls_are_answered(
    service: VllmService, reading: ThreadPoolExecutor
) -> None:
    before = service.leader().pid
    service.engine_core().send_signal(signal.SIGSTOP)
    document = reading.submit(service.read, EXAMPLE, format="markdown")
    assert local_http.get(f"http://127.0.0.1:{service.vlm_port}/health").status_code == 200
    wait_until(lambda: service.health()["vlm"]["state"] == "restarting", "the freeze to be noticed", service.log)
    assert local_http.get(f"{service.url}/readyz").status_code == 503
    answer = document.result()
    assert (answer.status_code, answer.text) == (200, example_markdown())
    assert service.leader().pid != before
    assert "frozen" in service.log.read_text(encoding="utf-8")


def test_while_it_loads_the_service_says_so_and_is_alive_but_not_ready(
    service: VllmService, reading: ThreadPoolExecutor
) -> None:
    """And reads with what it finds in the model's folder then: 4,096 tokens are as many as the gateway asks for a
    region's text alone."""
    configure(service.model, max_position_embeddings=4096)
    service.leader().kill()
    wait_until(lambda: "loading" in (service.health()["vlm"]["reason"] or ""), "the loading", service.log)
    health = service.health()
    assert (health["status"], health["vlm"]["state"]) == ("degraded", "restarting")
    assert local_http.get(f"{service.url}/livez").status_code == 200
    assert local_http.get(f"{service.url}/readyz").status_code == 503
    assert local_http.get(f"{service.url}/startupz").status_code == 200
    answer = service.read(EXAMPLE, format="markdown")
    assert (answer.status_code, answer.text) == (200, example_markdown())
    assert service.context() == 4096
