"""Which fields a chat request may have, and what of them the engine gets."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.gateway.api.openai.conftest import MESSAGES, PICTURE, about
from tests.support.server import Gateway

IMAGE = MESSAGES[0]["content"][0]


def asked(served: Gateway, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The engine's request that comes of a client's."""
    answer = served.client.post("/v1/chat/completions", json={"messages": MESSAGES, **fields})
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in served.engine.requests[-1].body.items() if name != "messages"}


def refused(served: Gateway, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    answer = served.client.post("/v1/chat/completions", json={"messages": MESSAGES, **fields})
    assert answer.status_code == 400, answer.text
    assert not served.engine.requests
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.5, "top_p": 0.9, "seed": -7, "presence_penalty": -1, "frequency_penalty": 2},
        {"repetition_penalty": 1.2, "skip_special_tokens": False},
        {"logprobs": True, "top_logprobs": 20},
        {"stop": ["a", "b", "c", "d"]},
        {"max_completion_tokens": 100},
    ],
)
def test_fields_that_the_engine_gets(served: Gateway, fields: dict[str, Any]) -> None:
    assert asked(served, **fields) == {"model": "stub-model", "temperature": 0, **fields}


def test_what_mistral_s_clients_send(served: Gateway) -> None:
    answered = {"role": "assistant", "content": "a", "prefix": False}
    messages = [{"role": "user", "content": "OCR:"}, answered, *MESSAGES]
    got = asked(served, messages=messages, random_seed=7, safe_prompt=False)
    assert got == {"model": "stub-model", "temperature": 0, "seed": 7}
    assert "prefix" not in served.engine.requests[-1].body["messages"][1]


def test_no_prompt_is_put_before_the_client_s(served: Gateway) -> None:
    assert refused(served, safe_prompt=True)["param"] == "safe_prompt"


def test_vllm_s_own_sampling_reaches_a_vllm(served: Gateway) -> None:
    assert asked(served, top_k=40, min_p=0.1) == {"model": "stub-model", "temperature": 0, "top_k": 40, "min_p": 0.1}


HARMLESS: dict[str, Any] = {
    "user": "me", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "parallel_tool_calls": True,
    "safety_identifier": "a", "prompt_cache_key": "b",
    "prompt_cache_options": {"mode": "auto"}, "prompt_cache_retention": "24h",
    "reasoning_effort": "low", "verbosity": "low",
    "response_format": {"type": "text"}, "modalities": ["text"], "tool_choice": "auto", "tools": [],
}  # fmt: skip


def test_fields_without_effect_go_no_further(client: OpenAI, served: Gateway) -> None:
    """As the official client sends them."""
    answer = client.chat.completions.create(model="stub-model", messages=MESSAGES, extra_body=HARMLESS)
    assert answer.choices[0].message.content
    sent = {name: value for name, value in served.engine.requests[-1].body.items() if name != "messages"}
    assert sent == {"model": "stub-model", "temperature": 0}


def test_what_messages_and_streams_carry_goes_no_further(served: Gateway) -> None:
    messages = [{**MESSAGES[0], "name": "somebody"}]
    options = {"include_obfuscation": False, "include_usage": True}
    fields = {"messages": messages, "stream": True, "stream_options": options}
    assert served.client.post("/v1/chat/completions", json=fields).status_code == 200
    body = served.engine.requests[-1].body
    assert body["stream_options"] == {"include_usage": True}
    assert "name" not in body["messages"][0]


def test_a_developer_s_message_is_the_system_s(served: Gateway) -> None:
    asked(served, messages=[{"role": "developer", "content": "Be brief."}, *MESSAGES])
    assert served.engine.requests[-1].body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_picture_s_url_by_itself_and_what_parts_carry(served: Gateway) -> None:
    text = {"type": "text", "text": "OCR:", "cache_control": {"type": "ephemeral"}}
    asked(served, messages=[{"role": "user", "content": [{"type": "image_url", "image_url": PICTURE}, text]}])
    request = served.engine.requests[-1]
    assert (request.prompt, request.size) == ("OCR:", (400, 300))
    assert "cache_control" not in str(request.body)


@pytest.mark.parametrize("name", ["PaddleOCR-VL-0.9B", "PaddleOCR-VL-1.5-0.9B"])
def test_paddlex_s_names_are_the_engine_s_model(served: Gateway, name: str) -> None:
    assert asked(served, model=name)["model"] == "stub-model"
    assert asked(served, model="PaddleOCR-VL-1.6-0.9B")["model"] == "PaddleOCR-VL-1.6-0.9B"


def test_what_is_not_said_is_not_sent(served: Gateway) -> None:
    nothing = {"stop": None, "seed": None, "stream": None, "n": 1, "stream_options": None, "mm_processor_kwargs": None}
    assert asked(served, **nothing) == {"model": "stub-model", "temperature": 0}


def test_one_string_ends_the_answer_too(served: Gateway) -> None:
    assert asked(served, stop="END")["stop"] == ["END"]


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_tokens": 7}, 7),
        ({"max_tokens": 7, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 8191}, 8191),
        ({"max_tokens": 8192}, None),
        ({"max_completion_tokens": 10**12}, None),
    ],
)
def test_the_token_limit_stays_within_the_context(served: Gateway, fields: dict[str, Any], limit: int | None) -> None:
    assert asked(served, **fields).get("max_completion_tokens") == limit


