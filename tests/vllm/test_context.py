"""A model folder whose context is small, as its own config.json says, and what vLLM does not take."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.supervision.support import ROOT, environment, launched
from tests.support import local_http
from tests.support.waiting import LONG_WAIT_S, wait_until
from tests.vllm.conftest import LAUNCH
from tests.vllm.lessons import EXAMPLE
from tests.vllm.service import MODEL, VllmService, settings
from tests.vllm.test_reading import example_markdown
from vlm_backend.last_words import find_reason


def with_text_config(checkpoint: Path, folder: Path, **fields: object) -> Path:
    """A copy of the checkpoint with other fields in its language model's configuration."""
    copy = folder / MODEL
    shutil.copytree(checkpoint, copy)
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config["text_config"] |= fields
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return copy


@pytest.mark.service
@pytest.mark.timeout(2 * LONG_WAIT_S)
@pytest.mark.parametrize("tokens", [8192, 4096])
def test_a_model_with_a_small_context_starts_and_reads_a_page(checkpoint: Path, tmp_path: Path, tokens: int) -> None:
    """4,096 tokens are as many as the gateway asks for a region's text alone."""
    names = settings(tmp_path, with_text_config(checkpoint, tmp_path, max_position_embeddings=tokens)) | {
        "VLM_API_SERVERS": "1"
    }
    with launched(tmp_path / "log", LAUNCH, **names) as process:
        service = VllmService(process, f"http://127.0.0.1:{names['PORT']}", int(names["VLM_PORT"]), tmp_path / "log")
        service.wait_until_ready()
        models = local_http.get(f"{service.base_url}/models", timeout=30).json()["data"]
        assert {model["max_model_len"] for model in models} == {tokens}
        answer = service.read(EXAMPLE, format="markdown")
        assert (answer.status_code, answer.text) == (200, example_markdown())


@pytest.mark.service
@pytest.mark.timeout(LONG_WAIT_S)
def test_a_setting_beyond_the_model_is_refused_once_and_by_name(checkpoint: Path, tmp_path: Path) -> None:
    model = with_text_config(checkpoint, tmp_path, max_position_embeddings=8192)
    names = settings(tmp_path, model) | {"VLM_MAX_MODEL_LEN": "16384", "ON_FATAL": "stay"}
    with launched(tmp_path / "log", LAUNCH, **names) as process:
        service = VllmService(process, f"http://127.0.0.1:{names['PORT']}", int(names["VLM_PORT"]), tmp_path / "log")

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
    command = [sys.executable, "-m", "vlm_backend"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**names), capture_output=True, text=True, timeout=LONG_WAIT_S, check=False
    )
    status = json.loads(Path(names["TEMP_DIR"], f"vlm-{names['VLM_PORT']}.json").read_text(encoding="utf-8"))
    return done, status


@pytest.mark.timeout(LONG_WAIT_S)
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--nonsense", "unrecognized arguments: --nonsense"),
        (
            """--hf-overrides '{"text_config": {"max_position_embeddings": 8192}}'""",
            "User-specified max_model_len (16384) is greater than the derived max_model_len",
        ),
        (
            """--hf-overrides '{"architectures": ["FancyOCR"]}'""",
            "Model architectures ['FancyOCR'] are not supported for now.",
        ),
    ],
)
def test_what_vllm_refuses_for_good_is_told_and_not_tried_again(
    checkpoint: Path, tmp_path: Path, arguments: str, sentence: str
) -> None:
    done, status = tier(checkpoint, tmp_path, arguments)
    assert done.returncode == 78
    assert sentence in (find_reason(done.stderr) or "")
    assert status["state"] == "refused"
    assert sentence in status["failures"][0]["detail"]


@pytest.mark.timeout(LONG_WAIT_S)
def test_a_worker_that_cannot_load_is_heard_through_the_processes_above_it(checkpoint: Path, tmp_path: Path) -> None:
    """Whole files with weights of another width: nobody but vLLM's worker can know."""
    model = with_text_config(checkpoint, tmp_path, hidden_size=256)
    done, status = tier(model, tmp_path)
    assert done.returncode not in (0, 78)
    assert status["state"] == "starting"
    assert "root cause" in done.stderr
    assert "Attempted to load weight" in (find_reason(done.stderr) or "")
