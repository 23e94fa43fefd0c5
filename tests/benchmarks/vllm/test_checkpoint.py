"""The model that is served in a benchmark, and what the service is told of it."""

from __future__ import annotations

import io
import json
import urllib.request
from pathlib import Path

import pytest

from benchmarks.checkpoint import (
    MODEL,
    full_size_checkpoint,
    full_size_environment,
    is_checked,
    taught_checkpoint,
    taught_environment,
)

NO_PYTHON = Path("/nowhere/python")


def test_a_taught_checkpoint_that_was_kept_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / MODEL).mkdir()
    assert taught_checkpoint(tmp_path, NO_PYTHON) == tmp_path / MODEL
    assert [file.name for file in tmp_path.iterdir()] == [MODEL]


def test_a_model_that_is_named_by_its_path_is_served_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLM_MODEL", "/models/own")
    assert full_size_checkpoint(tmp_path, NO_PYTHON) == Path("/models/own")


def test_a_name_that_is_no_path_does_not_keep_the_full_size_from_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLM_MODEL", "PaddlePaddle/PaddleOCR-VL")
    with pytest.raises(FileNotFoundError, match="/nowhere/python"):
        full_size_checkpoint(tmp_path, NO_PYTHON)


def test_weights_are_made_up_only_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLM_EXTRA_ARGUMENTS", "--enforce-eager")
    made_up = full_size_environment(tmp_path, NO_PYTHON)
    assert made_up["VLM_EXTRA_ARGUMENTS"] == "--enforce-eager --load-format dummy"
    (tmp_path / "model.safetensors").touch()
    assert full_size_environment(tmp_path, NO_PYTHON) == {
        "VLM_ENGINE": "vllm",
        "VLLM_PYTHON": "/nowhere/python",
        "VLM_MODEL": str(tmp_path),
    }


@pytest.mark.parametrize(("cores", "threads"), [(1, "1"), (2, "1"), (9, "4")])
def test_the_taught_checkpoint_computes_on_half_of_the_cores(tmp_path: Path, cores: int, threads: str) -> None:
    assert taught_environment(tmp_path, NO_PYTHON, cores)["OMP_NUM_THREADS"] == threads


@pytest.mark.parametrize(
    ("vlm", "self_check", "checked"),
    [("ready", "failed", True), ("ready", "ok", True), ("ready", "pending", False), ("starting", "ok", False)],
)
def test_made_up_weights_may_fail_the_self_check_but_must_have_been_through_it(
    vlm: str, self_check: str, checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = json.dumps({"vlm": {"state": vlm}, "self_check": {"state": self_check}})
    monkeypatch.setattr(urllib.request, "urlopen", lambda _url: io.StringIO(health))
    assert is_checked("http://service") is checked


def test_a_service_that_nobody_hears_yet_is_not_checked() -> None:
    assert not is_checked("http://127.0.0.1:1")
