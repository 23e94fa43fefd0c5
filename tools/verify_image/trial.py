"""One container in one scenario, and how the checks talk to it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from benchmarks.processes import free_port
from tools.verify_image.image import Container, Engine, Image, Options

VLM_PORT = 8118
PAUSE_S, SPARE_S = 0.1, 10
ANY_USER = "12345:0"
"""A user that no image knows, in the group that OpenShift gives."""
RELAY = """
import http.client, json, sys
head = json.loads(sys.stdin.buffer.readline())
try:
    connection = http.client.HTTPConnection("127.0.0.1", head["port"], timeout=head["seconds"])
    connection.request(head["method"], head["target"], sys.stdin.buffer.read(), dict(head["headers"]))
    answer = connection.getresponse()
    body = answer.read()
except OSError as error:
    sys.exit(f"{type(error).__name__}: {error}")
headers = [pair for pair in answer.getheaders() if pair[0].lower() != "transfer-encoding"]
sys.stdout.buffer.write(json.dumps({"status": answer.status, "headers": headers}).encode() + b"\\n" + body)
"""
"""An HTTP client that runs in the container. A line of JSON and the body go in and come out."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`has_engine`: the engine has to become ready; else it has to say why it can't."""

    title: str
    options: Options = field(default_factory=Options)
    has_engine: bool = True
    needs_vllm: bool = False


SCENARIOS: Mapping[str, Scenario] = {
    "default": Scenario("as it is"),
    "root": Scenario("root", Options(user="0:0")),
    "any-user": Scenario("user 12345:0", Options(user=ANY_USER)),
    "read-only": Scenario("read-only", Options(read_only=True)),
    "offline": Scenario("offline", Options(offline=True)),
    "homeless": Scenario(
        "12345:0, no HOME", Options(user=ANY_USER, environment={"HOME": None, "USER": None, "LOGNAME": None})
    ),
    "gpu": Scenario("with a GPU", Options(gpu=True, environment={"VLM_ENGINE": "vllm"}), needs_vllm=True),
    # Without a network, so that an engine that does start downloads no weights to fail with.
    "no-gpu": Scenario(
        "vLLM wanted, no GPU",
        Options(offline=True, environment={"VLM_ENGINE": "vllm", "ON_FATAL": "stay"}),
        has_engine=False,
        needs_vllm=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `grace`: what platforms grant between SIGTERM and SIGKILL."""

    start: float = 120
    ready: float = 300
    ready_gpu: float = 1800
    document: float = 600
    program: float = 300
    grace: float = 30


@dataclass(slots=True)
class Trial:
    """`started`: of time.monotonic(). `early`: the probes' first answers, by path."""

    image: Image
    scenario: Scenario
    container: Container
    port: int
    vlm_port: int
    limits: Limits
    started: float = field(default_factory=time.monotonic)
    early: dict[str, httpx.Response] = field(default_factory=dict)
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        transport = None if self.container.is_reachable else RelayTransport(self)
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", transport=transport, timeout=5, trust_env=False
        )

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.started

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """False after `seconds`, or when the container has ended."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline or self.container.exit_code() is not None:
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
            return dict(self.client.get("/health").json())
        return {}

    def execute(
        self, arguments: Sequence[str], data: bytes = b"", seconds: float | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a program in the environment that the image's entry point makes for the service."""
        return self.container.execute([*self.image.entry_point, *arguments], data, seconds or self.limits.program)

    def last_event(self) -> str:
        """The log's last line, which mostly says why a container ended."""
        line = last_line(self.container.log())
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(line).get("event", line))
        return line


class RelayTransport(httpx.BaseTransport):
    """HTTP to a container whose network can't be reached from here."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        seconds = float(request.extensions["timeout"]["read"])
        head = {
            "method": request.method,
            "port": request.url.port,
            "target": request.url.raw_path.decode("ascii"),
            "headers": list(request.headers.items()),
            "seconds": seconds,
        }
        data = json.dumps(head).encode() + b"\n" + request.read()
        try:
            done = self._trial.execute(["python", "-c", RELAY], data, seconds + SPARE_S)
        except subprocess.TimeoutExpired as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        if done.returncode != 0:
            raise httpx.ConnectError(last_line(done.stderr.decode(errors="replace")), request=request)
        line, _, body = done.stdout.partition(b"\n")
        answer = json.loads(line)
        return httpx.Response(answer["status"], headers=answer["headers"], content=body, request=request)


@contextmanager
def start_trial(engine: Engine, scenario: Scenario, limits: Limits) -> Iterator[Trial]:
    """With ports that are free here; a container with a network of its own keeps its own. RuntimeError where the
    engine can't start it."""
    options, port, vlm_port = scenario.options, engine.image.port, VLM_PORT
    if not options.offline:
        port, vlm_port = free_port(), free_port()
        ports = {"PORT": str(port), "VLM_PORT": str(vlm_port)}
        options = replace(options, environment={**ports, **options.environment})
    with engine.start(options, port) as container:
        trial = Trial(engine.image, scenario, container, port, vlm_port, limits)
        with trial.client:
            yield trial


def last_line(output: str) -> str:
    return output.strip().rpartition("\n")[2]
