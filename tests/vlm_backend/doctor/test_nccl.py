"""`undefined symbol: ncclCommWindowRegister`, got in each way that is known, by a loader that really looks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.compiler import compile_nccl
from tests.vlm_backend.doctor.conftest import Machine

SYMBOL = "ncclCommWindowRegister"


@pytest.fixture(scope="session")
def old_nccl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_nccl(tmp_path_factory.mktemp("old") / "libnccl.so.2", 22501, has_windows=False)


def relink(machine: Machine) -> None:
    """torch as distributions and NVIDIA's images build it: LD_LIBRARY_PATH comes before its own folders."""
    shutil.rmtree(machine.environment.packages)
    machine.environment.packages.mkdir()
    machine.environment.add("vllm", "0.32.0", ["torch==2.13.0"])
    machine.environment.add_cuda_torch(finds_by="RUNPATH")


def test_the_one_installed_with_torch_is_loaded(gpu_machine: Machine) -> None:
    check = gpu_machine.check("nccl")
    assert check.status == "ok"
    assert str(gpu_machine.environment.nccl) in check.detail
    assert "NCCL 2.28.9" in check.detail


def test_an_old_one_in_the_library_path_is_named_with_its_folder(
    gpu_machine: Machine, driver: Path, old_nccl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relink(gpu_machine)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{driver}:{old_nccl.parent}")
    check = gpu_machine.check("nccl")
    assert check.status == "fail"
    assert f"undefined symbol: {SYMBOL}" in check.detail
    assert f"{old_nccl} (NCCL 2.25.1)" in check.detail
    assert check.remedy == (
        f"Take {old_nccl.parent} out of LD_LIBRARY_PATH: the library there comes before torch's own."
    )
    assert gpu_machine.check("nccl-files").status == "ok"


def test_torch_of_pypi_passes_it_over(
    gpu_machine: Machine, driver: Path, old_nccl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{driver}:{old_nccl.parent}")
    check = gpu_machine.check("nccl")
    assert check.status == "ok"
    assert str(old_nccl.parent) in check.detail
    assert "passed over" in check.detail


def test_an_old_one_that_is_preloaded_is_named(
    gpu_machine: Machine, old_nccl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_PRELOAD", str(old_nccl))
    check = gpu_machine.check("nccl")
    assert check.status == "fail"
    assert SYMBOL in check.detail
    assert check.remedy is not None
    assert "LD_PRELOAD" in check.remedy


def test_a_foreign_one_that_would_do_is_a_warning(
    gpu_machine: Machine, driver: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relink(gpu_machine)
    foreign = compile_nccl(tmp_path / "foreign" / "libnccl.so.2", 23007, has_windows=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{driver}:{foreign.parent}")
    check = gpu_machine.check("nccl")
    assert check.status == "warn"
    assert str(foreign) in check.detail


def test_a_second_package_that_wrote_over_the_file_fails_both_checks(gpu_machine: Machine, old_nccl: Path) -> None:
    environment = gpu_machine.environment
    environment.add("nvidia-nccl-cu12", "2.25.1")
    environment.add("paddlepaddle-gpu", "3.0.0", ["nvidia-nccl-cu12==2.25.1"])
    shutil.copy(old_nccl, environment.nccl)
    files, loaded = gpu_machine.check("nccl-files"), gpu_machine.check("nccl")
    assert (files.status, loaded.status) == ("fail", "fail")
    assert "nvidia-nccl-cu12 2.25.1 and nvidia-nccl-cu13 2.28.9 are the same file" in files.detail
    assert SYMBOL in files.detail
    assert SYMBOL in loaded.detail


def test_two_packages_with_the_right_file_on_top_are_a_warning(gpu_machine: Machine) -> None:
    gpu_machine.environment.add("nvidia-nccl-cu12", "2.25.1")
    check = gpu_machine.check("nccl-files")
    assert check.status == "warn"
    assert "are the same file" in check.detail


def test_paddlepaddle_that_pins_another_one_is_named(gpu_machine: Machine) -> None:
    gpu_machine.environment.add("paddlepaddle-gpu", "3.4.0", ["nvidia-nccl-cu13 (==2.25.1)"])
    check = gpu_machine.check("nccl-files")
    assert check.status == "warn"
    assert "paddlepaddle-gpu 3.4.0 wants nvidia-nccl-cu13 2.25.1" in check.detail


def test_a_torch_that_misses_another_library_is_told_in_the_loaders_words(gpu_machine: Machine) -> None:
    (gpu_machine.environment.packages / "torch" / "__init__.py").write_text(
        "import ctypes\nctypes.CDLL('libcudart-of-nobody.so.13')\n"
    )
    check = gpu_machine.check("nccl")
    assert check.status == "fail"
    assert "libcudart-of-nobody.so.13: cannot open shared object file" in check.detail


def test_a_torch_that_crashes_is_survived(gpu_machine: Machine) -> None:
    (gpu_machine.environment.packages / "torch" / "__init__.py").write_text("import os\nos.abort()\n")
    check = gpu_machine.check("nccl")
    assert check.status == "fail"
    assert "SIGABRT" in check.detail


def test_without_any_nccl_the_loader_says_which_library_is_missing(gpu_machine: Machine) -> None:
    gpu_machine.environment.nccl.unlink()
    check = gpu_machine.check("nccl")
    assert check.status == "fail"
    assert "libnccl.so.2: cannot open shared object file" in check.detail
