"""`python -m vlm_backend`: which engine it becomes, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tier beside an embedded engine that only tells its process id and ends with a code of its own."""
    package = tmp_path / "vlm_backend"
    (package / "embedded").mkdir(parents=True)
    for module in (ROOT / "vlm_backend").glob("*.py"):
        (package / module.name).write_bytes(module.read_bytes())
    (package / "embedded" / "__init__.py").touch()
    (package / "embedded" / "__main__.py").write_text("import os\nprint(os.getpid())\nraise SystemExit(7)\n")
    return tmp_path


def start(folder: Path, **names: str) -> tuple[int, int, str, str]:
    """Process id, exit code, stdout and stderr of the tier."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VLM_", "LOG_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "vlm_backend"],
        cwd=folder,
        env=environment | names,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate(timeout=60)
    return process.pid, process.returncode, out, err


@pytest.mark.parametrize("engine", ["auto", "embedded"])
def test_the_embedded_engine_takes_the_place_of_the_process(folder: Path, engine: str) -> None:
    pid, code, out, _ = start(folder, VLM_ENGINE=engine, VLM_PORT="9118")
    line, engine_pid = out.splitlines()
    assert int(engine_pid) == pid
    assert code == 7
    said = json.loads(line)
    assert (said["engine"], said["port"], said["level"]) == ("embedded", 9118, "info")
    assert f"VLM_ENGINE={engine}" in said["reason"]


def test_the_log_line_is_for_eyes_where_asked(folder: Path) -> None:
    _, _, out, _ = start(folder, LOG_FORMAT="console")
    assert "engine=embedded" in out.splitlines()[0]
    assert "{" not in out


def test_the_log_line_respects_the_level(folder: Path) -> None:
    _, _, out, _ = start(folder, LOG_LEVEL="WARNING")
    assert len(out.splitlines()) == 1


def test_vllm_is_refused_in_one_sentence_with_the_code_for_bad_configuration(folder: Path) -> None:
    _, code, out, err = start(folder, VLM_ENGINE="vllm")
    assert code == 78
    assert out == ""
    assert err.startswith("VLM_ENGINE=vllm")
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
