"""Starts the service as a user does, on ports and folders of its own, and tells what its processes need."""

from __future__ import annotations

import contextlib
import json
import mimetypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_S = 120


@dataclass(frozen=True, slots=True)
class Service:
    url: str
    vlm_port: int
    supervisor: int

    def ocr(self, file: Path, **options: str) -> dict[str, Any]:
        """Answer of `POST /ocr` as JSON."""
        boundary = uuid.uuid4().hex
        media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        )
        query = "&".join(f"{name}={value}" for name, value in options.items())
        request = urllib.request.Request(
            f"{self.url}/ocr?{query}",
            head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode(),
            {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        with urllib.request.urlopen(request) as answer:
            body: dict[str, Any] = json.load(answer)
        return body

    def peak_memory_mb(self) -> dict[str, float]:
        """Largest resident memory so far of each tier (with its child processes), MB of 10^6 bytes."""
        return {name: sum(peak_memory(process.pid) for process in tier) for name, tier in self.tiers().items()}

    def tiers(self) -> dict[str, list[psutil.Process]]:
        """The processes of `gateway` and `vlm`, child processes included."""
        found = {}
        for process in psutil.Process(self.supervisor).children():
            command = process.cmdline()
            if "supervision.watchdog" not in command:
                is_vlm = any("vlm_backend" in part or "vllm.entrypoints" in part for part in command)
                name = "vlm" if is_vlm else "gateway"
                found[name] = [process, *process.children(recursive=True)]
        return found


def is_ready(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz"):
        return True
    return False


@contextlib.contextmanager
def running_service(
    ready: Callable[[str], bool] = is_ready, start_s: float = START_S, **environment: str
) -> Iterator[Service]:
    """The service once its URL is `ready`, which it must be after `start_s`; stopped at the end."""
    port, vlm_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "HOST": "127.0.0.1", "PORT": str(port), "VLM_PORT": str(vlm_port), "LOG_LEVEL": "WARNING",
            "OUTPUT_DIR": f"{folder}/output", "TEMP_DIR": f"{folder}/temp", **environment,
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "supervision.launch"],
            cwd=ROOT,
            env={**os.environ, **settings},
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until(lambda: ready(url), start_s, process)
            yield Service(url, vlm_port, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def peak_memory(pid: int) -> float:
    """VmHWM of a process, MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until(ready: Callable[[], bool], start_s: float, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + start_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the service ended with code {process.returncode} before it was ready")
        if ready():
            return
        time.sleep(0.2)
    sys.exit(f"the service was not ready after {start_s:.0f} s")
