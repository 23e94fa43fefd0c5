"""The real gateway as a process of its own, with its own layout model and render workers, on a scripted engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.support import local_http
from tests.support.ports import free_port
from tests.support.stub_engine import StubEngine
from tests.support.waiting import WAIT_S, wait_until

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Service:
    """A gateway that is ready; `port` on 127.0.0.1, `log` is the file of its log lines."""

    port: int
    process: subprocess.Popen[bytes]
    engine: StubEngine
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def rss_mb(self) -> float:
        """Resident memory of the gateway's process, without its workers; MB of 10^6 bytes."""
        return float(psutil.Process(self.pid).memory_info().rss) / 1e6

    def tree_rss_mb(self) -> float:
        """The same with its workers."""
        root = psutil.Process(self.pid)
        return sum(float(process.memory_info().rss) for process in (root, *root.children(recursive=True))) / 1e6

    def descriptors(self) -> int:
        return int(psutil.Process(self.pid).num_fds())

    def connections(self) -> int:
        """Connections of clients that the gateway holds open."""
        held = psutil.Process(self.pid).net_connections("tcp")
        return sum(1 for one in held if one.laddr and one.laddr.port == self.port and one.status != psutil.CONN_LISTEN)

    def is_alive(self) -> bool:
        return self.process.poll() is None


@contextmanager
def service_process(
    folder: Path, engine: StubEngine, *, wrapper: Sequence[str] = (), port: int | None = None, **settings: str
) -> Iterator[Service]:
    """The gateway with `settings` (names in small letters) once it is ready; stopped at the end.

    Its layout model is loaded with the first page that needs one: to load it is half of a start, and few do.
    `wrapper`: a command that becomes the command that follows it.
    """
    engine.start()
    port, log = port or free_port(), folder / "gateway.log"
    environment = {
        **_own_environment(), "HOST": "127.0.0.1", "PORT": str(port), "VLM_ENGINE": "external",
        "VLM_BASE_URL": engine.base_url, "OUTPUT_DIR": str(folder / "output"), "TEMP_DIR": str(folder / "temp"),
        "DATA_DIR": str(folder / "data"),
        "LAYOUT_MODEL": "bundled", "LAYOUT_LOADING": "lazy", "LOG_FORMAT": "json", "RENDER_WORKERS": "1",
        "INFERENCE_RUNTIME": "onnxruntime", "FONT_DOWNLOAD": "false",  # nothing is measured or fetched at each start
        **{name.upper(): value for name, value in settings.items()},
    }  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "gateway"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    service = Service(port, process, engine, log)
    try:
        wait_until(lambda: _is_ready(service), "readiness", log)
        yield service
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _own_environment() -> Mapping[str, str]:
    """The test's environment without what would set something in the gateway."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _is_ready(service: Service) -> bool:
    assert service.is_alive(), service.log.read_text()
    try:
        return local_http.get(f"{service.url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
