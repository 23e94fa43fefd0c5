from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervision.support import ROOT, program
from tests.support.waiting import WAIT_S

TOOLS = ("sh", "env", "make", "cmp", "rm", "mktemp", "grep", "tail", "cat", "mkdir")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what `make run` needs before any package is there, with a requirements file without packages."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    for script in ("venv.sh", "trim.sh"):
        shutil.copy(ROOT / "scripts" / script, folder / "scripts")
    (folder / "requirements" / "runtime.txt").write_text("# nothing\n", encoding="utf-8")
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH of one folder that holds everything but a Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (folder / tool).symlink_to(found)
    return folder


def make(target: str, checkout: Path, path: str, **names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target],
        cwd=checkout,
        env={"PATH": path, "HOME": str(checkout), "LC_ALL": "C", **names},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def test_no_python_at_all_is_one_sentence(checkout: Path, tools: Path) -> None:
    done = make("run", checkout, str(tools))
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed, and none was found" in done.stderr
    assert not (checkout / ".venv").exists()


def test_an_old_python_is_named_with_its_version(checkout: Path, tools: Path) -> None:
    program(tools / "python3", "echo 3.9")
    done = make("run", checkout, str(tools))
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed, but python3 is 3.9" in done.stderr


def test_a_python_that_cannot_make_environments_names_the_missing_package(checkout: Path, tools: Path) -> None:
    program(tools / "python3", 'case "$2" in *print*) echo 3.12 ;; *) exit 1 ;; esac')
    done = make("run", checkout, str(tools))
    assert done.returncode != 0
    assert "apt install python3.12-venv" in done.stderr


def test_the_newest_python_is_taken_and_broken_ones_are_passed_over(checkout: Path, tools: Path) -> None:
    program(tools / "python3.14", "exit 127")
    program(tools / "python3.13", f'exec "{sys.executable}" "$@"')
    program(tools / "python3", "echo 3.9")
    done = make("env", checkout, str(tools))
    assert done.returncode == 0, done.stderr
    assert (checkout / ".venv" / "bin" / "python").exists()


def test_a_second_start_leaves_the_environment_alone(checkout: Path) -> None:
    first = make("env", checkout, os.environ["PATH"], PYTHON=sys.executable)
    (checkout / ".venv" / "kept").touch()
    second = make("env", checkout, os.environ["PATH"], PYTHON=sys.executable)
    assert (first.returncode, second.returncode) == (0, 0)
    assert (checkout / ".venv" / "kept").exists()
    assert second.stdout == ""


@pytest.mark.parametrize("damage", ["half-made", "other requirements", "no interpreter"])
def test_an_environment_that_is_not_whole_is_built_anew(checkout: Path, damage: str) -> None:
    venv = checkout / ".venv"
    assert make("env", checkout, os.environ["PATH"], PYTHON=sys.executable).returncode == 0
    (venv / "leftover").touch()
    if damage == "half-made":
        (venv / "installed-requirements.txt").unlink()
    elif damage == "other requirements":
        (checkout / "requirements" / "runtime.txt").write_text("# still nothing\n", encoding="utf-8")
    else:
        (venv / "bin" / "python").unlink()
    assert make("env", checkout, os.environ["PATH"], PYTHON=sys.executable).returncode == 0
    assert not (venv / "leftover").exists()
    assert subprocess.run([venv / "bin" / "python", "-c", ""], check=False).returncode == 0


def test_a_package_index_that_does_not_answer_is_said_and_the_next_run_tries_again(checkout: Path) -> None:
    pinned = "example-package==1.0 --hash=sha256:" + "0" * 64
    (checkout / "requirements" / "runtime.txt").write_text(pinned + "\n", encoding="utf-8")
    unreachable = {"PIP_INDEX_URL": "https://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    done = make("run", checkout, os.environ["PATH"], PYTHON=sys.executable, **unreachable)
    assert done.returncode != 0
    assert "ERROR: No matching distribution found for example-package==1.0" in done.stderr
    assert "check the network" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv" / "installed-requirements.txt").exists()


def test_what_openvino_has_for_other_devices_is_left_out(tmp_path: Path) -> None:
    libs = tmp_path / "lib" / "python3.11" / "site-packages" / "openvino" / "libs"
    libs.mkdir(parents=True)
    kept = {"libopenvino.so.2641", "libopenvino_intel_cpu_plugin.so", "libopenvino_onnx_frontend.so.2641"}
    for name in (*kept, "libopenvino_intel_gpu_plugin.so", "libopenvino_pytorch_frontend.so.2641", "cache.json"):
        (libs / name).touch()
    subprocess.run(["sh", ROOT / "scripts" / "trim.sh", tmp_path], check=True)
    assert {path.name for path in libs.iterdir()} == kept
    subprocess.run(["sh", ROOT / "scripts" / "trim.sh", tmp_path / "without"], check=True)
