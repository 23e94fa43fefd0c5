"""Times are seconds on a scripted clock."""

from __future__ import annotations

import pytest

from gateway.recognition.silence import Call, Silence


def answered(silence: Silence, asked: float, first_s: float, gap_s: float, events: int = 3) -> None:
    call = silence.begin(asked)
    for number in range(events):
        silence.hear(call, asked + first_s + number * gap_s)
    silence.end(call, asked + first_s + events * gap_s, is_answered=True)


def answered_whole(silence: Silence, asked: float, took_s: float) -> None:
    silence.end(silence.begin(asked), asked + took_s, is_answered=True)


@pytest.fixture
def used() -> Silence:
    """Of an engine that has answered 100 calls by time 100: the first event after 2 s, the next each 1 s."""
    silence = Silence()
    for number in range(100):
        answered(silence, number / 10, first_s=2, gap_s=1)
    return silence


def heard(silence: Silence, asked: float, *times: float) -> Call:
    call = silence.begin(asked)
    for time in times:
        silence.hear(call, time)
    return call


def test_before_anything_is_known_a_call_has_long() -> None:
    silence = Silence()
    assert silence.left_s(silence.begin(0), 10) > 10


def test_the_first_event_may_take_longer_than_the_next(used: Silence) -> None:
    waiting, begun = used.begin(100), heard(used, 95, 100)
    assert used.left_s(waiting, 104) > 0 > used.left_s(begun, 104)
    assert used.left_s(waiting, 107) < 0


def test_an_event_begins_the_wait_anew(used: Silence) -> None:
    assert used.left_s(heard(used, 100, 101, 103, 105), 106) > 0


def test_a_few_lost_calls_do_not_change_what_is_usual(used: Silence) -> None:
    before = used.left_s(used.begin(200), 200)
    for number in range(5):
        answered(used, 200 + number, first_s=60, gap_s=60)
    assert used.left_s(used.begin(300), 300) == pytest.approx(before)


def test_an_engine_that_has_become_slow_is_given_longer(used: Silence) -> None:
    for number in range(250):
        answered(used, 200 + number, first_s=20, gap_s=10)
    assert used.left_s(used.begin(500), 540) > 0
    assert used.left_s(heard(used, 500, 510), 535) > 0


def test_an_engine_that_is_always_quick_is_still_given_a_moment() -> None:
    silence = Silence()
    for number in range(100):
        answered(silence, number, first_s=0.001, gap_s=0.001)
    assert silence.left_s(silence.begin(100), 100.5) > 0


def test_of_whole_answers_the_longest_counts() -> None:
    silence = Silence()
    for number in range(100):
        answered_whole(silence, number, took_s=20 if number == 90 else 1)
    assert silence.left_s(silence.begin(200), 250) > 0 > silence.left_s(silence.begin(200), 270)


def test_a_call_is_lost_when_a_later_one_is_served(used: Silence) -> None:
    silent = heard(used, 100, 102)
    probe = used.begin_again(heard(used, 100, 102), 110)
    assert not used.may_ask_again(silent, 111), "nothing was heard of anyone"
    used.hear(probe, 112)
    assert used.may_ask_again(silent, 112)


def test_events_of_calls_that_were_asked_before_prove_nothing(used: Silence) -> None:
    """The engine works on those that it has, and takes nothing new: our call stands in its queue."""
    running = heard(used, 99, 101)
    waiting = used.begin(100)
    used.begin_again(used.begin(100), 110)
    used.hear(running, 111)
    assert not used.may_ask_again(waiting, 111)


def test_when_all_are_silent_one_at_a_time_is_tried(used: Silence) -> None:
    first, second = used.begin(100), used.begin(100)
    assert used.may_ask_again(first, 110)
    probe = used.begin_again(first, 110)
    assert not used.may_ask_again(second, 150)
    used.end(probe, 150, is_answered=False)
    assert not used.may_ask_again(second, 150.1)
    assert used.may_ask_again(second, 155)


def test_calls_asked_in_the_same_moment_may_be_served_in_any_order(used: Silence) -> None:
    silent = used.begin(100)
    used.begin_again(used.begin(100), 110)
    used.hear(used.begin(100.5), 111)
    assert not used.may_ask_again(silent, 111)


def test_calls_without_an_answer_tell_nothing_of_what_is_usual(used: Silence) -> None:
    before = used.left_s(used.begin(400), 400)
    for number in range(250):
        used.end(heard(used, 100 + number, 160 + number), 161 + number, is_answered=False)
    assert used.left_s(used.begin(400), 400) == before
