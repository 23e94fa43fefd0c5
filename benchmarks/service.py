"""Starts the service as a user does, on ports and folders of its own."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.processes import START_S, Program, free_port, start_program


@dataclass(frozen=True, slots=True)
class Service:
    program: Program
    vlm_port: int

    @property
    def url(self) -> str:
        return self.program.url

    def ocr(self, file: Path, **options: str) -> dict[str, Any]:
        """Answer of `POST /ocr` as JSON."""
        files = {"file": (file.name, file.read_bytes())}
        answer = httpx.post(f"{self.url}/ocr", params=options, files=files, timeout=None, trust_env=False)
        body: dict[str, Any] = answer.raise_for_status().json()
        return body

    def peak_memory_mb(self) -> dict[str, float]:
        """Largest resident memory so far of each tier (with its child processes), MB of 10^6 bytes."""
        return {name: sum(peak_memory_mb(process.pid) for process in tier) for name, tier in self.tiers().items()}

    def tiers(self) -> dict[str, list[psutil.Process]]:
        """The processes of `gateway` and `vlm`, child processes included."""
        found = {}
        for process in psutil.Process(self.program.process.pid).children():
            command = process.cmdline()
            if "supervision.watchdog" not in command:
                is_vlm = any("vlm_backend" in part or "vllm.entrypoints" in part for part in command)
                found["vlm" if is_vlm else "gateway"] = [process, *process.children(recursive=True)]
        return found


@contextmanager
def start_service(start_s: float = START_S, **environment: str) -> Iterator[Service]:
    """The service once it is ready; stopped at the end."""
    port, vlm_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "HOST": "127.0.0.1", "PORT": str(port), "VLM_PORT": str(vlm_port), "LOG_LEVEL": "WARNING",
            "OUTPUT_DIR": f"{folder}/output", "TEMP_DIR": f"{folder}/temp", "DATA_DIR": f"{folder}/data", **environment,
        }  # fmt: skip
        command = [sys.executable, "-m", "supervision.launch"]
        with start_program("the service", command, port, "/readyz", settings, start_s) as program:
            yield Service(program, vlm_port)


def peak_memory_mb(pid: int) -> float:
    """VmHWM of a process, MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
