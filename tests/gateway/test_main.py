"""`python -m gateway` as a process: answers at once without an engine, stops in order on SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import uvicorn

from gateway.server.serving import Server
from tests.support import local_http
from tests.support.ports import free_port
from tests.support.server import gateway
from tests.support.waiting import WAIT_S, wait_until


def test_from_the_signal_on_the_service_is_not_ready(tmp_path: Path) -> None:
    with gateway(tmp_path) as served:
        server = Server(uvicorn.Config(served.app), served.service)
        server.handle_exit(signal.SIGTERM, None)
        assert served.client.get("/readyz").json()["reasons"] == ["draining"]
        assert server.should_exit


def test_it_answers_without_an_engine_and_stops_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    names = {
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "VLM_PORT": str(free_port()),
        "OUTPUT_DIR": str(tmp_path / "output"),
        "DATA_DIR": str(tmp_path / "data"),
        "TEMP_DIR": str(tmp_path / "temp"),
        "LOG_FORMAT": "json",
        "FONT_DOWNLOAD": "false",
        "INFERENCE_RUNTIME": "onnxruntime",
    }
    log = tmp_path / "log"
    with log.open("wb") as stdout:
        process = subprocess.Popen([sys.executable, "-m", "gateway"], env=os.environ | names, stdout=stdout)

    def is_alive() -> bool:
        try:
            return local_http.get(f"http://127.0.0.1:{port}/health").status_code == 200
        except httpx.TransportError:
            assert process.poll() is None, log.read_text()
            return False

    try:
        wait_until(is_alive, "the first answer")
        assert local_http.get(f"http://127.0.0.1:{port}/readyz").status_code == 503
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_S)
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert lines[-1]["event"] == "service stopped"
    assert not [line for line in lines if "exception" in line]
