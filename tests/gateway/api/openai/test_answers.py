"""Chat as the official client sees it, whole and streamed."""

from __future__ import annotations

import json

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.gateway.api.openai.conftest import MESSAGES, PICTURE, about, said
from tests.support.server import Gateway, leave_when
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until

TEXT = 'Rechnung Nr. 17\n<table> ☃ "quoted" 日本'


def test_an_answer_with_usage_and_logprobs(served: Gateway, client: OpenAI) -> None:
    served.engine.script.append(Reply(TEXT, finish_reason="length"))
    answer = client.chat.completions.create(
        model="stub-model", messages=MESSAGES, logprobs=True, top_logprobs=2, extra_headers={"X-Request-ID": "r-17"}
    )
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", TEXT, "length")
    assert (answer.object, answer.model, answer.id) == ("chat.completion", "stub-model", "stub")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert [len(token.top_logprobs) for token in choice.logprobs.content] == [2, 2]
    assert answer._request_id == "r-17"


def test_without_logprobs_there_are_none(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="stub-model", messages=MESSAGES)
    assert answer.choices[0].logprobs is None


@pytest.mark.parametrize("model", ["stub-model", "other/name", "PaddleOCR-VL-1.6-0.9B"])
def test_each_served_name_is_a_model(served: Gateway, client: OpenAI, model: str) -> None:
    client.chat.completions.create(model=model, messages=MESSAGES)
    assert served.engine.requests[-1].body["model"] == model


def test_a_request_without_a_model_is_for_the_engines_own(served: Gateway) -> None:
    answer = served.client.post("/v1/chat/completions", json={"messages": MESSAGES})
    assert answer.status_code == 200
    assert served.engine.requests[-1].body["model"] == "stub-model"


async def test_the_asynchronous_client(served: Gateway, async_client: AsyncOpenAI) -> None:
    served.engine.script.append(Reply(TEXT))
    answer = await async_client.chat.completions.create(model="stub-model", messages=MESSAGES)
    assert answer.choices[0].message.content == TEXT


def test_a_stream(served: Gateway, client: OpenAI) -> None:
    served.engine.script.append(Reply(TEXT))
    stream = client.chat.completions.create(
        model="stub-model", messages=MESSAGES, stream=True, logprobs=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert any(chunk.choices[0].logprobs for chunk in chunks if chunk.choices)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_a_stream_without_usage(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="stub-model", messages=MESSAGES, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


async def test_a_stream_to_the_asynchronous_client(served: Gateway, async_client: AsyncOpenAI) -> None:
    served.engine.script.append(Reply(TEXT))
    stream = await async_client.chat.completions.create(model="stub-model", messages=MESSAGES, stream=True)
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == TEXT


def test_the_clients_stream_helper(served: Gateway, client: OpenAI) -> None:
    served.engine.script.append(Reply(TEXT))
    with client.chat.completions.stream(model="stub-model", messages=MESSAGES) as stream:
        assert stream.get_final_completion().choices[0].message.content == TEXT


def test_a_response_read_as_it_comes(served: Gateway, client: OpenAI) -> None:
    served.engine.script.extend([Reply(TEXT), Reply(TEXT)])
    create = client.chat.completions.with_streaming_response.create
    with create(model="stub-model", messages=MESSAGES) as answer:
        assert json.loads(answer.read())["choices"][0]["message"]["content"] == TEXT
    with create(model="stub-model", messages=MESSAGES, stream=True) as streamed:
        assert list(streamed.iter_lines())[-2:] == ["data: [DONE]", ""]


def test_events_come_while_the_engine_writes(served: Gateway) -> None:
    served.engine.script.append(Reply("a b c", events=1, then="hang", events_delay_s=0.05))
    body = {"messages": MESSAGES, "stream": True}
    with served.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-request-id"]
        lines = (line for line in answer.iter_lines() if line)
        assert json.loads(next(lines).removeprefix("data: "))["choices"][0]["delta"]["role"] == "assistant"
        assert json.loads(next(lines).removeprefix("data: "))["choices"][0]["delta"]["content"] == "a "
        assert served.engine.running == 1


def test_a_conversation_goes_on(served: Gateway, client: OpenAI) -> None:
    """What the client got from the engine it sends back as it is."""
    first = client.chat.completions.create(model="stub-model", messages=MESSAGES)
    again = {"role": "user", "content": "And the total?"}
    messages = [{"role": "system", "content": "Be brief."}, *MESSAGES, first.choices[0].message, again]
    client.chat.completions.create(model="stub-model", messages=messages)
    sent = served.engine.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert sent[2] == {"role": "assistant", "content": "line one\nline two"}
    assert sent[0] == {"role": "system", "content": "Be brief."}


def test_text_alone_is_for_engines_that_take_it(served: Gateway, client: OpenAI) -> None:
    served.engine.script.append(Reply("hello"))
    answer = client.chat.completions.create(model="stub-model", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content == "hello"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_engine(served: Gateway, stream: bool) -> None:
    served.engine.script.append(Reply("a b c", hang=not stream, events=1, then="hang"))
    body = {"messages": MESSAGES, "stream": stream}
    url, headers = f"{served.url}/v1/chat/completions", served.client.headers
    leave_when(lambda: served.engine.running == 1, url, json=body, headers=headers)
    wait_until(lambda: served.engine.aborted == 1, "an aborted call")
    wait_until(lambda: served.service.parts.queue.chats == 0, "an empty queue")
    assert served.service.parts.queue.running == 0


def test_a_stream_that_its_client_closes_stops_the_engine(served: Gateway, client: OpenAI) -> None:
    served.engine.script.append(Reply("a b c", events=1, then="hang", events_delay_s=0.05))
    stream = client.chat.completions.create(model="stub-model", messages=MESSAGES, stream=True)
    next(iter(stream))
    stream.close()
    wait_until(lambda: served.engine.aborted == 1, "an aborted call")


def test_chat_has_a_priority_where_the_engine_takes_one(
    served: Gateway, client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(client, stream=False)
    monkeypatch.setattr(served.service.parts.engine.leader, "takes_priority", True)
    said(client, stream=False)
    said(client, stream=False)
    unknown, first, second = (request.body.get("priority", 0) for request in served.engine.requests)
    assert unknown == 0
    assert 0 < first < second


def test_models(client: OpenAI) -> None:
    models = client.models.list().data
    assert [model.id for model in models] == ["stub-model", "other/name", "PaddleOCR-VL-1.6-0.9B"]
    assert {(model.object, model.owned_by, model.created) for model in models} == {("model", "vllm", 17)}
    assert client.models.retrieve("other/name").id == "other/name"


def test_chat_is_counted_and_its_texts_are_not_logged(
    served: Gateway, client: OpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    served.engine.script.append(Reply("the secret answer"))
    client.chat.completions.create(model="stub-model", messages=about(PICTURE, "a secret question"))
    metrics = served.client.get("/metrics").text
    assert 'ocr_requests_total{route="/v1/chat/completions",status="200"}' in metrics
    logged = "".join(capsys.readouterr())
    assert "/v1/chat/completions" in logged
    assert "secret" not in logged
