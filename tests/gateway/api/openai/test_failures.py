"""What goes wrong, as OpenAI's clients hear of it. Nothing that the engine says of an error gets through."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.gateway.api.openai.conftest import KEY, MESSAGES, said
from tests.support import local_http
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import SECRET, Reply, StubEngine
from tests.support.waiting import WAIT_S, wait_until

BODY = {"messages": MESSAGES}


def assert_openai_error(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == code
    assert answer.headers["x-request-id"]
    assert SECRET not in answer.text
    return error


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reply", "failure", "code"),
    [
        (Reply(status=400), openai.BadRequestError, "request_rejected"),
        (Reply(status=422), openai.BadRequestError, "request_rejected"),
        (Reply(status=404), openai.NotFoundError, "model_not_found"),
        (Reply(status=401), openai.InternalServerError, "recognition_failed"),
        (Reply(raw="<html>", content_type="text/html"), openai.InternalServerError, "recognition_failed"),
        (Reply(raw='{"choices": []}'), openai.InternalServerError, "recognition_failed"),
    ],
)
def test_what_the_engine_refuses(
    served: Gateway, client: OpenAI, stream: bool, reply: Reply, failure: type[openai.APIStatusError], code: str
) -> None:
    served.engine.answer = lambda _request: reply
    with pytest.raises(failure) as caught:
        client.chat.completions.create(model="stub-model", messages=MESSAGES, stream=stream)
    assert caught.value.code == code
    assert SECRET not in str(caught.value)
    assert len(served.engine.requests) == 1


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8192 tokens. However, your prompt contains 9000 input tokens, which "
        "exceeds this limit even without any output tokens. Please reduce the length of the input prompt.",
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that "
        "`max_model_len` is no smaller than the number of text tokens plus multimodal tokens.",
        "Input length (9000) exceeds model's maximum context length (8192).",
        "the request exceeds the available context size, try increasing it",
    ],
)
def test_too_much_for_the_context(served: Gateway, client: OpenAI, words: str) -> None:
    served.engine.script.append(Reply(words, status=400))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="stub-model", messages=MESSAGES)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    assert "8192 tokens" in caught.value.message
    assert words[:20] not in caught.value.message


def test_the_field_that_the_engine_refuses_is_named(served: Gateway) -> None:
    served.engine.script.append(Reply(status=400, param="temperature"))
    answer = served.client.post("/v1/chat/completions", json=BODY)
    assert assert_openai_error(answer, 400, "request_rejected")["param"] == "temperature"
    served.engine.script.append(Reply(status=400, param="/usr/lib/secret.py"))
    assert served.client.post("/v1/chat/completions", json=BODY).json()["error"]["param"] is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("reply", [Reply(status=503), Reply(status=429), Reply(status=500), Reply(drop=True)])
def test_what_may_pass_is_tried_again(served: Gateway, client: OpenAI, stream: bool, reply: Reply) -> None:
    served.engine.script.extend([reply, Reply("at last")])
    assert said(client, stream) == "at last"
    assert len(served.engine.requests) == 2


def test_a_failing_engine_is_given_up_after_three_calls(served: Gateway, client: OpenAI) -> None:
    served.engine.answer = lambda _request: Reply(status=500)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="stub-model", messages=MESSAGES)
    assert (caught.value.status_code, caught.value.code) == (502, "recognition_failed")
    assert len(served.engine.requests) == 3


@pytest.mark.parametrize("then", ["error", "drop"])
def test_a_stream_that_breaks_off_says_so_and_ends(served: Gateway, client: OpenAI, then: Any) -> None:  # noqa: ANN401
    served.engine.script.append(Reply("a b c d", events=2, then=then, events_delay_s=0.1))
    stream = client.chat.completions.create(model="stub-model", messages=MESSAGES, stream=True)
    heard: list[str | None] = []
    with pytest.raises(openai.APIError) as caught:
        heard.extend(chunk.choices[0].delta.content for chunk in stream)
    assert heard == ["", "a ", "b "]
    assert caught.value.code == "recognition_failed"
    assert caught.value.type == "server_error"
    assert len(served.engine.requests) == 1
    wait_until(lambda: served.service.parts.engine.state == "ready", "a ready engine")


def test_the_last_line_of_a_broken_stream(served: Gateway) -> None:
    served.engine.script.append(Reply("a b c d", events=1, then="error", events_delay_s=0.1))
    answer = served.client.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert answer.status_code == 200
    assert SECRET not in answer.text
    assert answer.text.endswith("\n\ndata: [DONE]\n\n")
    assert answer.text.count("[DONE]") == 1


def test_a_stream_broken_before_its_first_event_is_tried_again(served: Gateway, client: OpenAI) -> None:
    served.engine.script.extend([Reply("a b", events=-1, then="error"), Reply("at last")])
    stream = client.chat.completions.create(model="stub-model", messages=MESSAGES, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "at last"


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_that_restarts_is_waited_for(served: Gateway, client: OpenAI, stream: bool) -> None:
    served.engine.kill()
    with ThreadPoolExecutor(1) as other:
        asking = other.submit(said, client, stream)
        time.sleep(0.5)
        assert not asking.done()
        served.engine.start()
        assert asking.result(WAIT_S) == "line one\nline two"


def test_a_full_service(served: Gateway, client: OpenAI) -> None:
    release = threading.Event()
    served.engine.answer = lambda _request: Reply("late", after=release)
    with ThreadPoolExecutor(2) as others:
        running = [others.submit(served.client.post, "/v1/chat/completions", json=BODY) for _ in range(2)]
        try:
            wait_until(lambda: served.service.parts.queue.chats == 2, "two requests in work")
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(model="stub-model", messages=MESSAGES)
        finally:
            release.set()
        assert [each.result().status_code for each in running] == [200, 200]
    assert int(caught.value.response.headers["retry-after"]) >= 1
    assert caught.value.code == "queue_full"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/stub-model", "/v1/chat/completions"])
def test_a_key_is_needed(served: Gateway, path: str) -> None:
    method = "POST" if path.endswith("completions") else "GET"
    for headers in ({}, {"authorization": "Bearer wrong"}):
        answer = httpx.request(method, served.url + path, headers=headers)
        assert_openai_error(answer, 401, "unauthorized")
    with OpenAI(base_url=f"{served.url}/v1", api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
        with pytest.raises(openai.AuthenticationError):
            stranger.chat.completions.create(model="stub-model", messages=MESSAGES)
    assert local_http.get(f"{served.url}/v1/models", headers={"x-api-key": KEY}).status_code == 200


def test_models_that_do_not_exist(client: OpenAI) -> None:
    for ask in (client.models.retrieve, lambda name: client.chat.completions.create(model=name, messages=MESSAGES)):
        with pytest.raises(openai.NotFoundError) as caught:
            ask("gpt-4o")
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
        assert "gpt-4o" in caught.value.message
        assert "stub-model" in caught.value.message


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/completions", "/v1/", "/v1/chat/", "/v1/responses"])
def test_unknown_paths(served: Gateway, path: str) -> None:
    assert_openai_error(served.client.post(path, json={}), 404, "not_found")


def test_a_wrong_method(served: Gateway) -> None:
    answer = served.client.get("/v1/chat/completions")
    assert_openai_error(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_probes_below_v1_keep_their_own_shape(served: Gateway) -> None:
    assert served.client.get("/v1/health/live").json()["status"] == "ok"
    assert served.client.get("/v1/health/nothing").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("content", [b"x" * 2_000_001, [b"x" * 1_000_000] * 3])
def test_a_body_too_large(served: Gateway, content: Any) -> None:  # noqa: ANN401 - httpx's own
    content = content if isinstance(content, bytes) else iter(content)
    answer = served.client.post("/v1/chat/completions", content=content, headers={"content-type": "application/json"})
    assert_openai_error(answer, 413, "body_too_large")


def test_a_service_that_stops_takes_no_more(served: Gateway) -> None:
    served.service.draining = True
    try:
        answer = served.client.post("/v1/chat/completions", json=BODY)
    finally:
        served.service.draining = False
    assert_openai_error(answer, 503, "shutting_down")
    assert answer.headers["retry-after"]


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A service whose requests have little time, and enough for the first words of a stream."""
    engine = StubEngine(kind="vllm")
    with gateway(tmp_path_factory.mktemp("gateway"), engine=engine, request_timeout_s=5) as running:
        yield running


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply("a", events=-1, then="hang")])
@pytest.mark.parametrize("stream", [False, True])
def test_a_deadline(hasty: Gateway, stream: bool, reply: Reply) -> None:
    hasty.engine.script.append(reply if stream else Reply(hang=True))
    answer = hasty.client.post("/v1/chat/completions", json={**BODY, "stream": stream})
    assert_openai_error(answer, 504, "deadline_exceeded")
    wait_until(lambda: hasty.engine.running == 0, "an idle engine")


def test_a_deadline_in_the_middle_of_a_stream(hasty: Gateway) -> None:
    hasty.engine.script.append(Reply("a b", events=1, then="hang"))
    answer = hasty.client.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert answer.status_code == 200
    assert '"code":"deadline_exceeded"' in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")
    wait_until(lambda: hasty.engine.running == 0, "an idle engine")


def test_without_an_engine(tmp_path: Path) -> None:
    with gateway(tmp_path, engine_up=False) as running:
        for answer in (
            running.client.post("/v1/chat/completions", json=BODY),
            running.client.get("/v1/models"),
            running.client.get("/v1/models/any"),
        ):
            assert_openai_error(answer, 503, "vlm_unavailable")
            assert answer.headers["retry-after"]


def test_a_client_that_stops_reading_does_not_keep_the_engine(served: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.api.middleware.STALLED_AFTER_S", 0.5)
    served.engine.script.append(Reply(("x" * 1_000_000 + " ") * 60))
    body = json.dumps({**BODY, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as client:
        client.sendall(head.encode() + body)
        assert client.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: served.engine.running == 0, "an idle engine")
        wait_until(lambda: served.service.parts.queue.running == 0, "an empty queue")
