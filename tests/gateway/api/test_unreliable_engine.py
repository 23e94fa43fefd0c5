"""What clients hear, in every dialect, of an engine that takes no more work, and of one that gives half an answer."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.support.answers import assert_problem
from tests.support.server import Gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until

LONG = "120"
"""Seconds; nobody waits for so long."""
HALF = (
    'data: {"model": "stub-model", "choices": [{"index": 0, "delta": {"content": "half of"}, "finish_reason": null}]}'
)
END = 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}'


def chat(served: Gateway, png: bytes, **fields: object) -> httpx.Response:
    url = "data:image/png;base64," + base64.b64encode(png).decode()
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "OCR:"}]
    return served.client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": parts}], **fields})


def parse_layout(served: Gateway, png: bytes) -> httpx.Response:
    return served.client.post("/layout-parsing", json={"file": base64.b64encode(png).decode()})


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("dialect", ["ocr", "paddlex", "chat", "chat stream"])
def test_a_busy_engine_is_told_with_its_own_words(served: Gateway, png: bytes, status: int, dialect: str) -> None:
    served.engine.answer = lambda _request: Reply(status=status, retry_after=LONG)
    asks: dict[str, Any] = {
        "ocr": lambda: served.read(png),
        "paddlex": lambda: parse_layout(served, png),
        "chat": lambda: chat(served, png),
        "chat stream": lambda: chat(served, png, stream=True),
    }
    answer = asks[dialect]()
    assert (answer.status_code, answer.headers["retry-after"]) == (status, LONG)
    assert len(served.engine.requests) <= 2, "an engine that wants to be left alone is asked once for each region"


def test_a_short_wait_that_the_engine_asks_for_is_kept(served: Gateway, png: bytes) -> None:
    served.engine.script.append(Reply(status=429, retry_after="1"))
    answer = served.read(png, task="text")
    assert answer.status_code == 200
    assert answer.json()["timings"]["recognition_ms"] >= 1000


def test_what_a_busy_engine_did_read_is_not_lost(served: Gateway, png: bytes) -> None:
    served.engine.script.append(Reply("the first region"))
    served.engine.answer = lambda _request: Reply(status=503, retry_after=LONG)
    answer = served.read(png)
    assert (answer.status_code, answer.json()["status"]) == (200, "partial")


@pytest.mark.parametrize("end", ["", "\n\ndata: [DONE]\n\n"])
def test_half_a_stream_is_no_whole_one(served: Gateway, png: bytes, end: str) -> None:
    served.engine.answer = lambda _request: Reply(raw=HALF + "\n\n" + end, content_type="text/event-stream")
    text = chat(served, png, stream=True).text
    assert "half of" in text
    before_end = text.removesuffix("data: [DONE]\n\n").rstrip().rpartition("data: ")[2]
    assert '"error"' in before_end


def test_a_stream_that_says_why_it_ends_is_whole(served: Gateway, png: bytes) -> None:
    quoted = HALF.replace("half of", r"\"finish_reason\": \"stop\"")
    served.engine.answer = lambda _request: Reply(raw=f"{quoted}\n\n{END}\n\n", content_type="text/event-stream")
    assert '"error"' not in chat(served, png, stream=True).text


def test_text_that_looks_like_an_end_is_none(served: Gateway, png: bytes) -> None:
    quoted = HALF.replace("half of", r"\"finish_reason\": \"stop\"")
    served.engine.answer = lambda _request: Reply(raw=f"{quoted}\n\n", content_type="text/event-stream")
    assert '"error"' in chat(served, png, stream=True).text


def test_a_whole_chat_answer_without_an_end_is_an_error(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply(raw='{"choices": [{"message": {"content": "half of"}}]}')
    answer = chat(served, png)
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "recognition_failed"


def test_a_reading_without_an_end_is_truncated(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply(raw='{"choices": [{"message": {"content": "half of"}}]}')
    answer = served.read(png, task="text").json()
    assert (answer["status"], answer["pages"][0]["blocks"][0]["status"]) == ("partial", "truncated")


@pytest.mark.parametrize("stream", [False, True])
def test_another_model_than_was_asked_is_told(served: Gateway, png: bytes, stream: bool) -> None:
    head = '{"model": "somebody-else", "choices": [{"index": 0, '
    body = head + '"message": {"content": "read"}, "finish_reason": "stop"}]}'
    event = f'data: {head}"delta": {{"content": "read"}}, "finish_reason": "stop"}}]}}\n\ndata: [DONE]\n\n'
    kind = "text/event-stream" if stream else "application/json"
    served.engine.answer = lambda _request: Reply(raw=event if stream else body, content_type=kind)
    assert chat(served, png, stream=stream).status_code == 200
    wait_until(lambda: "somebody-else" in str(served.client.get("/health").json()["vlm"]["warning"]), "a warning")


def test_problems_of_a_busy_engine_have_known_codes(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply(status=429, retry_after=LONG)
    assert_problem(served.read(png), 429, "queue_full")
    served.engine.answer = lambda _request: Reply(status=503, retry_after=LONG)
    assert_problem(served.read(png), 503, "vlm_unavailable")
