"""The entry point of the images, with a stand-in for the interpreter that says what it was given."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.supervision.support import ROOT, program
from tests.support.waiting import WAIT_S

REPORT = 'echo "arguments: $*"; env'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the entry point where an image has it."""
    folder = tmp_path / "app"
    (folder / "docker").mkdir(parents=True)
    shutil.copy(ROOT / "docker" / "entrypoint.sh", folder / "docker")
    return folder


def enter(root: Path, *arguments: str, **names: str) -> subprocess.CompletedProcess[str]:
    tools = root.parent / "tools"
    tools.mkdir(exist_ok=True)
    program(tools / "python", REPORT)
    return subprocess.run(
        ["sh", str(root / "docker" / "entrypoint.sh"), *arguments],
        env={"PATH": f"{tools}:{os.environ['PATH']}", **names},
        cwd=root.parent,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )


def arguments(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.splitlines()[0].removeprefix("arguments: ")


def environment(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in done.stdout.splitlines()[1:])


def blocked(root: Path) -> str:
    """A place where not even root can make a folder."""
    (root / "file").touch()
    return str(root / "file" / "cache")


@pytest.mark.parametrize(
    ("given", "run"),
    [
        ([], "-m supervision.launch"),
        (["serve"], "-m supervision.launch"),
        (["--console"], "-m supervision.launch --console"),
        (["doctor", "--json"], "-m vlm_backend doctor --json"),
        (["fetch-models", "--to", "a b"], "-m vlm_backend fetch-models --to a b"),
    ],
)
def test_words_of_its_own_run_the_service_or_a_command_of_it(root: Path, given: list[str], run: str) -> None:
    done = enter(root, *given)
    assert arguments(done) == run
    assert environment(done)["PWD"] == str(root)


def test_fetching_takes_the_layout_model_too_and_the_service_finds_it(root: Path) -> None:
    done = enter(root, "fetch-models", VLM_MODEL_DIR=str(root / "models"))
    asked = [line for line in done.stdout.splitlines() if line.startswith("arguments: ")]
    folder = root / "models" / "PP-DocLayoutV3"
    assert asked == [
        f"arguments: -m gateway.layout.fetch_model --model PP-DocLayoutV3 --to {folder}",
        "arguments: -m vlm_backend fetch-models",
    ]

    folder.mkdir(parents=True)
    (folder / "inference.onnx").touch()
    assert environment(enter(root, VLM_MODEL_DIR=str(root / "models")))["LAYOUT_MODEL_DIR"] == str(folder)
    assert (
        environment(enter(root, VLM_MODEL_DIR=str(root / "models"), LAYOUT_MODEL_DIR="/own"))["LAYOUT_MODEL_DIR"]
        == "/own"
    )
    assert "LAYOUT_MODEL_DIR" not in environment(enter(root, VLM_MODEL_DIR=str(root / "other")))


def test_other_words_are_a_program(root: Path) -> None:
    assert enter(root, "sh", "-c", 'echo "$0 $1"', "a b", "c").stdout == "a b c\n"


@pytest.mark.parametrize("names", [{}, {"HOME": ""}, {"HOME": "/proc/none"}])
def test_a_home_that_cannot_be_written_is_replaced_by_one_that_can(root: Path, names: dict[str, str]) -> None:
    home = Path(environment(enter(root, **names))["HOME"])
    assert home.is_dir()
    assert home.is_relative_to(root)


def test_a_home_that_can_be_written_is_kept(root: Path, tmp_path: Path) -> None:
    assert environment(enter(root, HOME=str(tmp_path)))["HOME"] == str(tmp_path)


def test_a_user_without_a_name_gets_one_and_another_keeps_his(root: Path) -> None:
    nameless, named = environment(enter(root)), environment(enter(root, USER="ann", LOGNAME="ann"))
    assert nameless["USER"]
    assert nameless["LOGNAME"]
    assert (named["USER"], named["LOGNAME"]) == ("ann", "ann")


def test_all_caches_move_where_their_folder_cannot_be_written(root: Path, tmp_path: Path) -> None:
    place = blocked(root)
    names = {
        "CACHE_DIR": place,
        "XDG_CACHE_HOME": place,
        "HF_HOME": f"{place}/a b",
        "OUTPUT_DIR": f"{place}-of-another",
    }
    done = enter(root, TEMP_DIR=str(tmp_path / "temp"), **names)
    moved, seen = f"{tmp_path}/temp/cache", environment(done)
    assert (seen["CACHE_DIR"], seen["XDG_CACHE_HOME"], seen["HF_HOME"]) == (moved, moved, f"{moved}/a b")
    assert seen["OUTPUT_DIR"] == names["OUTPUT_DIR"]
    assert f"{place} is not writable; caches go to {moved}" in done.stderr


def test_it_goes_on_where_nothing_can_be_written(root: Path) -> None:
    """The service itself says what it lacks."""
    assert arguments(enter(root, CACHE_DIR=blocked(root), TEMP_DIR=blocked(root))) == "-m supervision.launch"


def test_names_that_platforms_set_do_not_break_the_start(root: Path) -> None:
    seen = environment(enter(root, VLM_PORT="tcp://10.0.0.1:80", PYTHONPATH="/elsewhere", AIP_HTTP_PORT="7080"))
    assert not {"VLM_PORT", "PYTHONPATH"} & seen.keys()
    assert seen["PORT"] == "7080"
    assert environment(enter(root, VLM_PORT="9000", PORT="1", AIP_HTTP_PORT="2"))["VLM_PORT"] == "9000"


def test_port_wins_over_its_other_name(root: Path) -> None:
    assert environment(enter(root, PORT="9000", AIP_HTTP_PORT="7080"))["PORT"] == "9000"
