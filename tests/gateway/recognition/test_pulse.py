from __future__ import annotations

from gateway.recognition.pulse import Pulse


def test_a_counter_that_could_not_be_read_once_still_tells_of_steps() -> None:
    pulse = Pulse()
    assert [pulse.count(steps) for steps in (7, None, 7, None, 8)] == [False, False, False, False, True]
