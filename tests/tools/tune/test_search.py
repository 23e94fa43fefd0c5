"""The search for the best settings, on scripted rates."""

from __future__ import annotations

from collections.abc import Callable

from tools.tune.search import Knob, Measure, Search, Trial, Values

SEQUENCES = Knob("SEQUENCES", ["8", "16", "32", "64"], restarts_engine=True)
TOKENS = Knob("TOKENS", ["2048", "4096"], restarts_engine=True)
START = {"SEQUENCES": "16", "TOKENS": "4096"}


def run(rate: Callable[[int, int], float], max_trials: int = 100) -> tuple[Search, Trial]:
    def measure(values: Values) -> Measure:
        found = rate(int(values["SEQUENCES"]), int(values["TOKENS"]))
        return Measure(found) if found else Measure(failure="It did not start.")

    search = Search(measure, max_trials)
    return search, search.run(START, [SEQUENCES, TOKENS])


def test_goes_up_for_as_long_as_that_gains() -> None:
    search, best = run(lambda sequences, _tokens: min(sequences, 32))
    assert best.values == {"SEQUENCES": "32", "TOKENS": "4096"}
    assert [trial.values["SEQUENCES"] for trial in search.trials] == ["16", "32", "64", "32"]


def test_goes_down_where_up_gains_nothing() -> None:
    _, best = run(lambda sequences, tokens: 1e6 / sequences / tokens)
    assert best.values == {"SEQUENCES": "8", "TOKENS": "2048"}


def test_chance_changes_nothing() -> None:
    _, best = run(lambda sequences, tokens: 10 + 0.1 * (sequences != 16) + 0.1 * (tokens != 4096))
    assert best.values == START


def test_values_with_which_nothing_starts() -> None:
    search, best = run(lambda sequences, _tokens: 0 if sequences > 16 else 1)
    assert best.values == START
    assert "It did not start." in [trial.measure.failure for trial in search.trials]


def test_a_start_that_fails_is_left() -> None:
    _, best = run(lambda sequences, _tokens: 0 if sequences == 16 else 1)
    assert best.measure.pages_s == 1


def test_trials_are_bounded() -> None:
    search, best = run(lambda sequences, _tokens: sequences, max_trials=2)
    assert [trial.values["SEQUENCES"] for trial in search.trials] == ["16", "32"]
    assert best.values["SEQUENCES"] == "32"
