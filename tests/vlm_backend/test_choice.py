from __future__ import annotations

from pathlib import Path

import pytest

from vlm_backend.choice import choose_engine
from vlm_backend.driver import Driver, Gpu
from vlm_backend.installation import Build, Installation
from vlm_backend.settings import Settings

CARD = Driver((13, 0), (Gpu("NVIDIA H100", 81_559, 81_000, (9, 0)),), None)
NO_CARD = Driver(None, (), "There is no libcuda.so.1.")


def machine(monkeypatch: pytest.MonkeyPatch, build: Build | None, driver: Driver) -> None:
    installation = Installation(Path("/venv/bin/python"), "0.32.0", build) if build else None
    monkeypatch.setattr("vlm_backend.choice.find_installation", lambda _settings: installation)
    monkeypatch.setattr("vlm_backend.choice.probe_driver", lambda: driver)


@pytest.mark.parametrize(
    ("build", "driver", "engine", "why"),
    [
        ("cuda", CARD, "vllm", "NVIDIA H100"),
        ("cuda", NO_CARD, "embedded", "no libcuda.so.1"),
        ("cpu", CARD, "embedded", "CPU build"),
        (None, CARD, "embedded", "not installed"),
    ],
)
def test_auto_takes_vllm_only_where_it_can_work_and_says_why(
    monkeypatch: pytest.MonkeyPatch, build: Build | None, driver: Driver, engine: str, why: str
) -> None:
    machine(monkeypatch, build, driver)
    choice = choose_engine(Settings.model_validate({"vlm_engine": "auto"}))
    assert choice.engine == engine
    assert why in choice.why


@pytest.mark.parametrize("build", ["cuda", "cpu", None])
def test_an_engine_that_is_named_is_taken_whatever_the_machine(
    monkeypatch: pytest.MonkeyPatch, build: Build | None
) -> None:
    machine(monkeypatch, build, NO_CARD)
    for engine in ("vllm", "embedded"):
        assert choose_engine(Settings.model_validate({"vlm_engine": engine})).engine == engine