@pytest.mark.parametrize(
    "field",
    [
        "logit_bias", "best_of", "use_beam_search", "prompt_logprobs", "bad_words", "allowed_token_ids",
        "chat_template", "chat_template_kwargs", "media_io_kwargs", "structured_outputs", "guided_json",
        "tools", "documents", "echo", "add_special_tokens", "priority", "request_id", "cache_salt", "min_tokens",
        "kv_transfer_params", "prompt_embeds", "ignore_eos", "thinking_token_budget", "vllm_xargs",
        "stop_token_ids", "return_token_ids", "stream_interval", "functions", "continue_final_message", "x" * 500,
    ],
)  # fmt: skip
def test_any_other_field_is_refused_by_name(served: Gateway, field: str) -> None:
    error = refused(served, **{field: 1})
    assert error["code"] == "unknown_parameter"
    assert error["param"] == field[:80]
    assert f"`{field[:80]}`" in error["message"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"max_tokens": "7"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"n": 2}, "n"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": "</s>"}, "stop"),
        ({"seed": 2**63}, "seed"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": "yes"}, "stream"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"min_p": 2}, "min_p"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"mm_processor_kwargs": {"min_pixels": 1}}, "mm_processor_kwargs.min_pixels"),
        ({"mm_processor_kwargs": {"min_pixels": 2000, "max_pixels": 1000}}, "mm_processor_kwargs"),
        ({"messages": []}, "messages"),
        ({"messages": "OCR:"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "messages[0].content[0]"),
        ({"messages": [*MESSAGES, *MESSAGES]}, "messages[1].content[0]"),
        ({"messages": [{"role": "user", "content": [IMAGE, IMAGE]}]}, "messages[0].content[1]"),
        ({"messages": [{"role": "assistant", "content": [IMAGE]}, *MESSAGES]}, "messages[0].content"),
    ],
)  # fmt: skip
def test_a_value_that_can_not_be_is_refused_by_name(served: Gateway, fields: dict[str, Any], param: str) -> None:
    error = refused(served, **fields)
    assert (error["code"], error["param"]) == ("invalid_value", param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "user", "content": [{**IMAGE, "uuid": "1"}]}]}, "messages[0].content[0].uuid"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x", "y": 1}}]}]},
            "messages[0].content[0].image_url.y",
        ),
        ({"messages": [{"role": "user", "content": "x", "tool_call_id": "a"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]}, "messages[0].tool_calls"),
        ({"mm_processor_kwargs": {"size": 7}}, "mm_processor_kwargs.size"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema"),
        ({"stream": True, "stream_options": {"continuous_usage_stats": True}}, "stream_options.continuous_usage_stats"),
    ],
)
def test_nested_fields_are_refused_by_name_too(served: Gateway, fields: dict[str, Any], param: str) -> None:
    error = refused(served, **fields)
    assert (error["code"], error["param"]) == ("unknown_parameter", param)


def test_missing_fields_are_named(served: Gateway) -> None:
    answer = served.client.post("/v1/chat/completions", json={"model": "stub-model"})
    assert answer.status_code == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (
        "missing_required_parameter",
        "messages",
    )


@pytest.mark.parametrize(
    "text",
    [
        "<|IMAGE_START|>",
        "a<|IMAGE_PLACEHOLDER|>b",
        "<|begin_of_sentence|>",
        "x</s>",
        "<s>",
        "<|LOC_12|>",
        "＜|IMAGE_END|＞",
    ],
)
def test_control_tokens_of_the_model_are_refused(served: Gateway, text: str) -> None:
    error = refused(served, messages=about(PICTURE, text))
    assert error["param"] == "messages[0].content"
    assert "control token" in error["message"]


@pytest.mark.parametrize("pieces", [("<|IMAGE_", "START|>"), ("x<", "/s>"), ("＜|IMAGE", "_END|＞")])
def test_control_tokens_in_pieces_are_refused_too(served: Gateway, pieces: tuple[str, str]) -> None:
    content = [{"type": "text", "text": pieces[0]}, IMAGE, {"type": "text", "text": pieces[1]}]
    assert "control token" in refused(served, messages=[{"role": "user", "content": content}])["message"]
    answer = [{"type": "text", "text": piece} for piece in pieces]
    assert "control token" in refused(served, messages=[{"role": "assistant", "content": answer}, *MESSAGES])["message"]


def test_a_long_run_of_accents_holds_nobody_up(served: Gateway) -> None:
    # Python would normalise this for a minute, in which no other request would be answered.
    asked(served, messages=about(PICTURE, "a" + "\u0300\u0316" * 150_000))


@pytest.mark.parametrize("text", ["a < b | c > d", "<table><td>1</td></table>", "<nl>", "|>", "x<|y", "<strong>"])
def test_other_angle_brackets_are_text(served: Gateway, text: str) -> None:
    asked(served, messages=about(PICTURE, text))
    assert served.engine.requests[-1].prompt == text


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"messages": "\\ud800"}', b"null"])
def test_bodies_that_are_no_json_object(served: Gateway, body: bytes) -> None:
    answer = served.client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"


def test_only_json_is_taken(served: Gateway) -> None:
    answer = served.client.post("/v1/chat/completions", data={"messages": "x"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported_content_type"


def test_the_official_client_raises_its_own_exception(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(model="stub-model", messages=MESSAGES, extra_body={"nonsense": 1})
    assert caught.value.param == "nonsense"
    assert caught.value.code == "unknown_parameter"
    assert caught.value.request_id


def test_fields_that_ask_for_nothing_are_as_good_as_absent(served: Gateway) -> None:
    unused: dict[str, Any] = {"tools": [], "tool_choice": None, "response_format": None, "metadata": {}}
    body = {"messages": MESSAGES, **unused}
    assert served.client.post("/v1/chat/completions", json=body).status_code == 200
