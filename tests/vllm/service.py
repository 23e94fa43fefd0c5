"""The running service with the real vLLM, as tests see it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support import local_http
from tests.support.ports import free_port
from tests.support.vllm import vllm_python
from tests.support.waiting import LONG_WAIT_S, WAIT_S, wait_until

MODEL = "PaddleOCR-VL-1.6"
FROZEN_AFTER_S = 6
CONTEXT = 8192
"""Tokens that the service's model has: fewer than are served by default."""


def copy_checkpoint(checkpoint: Path, folder: Path, **fields: object) -> Path:
    """A copy of the checkpoint, with other fields in its language model's configuration."""
    copy = folder / MODEL
    shutil.copytree(checkpoint, copy)
    configure(copy, **fields)
    return copy


def configure(checkpoint: Path, **fields: object) -> None:
    """Sets fields of the language model's configuration."""
    file = checkpoint / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["text_config"] |= fields
    file.write_text(json.dumps(config), encoding="utf-8")


def settings(folder: Path, checkpoint: Path) -> dict[str, str]:
    """The environment of the service. It has two API servers, as beside a GPU, and finds a frozen engine sooner than by
    default: a test waits for it. Its engine is not warmed up at each start; that of `make tune` is."""
    return {
        "PORT": str(free_port()),
        "VLM_PORT": str(free_port()),
        "HOST": "127.0.0.1",
        "TEMP_DIR": str(folder / "temp"),
        "OUTPUT_DIR": str(folder / "output"),
        "DATA_DIR": str(folder / "data"),
        "VLM_ENGINE": "vllm",
        "VLLM_PYTHON": str(vllm_python()),
        "VLM_MODEL": str(checkpoint),
        "VLM_API_SERVERS": "2",
        "VLM_WARM_UP": "false",
        "VLM_CANARY_INTERVAL_S": "2",
        "VLM_FROZEN_AFTER_S": str(FROZEN_AFTER_S),
        "LOG_FORMAT": "json",
    }


@dataclass
class VllmService:
    process: subprocess.Popen[bytes]
    url: str
    vlm_port: int
    log: Path
    model: Path

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def is_ready(self) -> bool:
        try:
            return local_http.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def wait_until_ready(self) -> None:
        """Fails at once, with how the log ends, where the service gives up."""
        wait_until(lambda: self.is_ready() or self.has_ended(), "readiness", self.log, LONG_WAIT_S)
        assert not self.has_ended(), f"the service ended; its log: {self.log.read_text(errors='replace')[-3000:]}"

    def health(self) -> dict[str, Any]:
        body: dict[str, Any] = local_http.get(f"{self.url}/health").json()
        return body

    def read(self, document: Path, **options: str) -> httpx.Response:
        files = {"file": (document.name, document.read_bytes())}
        return local_http.post(f"{self.url}/ocr", files=files, data=options, timeout=LONG_WAIT_S)

    def context(self) -> int:
        """Tokens that the engine takes at most, as the service says."""
        models = local_http.get(f"{self.base_url}/models", timeout=WAIT_S).json()["data"]
        (context,) = {int(model["max_model_len"]) for model in models}
        return context

    def running_requests(self) -> float:
        """What vLLM itself says is in its hands."""
        return self._metric("num_requests_(?:running|waiting)")

    def generated_tokens(self) -> float:
        return self._metric("generation_tokens_total")

    def _metric(self, name: str) -> float:
        text = local_http.get(f"http://127.0.0.1:{self.vlm_port}/metrics").text
        return sum(map(float, re.findall(rf"^vllm:{name}\{{[^}}]*\}} ([0-9.e+]+)$", text, re.M)))

    def leader(self) -> psutil.Process:
        """vLLM's leading process, which the tier has become."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(child for child in children if any("vllm_entry" in word for word in child.cmdline()))

    def engine_core(self) -> psutil.Process:
        """The process that computes."""
        children = self.leader().children(recursive=True)
        return max(children, key=lambda child: child.memory_info().rss)
