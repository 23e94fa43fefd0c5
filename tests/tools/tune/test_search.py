"""The search for the best settings, on scripted rates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.settings import Settings as GatewaySettings
from tools.tune.__main__ import first_values, include_value, write_settings
from tools.tune.search import Knob, Measure, Search, Trial, Values
from vlm_backend.driver import Gpu
from vlm_backend.settings import Settings as VlmSettings
from vlm_backend.sizes import Sizes

SEQUENCES = Knob("SEQUENCES", ["8", "16", "32", "64"], restarts_engine=True)
TOKENS = Knob("TOKENS", ["2048", "4096"], restarts_engine=True)
START = {"SEQUENCES": "16", "TOKENS": "4096"}


def run(rate: Callable[[int, int], float], max_trials: int = 100) -> tuple[Search, Trial]:
    def measure(values: Values) -> Measure:
        found = rate(int(values["SEQUENCES"]), int(values["TOKENS"]))
        return Measure(found) if found else Measure(failure="It did not start.")

    search = Search(measure, max_trials, lambda _trial: None)
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


def test_each_trial_that_is_better_is_kept_at_once() -> None:
    kept: list[str] = []

    def measure(values: Values) -> Measure:
        if values["SEQUENCES"] == "64":
            raise KeyboardInterrupt
        return Measure(int(values["SEQUENCES"]))

    search = Search(measure, 100, lambda trial: kept.append(trial.values["SEQUENCES"]))
    with pytest.raises(KeyboardInterrupt):
        search.run(START, [SEQUENCES, TOKENS])
    assert kept == ["16", "32"]


def test_only_what_was_found_to_be_better_is_written(tmp_path: Path) -> None:
    file = tmp_path / "tuned.env"
    best = {"VLM_MAX_SEQUENCES": "32", "VLM_API_SERVERS": "4", "LAYOUT_BATCH": "8", "VLM_EXTRA_ARGUMENTS": ""}
    write_settings(file, Trial(best, Measure(1.0)), best | {"VLM_MAX_SEQUENCES": "16"}, 0)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line[0] != "#"] == ["VLM_MAX_SEQUENCES=32"]


def test_begins_with_what_a_card_gets_by_itself() -> None:
    """Where the settings are 0, the service chooses: several API servers, and eight pages for a layout on the card."""
    knobs = [Knob(name, ["1", "2", "4", "16"], restarts_engine=True) for name in ("VLM_API_SERVERS", "LAYOUT_BATCH")]
    gateway = GatewaySettings(layout_device="cuda", _env_file=None)
    vlm = VlmSettings(vlm_data_parallel=3, _env_file=None)
    card = Gpu("a card", 80_000, 79_000, (9, 0))
    start = first_values(knobs, Sizes(4096, 8192, 128), gateway, vlm, card)
    assert int(start["VLM_API_SERVERS"]) >= 3
    assert start["LAYOUT_BATCH"] == "8"
    assert include_value(knobs[1], "8").values == ["1", "2", "4", "8", "16"]
