"""What the build of an image checks last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts import image_check
from tests.scripts.test_freeze import install


def test_supervisord_accepts_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert list(image_check.configuration_problems()) == []


def test_an_engine_beside_the_gateway_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "nvidia_nccl_cu12", "2.25.1", "nvidia/nccl/lib/libnccl.so.2")
    monkeypatch.syspath_prepend(tmp_path)
    assert "nvidia-nccl-cu12 is in the gateway's environment." in list(image_check.package_problems())


def test_what_the_doctor_finds_fails_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLM_PORT", "9000")
    monkeypatch.setenv("TEMP_DIR", "/proc/none")
    assert any(problem.startswith("temp-dir: ") for problem in image_check.doctor_problems("embedded"))


def test_a_missing_driver_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver is the host's."""
    monkeypatch.setenv("TEMP_DIR", str(tmp_path))
    monkeypatch.setenv("VLLM_PYTHON", "/nonexistent")
    found = [problem.partition(":")[0] for problem in image_check.doctor_problems("vllm")]
    assert "vllm" in found
    assert "driver" not in found


def test_an_unknown_engine_is_not_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    assert image_check.main(["cpu"]) == 2
    assert "embedded" in capsys.readouterr().err
