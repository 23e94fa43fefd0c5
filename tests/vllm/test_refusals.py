"""What vLLM does not take: settings beyond the model's context, arguments, and weights of another model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.supervision.support import ROOT, launched
from tests.supervision.support import environment as own_environment
from tests.support.vllm import vllm_python
from tests.support.waiting import LONG_WAIT_S, wait_until
from tests.vllm.conftest import LAUNCH
from tests.vllm.service import VllmService, copy_checkpoint, settings
from tests.vllm.test_command import in_vllms_environment
from vlm_backend.driver import Driver
from vlm_backend.installation import Installation
from vlm_backend.last_words import find_reason
from vlm_backend.settings import Settings
from vlm_backend.status import describe_process, write_status
from vlm_backend.vllm import command, environment

FORK = """
import json, os, runpy, sys

ends = json.loads(sys.argv[1])
for program in sorted({end["words"][0] for end in ends}):
    runpy.run_path(program)["make_parser"]()  # vLLM is imported once for all
codes = []
for end in ends:
    if not (child := os.fork()):
        os.dup2(os.open(end["stderr"], os.O_WRONLY | os.O_CREAT), 2)
        os.environ.update(end["environment"])
        sys.argv = end["words"]
        runpy.run_path(sys.argv[0], run_name="__main__")
        sys.exit()
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""
REFUSALS = {
    """--hf-overrides '{"text_config": {"max_position_embeddings": 8192}}'""": (
        "User-specified max_model_len (16384) is greater than the derived max_model_len"
    ),
    """--hf-overrides '{"architectures": ["FancyOCR"]}'""": (
        "Model architectures ['FancyOCR'] are not supported for now."
    ),
}
"""Arguments with which vLLM starts nothing, and what it says."""


class Refused(NamedTuple):
    """A command's exit status, what it wrote to its standard error, and the tier's status file."""

    code: int
    stderr: str
    status: Mapping[str, Any]


@pytest.mark.service
@pytest.mark.timeout(LONG_WAIT_S)
def test_a_setting_beyond_the_model_is_refused_once_and_by_name(checkpoint: Path, tmp_path: Path) -> None:
    model = copy_checkpoint(checkpoint, tmp_path, max_position_embeddings=8192)
    names = settings(tmp_path, model) | {"VLM_MAX_MODEL_LEN": "16384", "ON_FATAL": "stay"}
    with launched(tmp_path / "log", LAUNCH, **names) as process:
        service = VllmService(
            process, f"http://127.0.0.1:{names['PORT']}", int(names["VLM_PORT"]), tmp_path / "log", model
        )

        def reason() -> str:
            try:
                return str(service.health()["vlm"]["reason"])
            except httpx.TransportError:
                return ""

        wait_until(lambda: "given up" in reason(), "giving up", service.log, LONG_WAIT_S)
        assert "VLM_MAX_MODEL_LEN=16384 asks for a context of 16384 tokens, and the model has 8192" in reason()
    log = service.log.read_text(encoding="utf-8")
    assert "starting engine" not in log


def tier(model: Path, folder: Path, arguments: str = "") -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """The VLM tier run by itself until it ends, and what its status file says then."""
    names = settings(folder, model) | {"VLM_EXTRA_ARGUMENTS": arguments, "VLM_API_SERVERS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "vlm_backend"],
        cwd=ROOT,
        env=own_environment(**names),
        capture_output=True,
        text=True,
        timeout=LONG_WAIT_S,
        check=False,
    )
    status = json.loads(Path(names["TEMP_DIR"], f"vlm-{names['VLM_PORT']}.json").read_text(encoding="utf-8"))
    return done, status


@pytest.fixture(scope="module")
def refused(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Refused]:
    """How vLLM's command ends with each of `REFUSALS`."""
    folder = tmp_path_factory.mktemp("refused")
    starts = [_prepare(checkpoint, folder / str(number), arguments) for number, arguments in enumerate(REFUSALS)]
    codes = in_vllms_environment(FORK, json.dumps(starts))
    ends = [_read_end(start, code) for start, code in zip(starts, codes, strict=True)]
    return dict(zip(REFUSALS, ends, strict=True))


def _prepare(checkpoint: Path, folder: Path, arguments: str) -> Mapping[str, Any]:
    """What the tier would start, and a file for what that writes to its standard error."""
    settings = Settings.model_validate(
        {"vlm_model": str(checkpoint), "vlm_extra_arguments": arguments, "temp_dir": folder}
    )
    write_status(settings, describe_process("starting", "vllm", ""))
    installation = Installation(vllm_python(), "0.32.0", "cpu")
    return {
        "words": command(settings, installation, Driver(None, (), None))[1:],
        "environment": environment(settings, os.environ, installation.build),
        "stderr": str(folder / "stderr"),
    }


def _read_end(start: Mapping[str, Any], code: int) -> Refused:
    status = json.loads(Path(start["environment"]["VLM_STATUS_FILE"]).read_text(encoding="utf-8"))
    return Refused(code, Path(start["stderr"]).read_text(encoding="utf-8"), status)


@pytest.mark.parametrize(("arguments", "sentence"), REFUSALS.items())
def test_what_vllm_refuses_for_good_is_told_and_not_tried_again(
    refused: Mapping[str, Refused], arguments: str, sentence: str
) -> None:
    code, stderr, status = refused[arguments]
    assert (code, status["state"]) == (78, "refused")
    assert sentence in (find_reason(stderr) or "")
    assert sentence in status["failures"][0]["detail"]


@pytest.mark.timeout(LONG_WAIT_S)
def test_a_refusal_ends_the_tier(checkpoint: Path, tmp_path: Path) -> None:
    sentence = "unrecognized arguments: --nonsense"
    done, status = tier(checkpoint, tmp_path, "--nonsense")
    assert (done.returncode, status["state"]) == (78, "refused")
    assert sentence in (find_reason(done.stderr) or "")
    assert sentence in status["failures"][0]["detail"]


@pytest.mark.timeout(LONG_WAIT_S)
def test_a_worker_that_cannot_load_is_heard_through_the_processes_above_it(checkpoint: Path, tmp_path: Path) -> None:
    """Whole files with weights of another width: nobody but vLLM's worker can know."""
    model = copy_checkpoint(checkpoint, tmp_path, hidden_size=256)
    done, status = tier(model, tmp_path)
    assert done.returncode not in (0, 78)
    assert status["state"] == "starting"
    assert "root cause" in done.stderr
    assert "Attempted to load weight" in (find_reason(done.stderr) or "")
