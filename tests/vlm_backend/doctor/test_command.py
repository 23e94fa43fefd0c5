"""What `doctor` prints, and how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import WAIT_S
from tests.vlm_backend.doctor.conftest import Machine

ROOT = Path(__file__).resolve().parents[3]


def run(machine: Machine, *arguments: str, **names: str) -> subprocess.CompletedProcess[str]:
    settings = {name.upper(): str(value) for name, value in machine.settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "vlm_backend", "doctor", *arguments],
        cwd=ROOT,
        env={**os.environ, **settings, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100", **names},
        capture_output=True,
        encoding="utf-8",
        timeout=WAIT_S,
        check=False,
    )


def test_the_report_names_the_engine_each_check_and_a_verdict(cpu_machine: Machine) -> None:
    done = run(cpu_machine)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == "vLLM is examined (VLM_ENGINE=vllm)."
    assert "vLLM can start: everything is as it should be." in lines[-1]
    columns = {re.match(r"(?:✔ \S+)? +", line).end() for line in lines[2:-2]}  # type: ignore[union-attr]
    assert len(columns) == 1
    # A path is not broken, however long it is.
    assert [line for line in lines if len(line) > 100 and max(map(len, line.split())) < 60] == []


def test_a_failure_is_marked_explained_and_gives_exit_status_1(bare: Machine) -> None:
    done = run(bare)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    failed = next(number for number, line in enumerate(lines) if line.startswith("✘ vllm"))
    assert "has no vLLM" in " ".join(lines[failed : failed + 3])
    assert "make vllm" in " ".join(lines[failed : failed + 5])
    assert lines[-1] == "vLLM cannot work here: 1 failure (vllm)."


def test_the_report_for_machines_is_one_object(bare: Machine) -> None:
    done = run(bare, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert (report["engine"], report["why"], report["ok"]) == ("vllm", "VLM_ENGINE=vllm", False)
    failed = next(check for check in report["checks"] if check["name"] == "vllm")
    assert set(failed) == {"name", "status", "detail", "remedy"}
    assert failed["status"] == "fail"


def test_auto_says_why_it_is_not_vllm_and_examines_the_embedded_engine(bare: Machine) -> None:
    done = run(bare, VLM_ENGINE="auto")
    assert done.returncode == 0
    first = done.stdout.splitlines()[0]
    assert first.startswith("The embedded engine is examined (VLM_ENGINE=auto, and vLLM is not installed")


def test_another_engine_than_the_settings_can_be_examined(bare: Machine) -> None:
    assert run(bare, "--engine", "embedded").returncode == 0
    assert run(bare, "--engine", "vllm", VLM_ENGINE="embedded").returncode == 1


def test_an_external_engine_is_not_examined(bare: Machine) -> None:
    done = run(bare, VLM_ENGINE="external")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1


def test_words_take_the_place_of_signs_that_stdout_cannot_carry(bare: Machine) -> None:
    done = run(bare, PYTHONIOENCODING="ascii", TEMP_DIR=str(bare.folder / "временное"))
    assert done.returncode == 1
    assert "FAIL vllm" in done.stdout
    assert done.stdout.isascii()
    assert done.stderr == ""


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "| true"])
def test_a_stdout_that_takes_nothing_changes_nothing(bare: Machine, redirection: str) -> None:
    settings = {name.upper(): str(value) for name, value in bare.settings.items()}
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "{sys.executable}" -m vlm_backend doctor {redirection}'],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
