from __future__ import annotations

import json
import math

import pytest

from gateway.engine.completion import CompletionAccumulator
from gateway.engine.errors import EngineError


def event(text: str, *logprobs: float) -> bytes:
    tokens = [{"token": "x", "logprob": value} for value in logprobs]
    choice = {"index": 0, "delta": {"content": text}, "logprobs": {"content": tokens}, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def test_events_add_up_however_many_come_at_once() -> None:
    completion = CompletionAccumulator()
    added = completion.feed(event("Привет, ", -1.0) + event("мир", -2.0, -3.0))
    added += completion.feed(b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n')
    assert completion.text == added == "Привет, мир"
    assert (completion.finish_reason, completion.completion_tokens) == ("stop", 3)
    assert completion.confidence() == pytest.approx(math.exp(-2))


def test_the_engines_own_count_of_tokens_wins() -> None:
    completion = CompletionAccumulator()
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}\n\n'
    completion.feed(event("a", -1.0) + usage)
    assert (completion.prompt_tokens, completion.completion_tokens) == (7, 9)


def test_the_confidence_of_what_is_kept_is_not_that_of_the_loop() -> None:
    completion = CompletionAccumulator()
    completion.feed(event("read", -1.0) + event(" and again", -0.0001) * 50)
    assert completion.confidence(len("read")) == pytest.approx(math.exp(-1))
    assert (completion.confidence() or 0) > 0.9
    assert completion.confidence(1) == pytest.approx(math.exp(-1)), "the first piece is the least that is known"


def test_a_second_look_at_nothing_knows_no_confidence() -> None:
    assert CompletionAccumulator().confidence() is None
    assert CompletionAccumulator().confidence(3) is None


@pytest.mark.parametrize(
    "data", [b"data: 1\n\n", b"data: {]\n\n", b'data: {"choices": [{}]}\n\n', b'data: {"choices": [{"delta": 3}]}\n\n']
)
def test_events_that_make_no_sense_are_an_engines_failure(data: bytes) -> None:
    with pytest.raises(EngineError):
        CompletionAccumulator().feed(data)


def test_halves_of_characters_cost_no_reading() -> None:
    completion = CompletionAccumulator()
    completion.feed_body(b'{"choices": [{"message": {"content": "a\\ud83d"}}]}')
    assert completion.text == "a\ud83d"


def test_an_answer_nested_too_deeply_is_refused() -> None:
    for body in (b"[" * 100_000, b'{"choices": ' + b"[" * 100_000, b'{"unknown": ' + b"[" * 100_000):
        with pytest.raises(EngineError):
            CompletionAccumulator().feed_body(body)


def test_numbers_that_json_has_no_words_for_cost_no_reading() -> None:
    completion = CompletionAccumulator()
    completion.feed_body(
        b'{"choices": [{"message": {"content": "a"}, "logprobs": {"content": [{"logprob": -Infinity}]}}],'
        b' "usage": {"prompt_tokens": 7.0, "completion_tokens": 3}}'
    )
    assert (completion.text, completion.confidence(), completion.prompt_tokens) == ("a", 0.0, 7)
