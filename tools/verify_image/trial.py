"""One container in one scenario, from its start to its end."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from benchmarks.service import free_port
from tools.verify_image.client import client_for, execute
from tools.verify_image.engines.engine import Container, Engine, Options
from tools.verify_image.image import Image
from tools.verify_image.scenarios import Scenario

VLM_PORT = 8118
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `grace`: what platforms grant between SIGTERM and SIGKILL."""

    start: float = 120
    ready: float = 300
    ready_gpu: float = 1800
    document: float = 600
    program: float = 300
    grace: float = 30


@dataclass(frozen=True, slots=True)
class Ports:
    gateway: int
    vlm: int


@dataclass(slots=True)
class Trial:
    """`started`: of time.monotonic(). `early`: what probes answered when the first one did, by path."""

    image: Image
    scenario: Scenario
    container: Container
    client: httpx.Client
    ports: Ports
    limits: Limits
    started: float
    early: dict[str, httpx.Response] = field(default_factory=dict)

    @property
    def age(self) -> float:
        return time.monotonic() - self.started

    @property
    def user(self) -> str:
        return self.scenario.options.user or self.image.user

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """False where it took longer, or the container has ended."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until or self.container.exit_code() is not None:
                return False
            time.sleep(PAUSE_S)
        return True

    def status(self, path: str) -> int | None:
        """None where nothing answers."""
        with contextlib.suppress(httpx.TransportError):
            return self.client.get(path).status_code
        return None

    def health(self) -> dict[str, Any]:
        """Empty where it is not answered."""
        with contextlib.suppress(httpx.TransportError, ValueError):
            found = self.client.get("/health").json()
            return found if isinstance(found, dict) else {}
        return {}

    def execute(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Like what the service itself runs; a program that takes too long counts as one that has failed."""
        try:
            return execute(self.container, self.image, arguments, self.limits.program)
        except subprocess.TimeoutExpired:
            words = f"it took longer than {self.limits.program:.0f} s".encode()
            return subprocess.CompletedProcess(arguments, 1, b"", words)

    def last_words(self) -> str:
        """The last thing said in the log, which is mostly why it ended."""
        lines = [line for line in self.container.log().splitlines() if line.strip()]
        return _event(lines[-1]) if lines else ""


def _event(line: str) -> str:
    with contextlib.suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict):
            return str(entry.get("event", line))
    return line


def placed(engine: Engine, options: Options) -> tuple[Options, Ports]:
    """Ports that are free here. One with a network of its own is told none, and listens where it does by itself."""
    if options.offline:
        return options, Ports(engine.image.port, VLM_PORT)
    ports = Ports(free_port(), free_port())
    told = {"PORT": str(ports.gateway), "VLM_PORT": str(ports.vlm), **options.environment}
    return replace(options, environment=told), ports


@contextmanager
def begun(engine: Engine, scenario: Scenario, limits: Limits) -> Iterator[Trial]:
    """RuntimeError where the engine could not start it."""
    options, ports = placed(engine, scenario.options)
    with engine.start(options, ports.gateway) as container:
        started = time.monotonic()
        with client_for(container, engine.image, ports.gateway) as client:
            yield Trial(engine.image, scenario, container, client, ports, limits, started)
