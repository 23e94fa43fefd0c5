"""`make layout` and what `make test` does about PaddleOCR, with a Python that only pretends to install."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.scripts.test_vllm_environment import PYTHON, make
from tests.supervision.support import ROOT, program

LOCK = Path("requirements") / "layout.txt"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the targets need."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    for script in ("venv.sh", "layout.sh"):
        shutil.copy(ROOT / "scripts" / script, folder / "scripts")
    (folder / LOCK).write_text("# lock\n", encoding="utf-8")
    program(folder / "python", PYTHON)
    return folder


@pytest.mark.parametrize("target", ["layout", "env-layout"])
def test_the_environment_is_made_once(checkout: Path, target: str) -> None:
    done = make(target, checkout)
    assert done.returncode == 0, done.stderr
    assert "--require-hashes --no-deps" in done.stdout
    assert (make(target, checkout).stdout, (checkout / ".venv-layout").exists()) == ("", True)


def test_the_tests_go_on_without_a_network_and_one_sentence_says_why(checkout: Path) -> None:
    (checkout / LOCK).write_text("unavailable", encoding="utf-8")
    done = make("env-layout", checkout)
    assert done.returncode == 0
    assert "The tests that need PaddleOCR will be skipped: pip could not install" in done.stderr


def test_the_tests_do_not_go_on_where_paddleocr_is_required(checkout: Path) -> None:
    (checkout / LOCK).write_text("unavailable", encoding="utf-8")
    assert make("env-layout", checkout, REQUIRE_LAYOUT="1").returncode != 0


def test_the_tests_take_the_interpreter_that_a_person_names(checkout: Path) -> None:
    done = make("env-layout", checkout, LAYOUT_PYTHON=sys.executable)
    assert (done.returncode, done.stdout) == (0, "")
    assert not (checkout / ".venv-layout").exists()


def test_the_lock_installs_one_opencv_and_nothing_that_was_excluded() -> None:
    lock = (ROOT / LOCK).read_text(encoding="utf-8")
    packages = re.findall(r"^([a-z0-9._-]+)==\S+(.*?)\\?$", lock, re.MULTILINE)
    installed = {name for name, marker in packages if "'never'" not in marker}
    excluded = (ROOT / "requirements" / "layout-excluded.txt").read_text(encoding="utf-8")
    assert {name for name in installed if name.startswith("opencv")} == {"opencv-contrib-python-headless"}
    assert not installed & {line for line in excluded.splitlines() if not line.startswith("#")}
    assert [name for name in installed if re.match(r"torch|vllm|paddlepaddle|nvidia-", name)] == []
    assert "://" not in lock
