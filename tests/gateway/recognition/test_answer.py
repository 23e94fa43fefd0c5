from __future__ import annotations

import json
import math

import pytest

from gateway.recognition.answer import Answer
from gateway.recognition.failures import EngineFailure


def event(text: str, *logprobs: float) -> bytes:
    tokens = [{"token": "x", "logprob": value} for value in logprobs]
    choice = {"index": 0, "delta": {"content": text}, "logprobs": {"content": tokens}, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def test_events_add_up_however_many_come_at_once() -> None:
    answer = Answer()
    added = answer.take_events(event("Привет, ", -1.0) + event("мир", -2.0, -3.0))
    added += answer.take_events(b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n')
    assert answer.text == added == "Привет, мир"
    assert (answer.finish_reason, answer.completion_tokens) == ("stop", 3)
    assert answer.confidence() == pytest.approx(math.exp(-2))


def test_the_engines_own_count_of_tokens_wins() -> None:
    answer = Answer()
    answer.take_events(
        event("a", -1.0) + b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}\n\n'
    )
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 9)


def test_the_confidence_of_what_is_kept_is_not_that_of_the_loop() -> None:
    answer = Answer()
    answer.take_events(event("read", -1.0) + event(" and again", -0.0001) * 50)
    assert answer.confidence(len("read")) == pytest.approx(math.exp(-1))
    assert (answer.confidence() or 0) > 0.9
    assert answer.confidence(1) == pytest.approx(math.exp(-1)), "the first piece is the least that is known"


def test_a_second_look_at_nothing_knows_no_confidence() -> None:
    assert Answer().confidence() is None
    assert Answer().confidence(3) is None


@pytest.mark.parametrize(
    "data", [b"data: 1\n\n", b"data: {]\n\n", b'data: {"choices": [{}]}\n\n', b'data: {"choices": [{"delta": 3}]}\n\n']
)
def test_events_that_make_no_sense_are_an_engines_failure(data: bytes) -> None:
    with pytest.raises(EngineFailure):
        Answer().take_events(data)


def test_halves_of_characters_cost_no_reading() -> None:
    answer = Answer()
    answer.take_whole(b'{"choices": [{"message": {"content": "a\\ud83d"}}]}')
    assert answer.text == "a\ud83d"


def test_an_answer_nested_too_deeply_is_refused() -> None:
    with pytest.raises(EngineFailure):
        Answer().take_whole(b"[" * 100_000)
