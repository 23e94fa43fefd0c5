"""The search: one setting at a time, from the values in use to their neighbours, for as long as that gains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MIN_GAIN = 0.03
"""What is less may be chance: the rates of two equal trials differ by as much."""
Values = Mapping[str, str]
"""Settings by the names of their environment variables."""


@dataclass(frozen=True, slots=True)
class Knob:
    """`values`: those to try, in order; `restarts_engine`: whether the engine has to start anew for another one."""

    name: str
    values: Sequence[str]
    restarts_engine: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """`failure`: why there is none, one sentence."""

    pages_s: float = 0.0
    regions_s: float = 0.0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    values: Values
    measure: Measure


class Search:
    """`trials`: all that were made, in order. `max_trials` ends the search wherever it is. `keep` gets each trial
    that is the best so far: to be ended later loses nothing."""

    def __init__(self, measure: Callable[[Values], Measure], max_trials: int, keep: Callable[[Trial], None]) -> None:
        self.trials: list[Trial] = []
        self._measure = measure
        self._max_trials = max_trials
        self._keep = keep

    def run(self, start: Values, knobs: Sequence[Knob]) -> Trial:
        """The best trial, of which the first is the one with the values at the start."""
        best = self._try(start)
        if best.measure.failure is None:
            self._keep(best)
        for knob in knobs:
            best = self._climb(best, knob)
        return best

    def _climb(self, best: Trial, knob: Knob) -> Trial:
        """To larger values; where these gain nothing, to smaller ones."""
        for step in (1, -1):
            begun = best
            for value in _neighbours(knob, best.values[knob.name], step):
                if len(self.trials) >= self._max_trials:
                    return best
                trial = self._try({**best.values, knob.name: value})
                if trial.measure.pages_s <= best.measure.pages_s * (1 + MIN_GAIN):
                    break
                best = trial
                self._keep(best)
            if best is not begun:
                break
        return best

    def _try(self, values: Values) -> Trial:
        trial = Trial(values, self._measure(values))
        self.trials.append(trial)
        return trial


def _neighbours(knob: Knob, value: str, step: int) -> Iterator[str]:
    at = knob.values.index(value) + step
    while 0 <= at < len(knob.values):
        yield knob.values[at]
        at += step
