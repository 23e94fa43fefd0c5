"""`POST /ocr` under pressure: full, without an engine, past the deadline, with clients that leave."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.api.ocr import stream
from tests.support import local_http
from tests.support.answers import assert_problem, events_of
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import WAIT_S, wait_until


def test_a_full_service_turns_away_and_says_when_to_come_back(served: Gateway, png: bytes) -> None:
    release = threading.Event()
    served.engine.answer = lambda _request: Reply("late", after=release)
    with ThreadPoolExecutor(2) as others:
        running = [others.submit(served.read, png) for _ in range(2)]
        try:
            wait_until(lambda: served.service.parts.queue.documents == 2, "two documents in work")
            answer = served.read(png)
        finally:
            release.set()
        assert_problem(answer, 429, "queue_full")
        assert int(answer.headers["retry-after"]) >= 1
        assert [each.result().status_code for each in running] == [200, 200]
    assert served.read(png).status_code == 200


def test_a_client_that_leaves_its_stream_frees_the_engine(served: Gateway, tiff: bytes) -> None:
    served.engine.script.extend([Reply("a"), Reply("b")])
    served.engine.answer = lambda _request: Reply(hang=True)
    served.layout.delay_s = lambda number: 0.5 * (number - 1)  # the two replies are for the first page
    with served.client.stream("POST", "/ocr?stream=true", files={"file": tiff}) as answer:
        events = answer.iter_text()
        assert next(events).startswith("event: meta")
        wait_until(lambda: served.engine.running > 0, "work at the engine")
    wait_until(lambda: served.engine.running == 0, "an idle engine")
    wait_until(lambda: served.service.parts.queue.documents == 0, "an empty queue")


def test_a_slow_stream_stays_alive(served: Gateway, tiff: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_PING_S", 0.05)
    served.layout.delay_s = lambda number: 0.5 * (number - 1)
    text = served.read(tiff, stream="true").text
    assert "\n\n: " in text
    assert [name for name, _ in events_of(text)] == ["meta", "page", "page", "page", "done"]


def test_without_an_engine_documents_are_refused_and_health_says_why(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, engine_up=False) as down:
        answer = down.read(png)
        assert_problem(answer, 503, "vlm_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        health = down.client.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        assert health.json()["vlm"]["state"] == "starting"
        ready = down.client.get("/readyz")
        assert ready.status_code == 503
        assert any("vlm" in reason for reason in ready.json()["reasons"])
        assert down.client.get("/startupz").status_code == 503
        assert down.client.get("/ping").status_code == 204
        assert down.client.get("/livez").status_code == 200


def test_past_the_deadline_a_stream_ends_with_an_error(tmp_path: Path, tiff: bytes) -> None:
    with gateway(tmp_path, request_timeout_s=10, pages_in_flight=1) as served:
        served.engine.answer = lambda _request: Reply(hang=True)
        served.engine.script.extend([Reply("a"), Reply("b")])  # for the first page, whose calls all come first
        events = events_of(served.read(tiff, stream="true").text)
        assert [name for name, _ in events] == ["meta", "page", "error"]
        assert events[-1][1]["code"] == "deadline_exceeded"
        wait_until(lambda: served.engine.running == 0, "an idle engine")


@pytest.mark.parametrize("stream", ["false", "true"])
def test_what_outlasts_the_grace_of_a_shutdown_is_told_so(tmp_path: Path, tiff: bytes, stream: str) -> None:
    answers: list[httpx.Response] = []
    with gateway(tmp_path) as ending:
        ending.layout.delay_s = lambda number: 0.0 if number == 1 else 60.0
        url = f"{ending.url}/ocr?stream={stream}"
        post = threading.Thread(target=lambda: answers.append(local_http.post(url, files={"file": tiff})))
        post.start()
        wait_until(lambda: ending.service.parts.queue.documents == 1, "work on the document")
        time.sleep(1)  # the first page is out, the second one will not be
    post.join(WAIT_S)
    (answer,) = answers
    if stream == "false":
        assert_problem(answer, 503, "shutting_down")
    else:
        assert [name for name, _ in events_of(answer.text)] == ["meta", "page", "error"]
        assert "shutting_down" in answer.text


def test_a_burst_is_admitted_only_as_far_as_the_queue_reaches(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, max_queued_regions=1, max_concurrent_regions=1) as small, ThreadPoolExecutor(10) as pool:
        release = threading.Event()
        small.engine.answer = lambda _request: Reply("slow", after=release)
        calls = [pool.submit(small.read, png) for _ in range(10)]
        wait_until(lambda: sum(call.done() for call in calls) >= 6, "refusals")
        release.set()
        answers = [call.result() for call in calls]
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 4
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)


@pytest.mark.parametrize("path", ["/ocr", "/layout-parsing"])
def test_an_interactive_request_overtakes_a_batch(tmp_path: Path, png: bytes, tiff: bytes, path: str) -> None:
    release = threading.Event()
    with gateway(tmp_path, max_concurrent_regions=1) as narrow, ThreadPoolExecutor(2) as clients:
        narrow.engine.answer = lambda _request: Reply("read", after=release)
        document = {"file": base64.b64encode(tiff).decode()}
        body = {"json": document} if path == "/layout-parsing" else {"files": {"file": tiff}}
        batch = clients.submit(httpx.post, f"{narrow.url}{path}?priority=batch", **body, timeout=WAIT_S)
        wait_until(lambda: narrow.service.parts.queue.waiting == 5, "a batch that waits")
        quick = clients.submit(narrow.read, png, task="table")
        wait_until(lambda: narrow.service.parts.queue.waiting == 6, "a request that waits")
        release.set()
        assert (quick.result().status_code, batch.result().status_code) == (200, 200)
        assert narrow.engine.prompts.index("Table Recognition:") == 1


def test_an_unknown_priority_is_refused(served: Gateway, png: bytes) -> None:
    assert_problem(served.read(png, priority="urgent"), 422, "invalid_option")
    assert served.read(png, priority="batch").status_code == 200
