"""The bound on calls in flight against simulated engines, in simulated time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gateway.scheduling.concurrency_limit import (
    FIRST,
    EngineLoad,
    LimitRange,
    QueueDepthLimit,
    ThroughputLimit,
    is_overloaded,
)

LOOK_S = 2.0
LIMITS = LimitRange(start=64, minimum=4, maximum=512)


@dataclass
class Engine:
    """Works on `capacity(time)` calls at once, each for `call_s` on average: most are short, a few are ten times as
    long, as lines and tables are. `crowding`: how much longer a call takes for each other that is worked on."""

    capacity: Callable[[float], int]
    call_s: float = 1.0
    crowding: float = 0.0
    demand: int = 10_000
    """Calls that want to run, at most."""
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    in_flight: int = LIMITS.start
    now: float = 0.0
    waiting: int = 0
    finished: int = 0
    ends: list[float] = field(default_factory=list)

    @property
    def load(self) -> EngineLoad:
        return EngineLoad(len(self.ends), self.waiting)

    def run(self, limit: Callable[[Engine], int], seconds: float) -> list[int]:
        """A queue that is never empty keeps `limit` calls in flight; what the bound was at each look."""
        next_look, seen = self.now + LOOK_S, list[int]()
        until = self.now + seconds
        while self.now < until:
            self._take()
            if self.ends and self.ends[0] < next_look:
                self.now = heapq.heappop(self.ends)
                self.finished += 1
            else:
                self.now, next_look = next_look, next_look + LOOK_S
                self.in_flight = limit(self)
                seen.append(self.in_flight)
        return seen

    def _take(self) -> None:
        self.waiting += max(min(self.in_flight, self.demand) - len(self.ends) - self.waiting, 0)
        while self.waiting and len(self.ends) < self.capacity(self.now):
            self.waiting -= 1
            took_s = self.call_s * self.chance.lognormvariate(-0.5, 1) * (1 + self.crowding * len(self.ends))
            heapq.heappush(self.ends, self.now + took_s)


def by_depth() -> Callable[[Engine], int]:
    limit = QueueDepthLimit(LIMITS)
    return lambda engine: limit.update(engine.load, is_full=True)


def by_throughput() -> Callable[[Engine], int]:
    limit = ThroughputLimit(LIMITS)
    return lambda engine: limit.update(engine.now, engine.finished, is_full=engine.in_flight < engine.demand)


@pytest.mark.parametrize("capacity", [8, 64, 256])
def test_an_engine_that_tells_of_its_queue_is_fed_and_its_queue_stays_short(capacity: int) -> None:
    engine, limit = Engine(lambda _now: capacity), by_depth()
    engine.run(limit, 60)
    before = engine.finished
    seen = engine.run(limit, 300)
    assert capacity < min(seen)
    assert max(seen) <= 1.1 * capacity + 8
    assert engine.finished - before > 0.95 * capacity * 300


@pytest.mark.parametrize("capacity", [8, 64, 256])
def test_an_engine_that_tells_nothing_comes_near_its_full_rate(capacity: int) -> None:
    engine, limit = Engine(lambda _now: capacity), by_throughput()
    engine.run(limit, 600)
    before = engine.finished
    seen = engine.run(limit, 1200)
    assert engine.finished - before > 0.9 * capacity * 1200
    assert sum(seen) / len(seen) < 2 * capacity + 16


def test_a_bound_beyond_all_demand_comes_down_too() -> None:
    engines = [Engine(lambda _now: 8, demand=80, chance=random.Random(seed)) for seed in range(5)]
    seen = [limit for engine in engines for limit in engine.run(by_throughput(), 1200)[-100:]]
    assert sum(seen) / len(seen) < 40


@pytest.mark.parametrize("way", [by_depth, by_throughput])
def test_the_bound_follows_a_capacity_that_changes(way: Callable[[], Callable[[Engine], int]]) -> None:
    engine, limit = Engine(lambda now: 64 if now < 600 else 16 if now < 1800 else 128), way()
    engine.run(limit, 600)
    fewer = engine.run(limit, 1200)[-100:]
    more = engine.run(limit, 1200)[-100:]
    assert 10 < sum(fewer) / len(fewer) < 48
    assert 100 < sum(more) / len(more) < 256


@pytest.mark.parametrize("way", [by_depth, by_throughput])
@pytest.mark.parametrize("call_s", [0.05, 30.0])
def test_slowness_alone_does_not_lower_the_bound(way: Callable[[], Callable[[Engine], int]], call_s: float) -> None:
    engine, limit = Engine(lambda _now: 32, call_s), way()
    engine.run(limit, 100 * call_s + 60)
    before, began = engine.finished, engine.now
    engine.run(limit, 200 * call_s + 60)
    assert engine.finished - before > 0.85 * 32 / call_s * (engine.now - began)


@pytest.mark.parametrize("way", [by_depth, by_throughput])
def test_an_engine_that_is_slower_for_each_and_faster_for_all_is_given_many(
    way: Callable[[], Callable[[Engine], int]],
) -> None:
    engine = Engine(lambda _now: 256, 0.2, crowding=0.01)
    seen = engine.run(way(), 600)
    assert sum(seen[-100:]) / 100 > 128


@pytest.mark.parametrize("maximum", [3, 20])
def test_no_way_goes_beyond_its_bounds(maximum: int) -> None:
    limits = LimitRange(maximum, min(4, maximum), maximum)
    queue, rate = QueueDepthLimit(limits), ThroughputLimit(limits)
    engine = Engine(lambda _now: 256)

    def both(engine: Engine) -> int:
        limits = (
            queue.update(engine.load, is_full=True),
            rate.update(engine.now, engine.finished, is_full=True),
        )
        assert max(limits) <= maximum
        return min(limits)

    engine.run(both, 600)


def test_who_asks_for_little_teaches_nothing() -> None:
    queue, rate = QueueDepthLimit(LIMITS), ThroughputLimit(LIMITS)
    for second in range(1000):
        assert queue.update(EngineLoad(3, 0), is_full=False) == LIMITS.start
        assert rate.update(second, 3 * second, is_full=False) == FIRST


def test_a_quick_engine_that_tells_nothing_has_all_that_it_may_within_seconds() -> None:
    engine = Engine(lambda _now: 256, 0.5, in_flight=FIRST)
    assert max(engine.run(by_throughput(), 10)) >= LIMITS.start


def test_an_engine_that_reads_one_at_a_time_is_not_given_what_would_stand_for_minutes() -> None:
    engine = Engine(lambda _now: 1, 10.0, in_flight=FIRST)
    assert max(engine.run(by_throughput(), 180)) == FIRST


@pytest.mark.parametrize("capacity", [5, 20, 100])
def test_of_an_engine_that_refuses_what_is_too_much_no_more_is_asked_again_and_again(capacity: int) -> None:
    limit, finished, refusals = ThroughputLimit(LIMITS), 0, 0
    for update in range(200):
        finished += min(limit.limit, capacity)
        if is_overloaded(limit.limit - capacity, finished):
            refusals += 1
            limit.back_off(2.0 * update, finished)
        else:
            limit.update(2.0 * update, finished, is_full=True)
    assert refusals < 20
    assert capacity // 2 <= limit.limit <= 2 * capacity


def test_a_call_lost_here_and_there_is_no_sign_of_too_many() -> None:
    assert not is_overloaded(1, 0)
    assert not is_overloaded(5, 100)
    assert is_overloaded(30, 100)


def test_an_engine_that_stands_still_is_not_given_more() -> None:
    limit = QueueDepthLimit(LIMITS)
    for _ in range(20):
        assert limit.update(EngineLoad(0, 0), is_full=True) == LIMITS.start
