"""The step of the GPU image's build that fails when vLLM's environment is not what it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervision.support import ROOT
from tests.support.waiting import WAIT_S


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """An environment with a torch, an NCCL and a package of no matter, as installed files and their records."""
    folder = tmp_path / "packages"
    install(folder, "torch", "2.13.0", "torch/lib/libtorch_cuda.so")
    install(folder, "nvidia_nccl_cu13", "2.28.9", "nvidia/nccl/lib/libnccl.so.2")
    install(folder, "colour", "1.0", "colour.py")
    return folder


def install(folder: Path, name: str, version: str, file: str, content: str = "as released") -> None:
    information = folder / f"{name}-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (information / "RECORD").write_text(f"{file},,\n")
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(content)


def freeze(packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", str(ROOT / "tools" / "freeze.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def changes(packages: Path, record: Path) -> subprocess.CompletedProcess[str]:
    return freeze(packages, str(record))


@pytest.fixture
def record(packages: Path, tmp_path: Path) -> Path:
    file = tmp_path / "record"
    file.write_text(freeze(packages).stdout)
    return file


def test_an_untouched_environment_passes(packages: Path, record: Path) -> None:
    assert "torch==2.13.0\n" in record.read_text()
    assert changes(packages, record).returncode == 0


def test_another_torch_is_named(packages: Path, record: Path) -> None:
    (packages / "torch-2.13.0.dist-info").rename(packages / "gone")
    install(packages, "torch", "2.14.0", "torch/lib/libtorch_cuda.so")
    done = changes(packages, record)
    assert done.returncode == 1
    assert {"- torch==2.13.0", "+ torch==2.14.0"} <= set(done.stderr.splitlines())


def test_a_library_that_another_package_wrote_over_is_named(packages: Path, record: Path) -> None:
    (packages / "nvidia/nccl/lib/libnccl.so.2").write_text("an older one")
    done = changes(packages, record)
    assert done.returncode == 1
    assert "nvidia/nccl/lib/libnccl.so.2" in done.stderr


def test_a_package_that_came_on_top_is_named(packages: Path, record: Path) -> None:
    install(packages, "nvidia_nccl_cu12", "2.25.1", "nvidia/nccl/lib/other")
    assert "+ nvidia-nccl-cu12==2.25.1" in changes(packages, record).stderr.splitlines()


def test_an_empty_record_does_not_pass(packages: Path, record: Path) -> None:
    record.write_text("")
    assert changes(packages, record).returncode == 1
