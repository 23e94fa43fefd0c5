"""`python -m vlm_backend`: which engine it becomes, and what it says."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.support.waiting import WAIT_S
from vlm_backend.__main__ import examine_choice
from vlm_backend.choice import Choice
from vlm_backend.doctor import Check, Report
from vlm_backend.driver import Driver, Gpu
from vlm_backend.installation import Installation
from vlm_backend.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tier beside an embedded engine that only tells its process id and ends with a code of its own."""
    package = tmp_path / "vlm_backend"
    (package / "embedded").mkdir(parents=True)
    for module in (ROOT / "vlm_backend").glob("*.py"):
        (package / module.name).write_bytes(module.read_bytes())
    for name in ("vlm_backend/doctor", "common", "textlines"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "embedded" / "__init__.py").touch()
    (package / "embedded" / "__main__.py").write_text("import os\nprint(os.getpid())\nraise SystemExit(7)\n")
    return tmp_path


def start(folder: Path, *arguments: str, **names: str) -> tuple[int, int, str, str]:
    """Process id, exit code, stdout and stderr of the tier."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VLM_", "VLLM_", "LOG_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "vlm_backend", *arguments],
        cwd=folder,
        env=kept | {"VLM_PORT": str(free_port()), "TEMP_DIR": str(folder / "temp")} | names,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate(timeout=WAIT_S)
    return process.pid, process.returncode, out, err


def status(folder: Path, port: int) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "temp" / f"vlm-{port}.json").read_text(encoding="utf-8"))
    return told


@pytest.mark.parametrize("engine", ["auto", "embedded"])
def test_the_embedded_engine_takes_the_place_of_the_process(folder: Path, engine: str) -> None:
    port = free_port()
    pid, code, out, _ = start(folder, VLM_ENGINE=engine, VLM_PORT=str(port), VLLM_PYTHON="/nowhere/python")
    *lines, engine_pid = out.splitlines()
    assert int(engine_pid) == pid
    assert code == 7
    chosen = json.loads(lines[0])
    assert (chosen["engine"], chosen["level"]) == ("embedded", "info")
    assert f"VLM_ENGINE={engine}" in chosen["why"]
    assert (status(folder, port)["pid"], status(folder, port)["state"]) == (pid, "starting")


def test_auto_says_why_it_is_not_vllm(folder: Path) -> None:
    _, _, out, _ = start(folder, VLLM_PYTHON="/nowhere/python")
    assert "vLLM is not installed" in json.loads(out.splitlines()[0])["why"]


def test_log_lines_are_for_eyes_where_asked(folder: Path) -> None:
    _, _, out, _ = start(folder, LOG_FORMAT="console")
    assert "engine=embedded" in out.splitlines()[0]
    assert "{" not in out.splitlines()[0]


def test_log_lines_respect_the_level(folder: Path) -> None:
    _, _, out, _ = start(folder, LOG_LEVEL="ERROR")
    assert len(out.splitlines()) == 1


def test_vllm_that_cannot_start_is_refused_with_the_reason_in_log_and_file(folder: Path) -> None:
    port = free_port()
    names = {"VLM_ENGINE": "vllm", "VLLM_PYTHON": "/nowhere/python"}
    pid, code, out, err = start(folder, VLM_PORT=str(port), **names)
    assert code == 78
    told = status(folder, port)
    assert (told["pid"], told["state"], told["engine"]) == (pid, "refused", "vllm")
    reasons = {failure["check"]: failure for failure in told["failures"]}
    assert "/nowhere/python" in reasons["vllm"]["detail"]
    assert "make vllm" in reasons["vllm"]["remedy"]
    errors = list(map(json.loads, err.splitlines()))
    assert any(line.get("check") == "vllm" for line in errors)
    assert {line["level"] for line in errors} == {"error"}
    assert out


def test_a_taken_port_keeps_the_engine_from_starting_for_now(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _, code, _, _ = start(folder, VLM_ENGINE="embedded", VLM_PORT=str(port))
        assert (code, status(folder, port)["state"]) == (75, "postponed")
        assert str(port) in status(folder, port)["failures"][0]["detail"]


def test_an_unknown_command_is_one_sentence(folder: Path) -> None:
    _, code, out, err = start(folder, "dokter")
    assert (code, out) == (1, "")
    assert "doctor" in err
    assert len(err.splitlines()) == 1


def test_an_external_engine_leaves_nothing_to_start(folder: Path) -> None:
    _, code, _, err = start(folder, VLM_ENGINE="external")
    assert code == 0
    assert len(err.splitlines()) == 1


def test_a_bad_setting_is_one_sentence_with_the_code_for_bad_configuration(folder: Path) -> None:
    _, code, _, err = start(folder, VLM_PORT="loud")
    assert code == 78
    assert "VLM_PORT=loud" in err
    assert "Traceback" not in err


def test_the_tier_never_imports_the_gateway() -> None:
    program = (
        "import pkgutil, sys, importlib, vlm_backend\n"
        "for module in pkgutil.walk_packages(vlm_backend.__path__, 'vlm_backend.'):\n"
        "    importlib.import_module(module.name)\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'gateway'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


CARD = Driver((13, 0), (Gpu("NVIDIA H100", 81_559, 81_000, (9, 0)),), None)


@pytest.mark.parametrize(
    ("failing", "engine"), [("nccl", "embedded"), ("gpu", "embedded"), ("weights", "vllm"), ("gpu-memory", "vllm")]
)
def test_auto_leaves_vllm_only_where_the_machine_cannot_run_it(
    monkeypatch: pytest.MonkeyPatch, failing: str, engine: str
) -> None:
    """Missing weights would else be read as a slow service instead of a mistake."""
    installation = Installation(Path("/venv/bin/python"), "0.32.0", "cuda")
    chosen = Choice("vllm", "there is a GPU", installation, CARD)
    failed = Report((Check(failing, "fail", "It is broken.", None),))
    monkeypatch.setattr("vlm_backend.__main__.choose_engine", lambda _settings: chosen)
    monkeypatch.setattr(
        "vlm_backend.__main__.examine", lambda _settings, engine: failed if engine == "vllm" else Report(())
    )
    choice, _ = examine_choice(Settings.model_validate({"vlm_engine": "auto"}))
    assert choice.engine == engine
    assert engine == "vllm" or "It is broken." in choice.why
