"""vLLM itself reads the command that is made for it on a GPU, and the prompt templates, without starting."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.vllm import ROOT, vllm_python
from vlm_backend.driver import Driver, Gpu
from vlm_backend.installation import Installation
from vlm_backend.settings import Settings
from vlm_backend.vllm import command

PARSE = """
import json, runpy, sys

entry = runpy.run_path(sys.argv[1])
from vllm.entrypoints.cli.serve import ServeSubcommand

understood = []
for words in json.loads(sys.argv[2]):
    arguments = entry["make_parser"]().parse_args(words)
    ServeSubcommand().validate(arguments)
    understood.append(vars(arguments))
print(json.dumps(understood, default=str))
"""
RENDER = """
import json, sys
from pathlib import Path
from jinja2 import Environment

messages = json.loads(sys.argv[2])
print(json.dumps(Environment().from_string(Path(sys.argv[1]).read_text()).render(messages=messages)))
"""
PICTURE = "<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>"


def in_vllms_environment(program: str, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    done = subprocess.run(
        [vllm_python(), "-W", "ignore", "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def words_of(total_mib: int, folder: Path) -> Sequence[str]:
    """The command on a GPU with so much memory."""
    driver = Driver((13, 0), (Gpu("a card", total_mib, total_mib - 200, (8, 6)),), None)
    settings = Settings.model_validate(
        {"vlm_data_parallel": 2, "vlm_api_servers": 3, "temp_dir": folder, "vlm_model_dir": folder}
    )
    return command(settings, Installation(vllm_python(), "0.32.0", "cuda"), driver)


def test_vllm_understands_its_command_on_gpus(tmp_path: Path) -> None:
    entry, *_ = words_of(4_096, tmp_path)[1:]
    commands = [words_of(total_mib, tmp_path)[2:] for total_mib in (4_096, 8_192, 81_559)]
    for understood in in_vllms_environment(PARSE, entry, json.dumps(commands)):
        assert understood["served_model_name"] == ["PaddlePaddle/PaddleOCR-VL-1.6", "PaddleOCR-VL-1.6-0.9B"]
        assert understood["host"] == "127.0.0.1"
        assert (understood["enable_prefix_caching"], understood["mm_processor_cache_gb"]) == (False, 0)
        assert understood["api_server_count"] == 3
        assert (understood["data_parallel_size"], understood["dtype"]) == (2, "bfloat16")
        assert 0.5 < understood["gpu_memory_utilization"] <= 0.9
        assert understood["shutdown_timeout"] > 0


@pytest.mark.parametrize(("template", "turn"), [("v1", "Assistant: "), ("v1.5", "Assistant:\n")])
def test_templates_make_the_prompts_of_the_official_ones(template: str, turn: str) -> None:
    """Rendered from PaddleX 3.7.2's own templates: pictures before texts, nothing between them."""
    asked = {"role": "user", "content": [{"type": "text", "text": "OCR:"}, {"type": "image"}]}
    told = {"role": "assistant", "content": [{"type": "text", "text": "words"}]}
    system = {"role": "system", "content": [{"type": "text", "text": "Be exact."}]}
    file = str(ROOT / "vlm_backend" / "chat_templates" / f"{template}.jinja")
    question = f"User: {PICTURE}OCR:\n"
    assert in_vllms_environment(RENDER, file, json.dumps([asked])) == f"<|begin_of_sentence|>{question}{turn}"
    assert in_vllms_environment(RENDER, file, json.dumps([system, asked, told, asked])) == (
        f"<|begin_of_sentence|>Be exact.\n{question}{turn}words</s>{question}{turn}"
    )
