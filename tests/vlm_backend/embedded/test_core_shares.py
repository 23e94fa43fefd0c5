"""Turns at the cores: short work goes before long, long work gets on all the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tests.support.waiting import WAIT_S, wait_until
from vlm_backend.embedded import core_shares
from vlm_backend.embedded.core_shares import CoreShares, Work

STEPS = 40


class Reading:
    """A thread that takes `steps` steps of one piece of work, each when it is let; `done` names them in order."""

    def __init__(self, shares: CoreShares, name: str, steps: int, done: list[str], work: Work) -> None:
        self._shares, self._name, self._steps, self._done, self._work = shares, name, steps, done, work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._shares.hold(self._work):
            for _ in range(self._steps):
                time.sleep(0.002)
                self._done.append(self._name)
                self._shares.pause(self._work)

    def join(self) -> None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


@pytest.fixture(autouse=True)
def no_quantum(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece of work is long as soon as it has had any time, and takes turns at each step."""
    monkeypatch.setattr(core_shares, "QUANTUM_S", 0.0)


def is_waiting(shares: CoreShares, count: int) -> Callable[[], bool]:
    return lambda: len(shares._short) + len(shares._long) >= count


def long_work() -> Work:
    return Work(spent_s=100.0)


def test_short_work_goes_between_two_steps_of_long_work() -> None:
    shares, done = CoreShares(1), list[str]()
    reading = Reading(shares, "long", STEPS, done, long_work())
    wait_until(lambda: len(done) >= 2, "long work at its core")
    short = Reading(shares, "short", 1, done, Work())
    short.join()
    reading.join()
    assert done.index("short") < STEPS - 5
    assert len(done) == STEPS + 1


def test_long_works_take_turns() -> None:
    shares, done = CoreShares(1), list[str]()
    readings = [Reading(shares, str(number), STEPS, done, long_work()) for number in range(3)]
    for reading in readings:
        reading.join()
    assert [done.count(str(number)) for number in range(3)] == [STEPS] * 3
    assert len(set(done[STEPS : STEPS + 9])) == 3


def test_long_work_gets_on_among_short_work_without_end() -> None:
    shares, done = CoreShares(1), list[str]()
    gate = Work()
    with shares.hold(gate):
        readings = [Reading(shares, "short", 1, done, Work()) for _ in range(40)]
        readings.append(Reading(shares, "long", 3, done, long_work()))
        wait_until(is_waiting(shares, 41), "all in line")
    for reading in readings:
        reading.join()
    assert done.index("long") <= core_shares.SHORT_IN_A_ROW
    assert max(at for at, name in enumerate(done) if name == "long") < 20


def test_no_more_work_at_once_than_there_are_cores() -> None:
    shares, lock = CoreShares(2), threading.Lock()
    running, most = 0, 0

    def work() -> None:
        nonlocal running, most
        with shares.hold(Work()):
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.005)
            with lock:
                running -= 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert (running, most) == (0, 2)
