"""Gateways of real processes that share the jobs of one folder, and what clients see of those jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psutil

from tests.gateway.intake.files import mixed_pdf
from tests.support import local_http
from tests.support.service_process import Service, service_process
from tests.support.stub_engine import Reply, StubEngine, StubRequest
from tests.support.waiting import LONG_WAIT_S, WAIT_S, wait_until

OPTIONS = {"task": "text", "images": "none"}
IN_WORK = 16
"""Pages of one job that a gateway's end may cost at most: those whose calls the engine has begun."""


def read_size(request: StubRequest) -> Reply:
    """Another text for each page of `numbered_pages`."""
    return Reply("{} by {} pixels".format(*request.size), delay_s=0.1)


def read_first(count: int, rest: Event) -> Callable[[StubRequest], Reply]:
    """Reads so many pages of `numbered_pages` at once, and the others when `rest` is set."""
    first: set[tuple[int, int]] = set()

    def answer(request: StubRequest) -> Reply:
        if len(first) < count and not request.is_canary:
            first.add(request.size)
        reply = read_size(request)
        return reply if request.is_canary or request.size in first else replace(reply, after=rest)

    return answer


def numbered_pages(count: int) -> bytes:
    """A PDF whose pages differ in their size."""
    return mixed_pdf([(200 + 10 * (at % 40), 100 + 10 * (at // 40)) for at in range(count)])


@dataclass
class Fleet:
    """`settings`: what all gateways have in common beside the folder of their jobs."""

    folder: Path
    engine: StubEngine
    settings: dict[str, str]
    gateways: list[Service] = field(default_factory=list)
    _open: ExitStack = field(default_factory=ExitStack)
    _started: int = 0

    def start(self, *, wrapper: Sequence[str] = (), port: int | None = None, **settings: str) -> Service:
        """One more gateway, that takes jobs; at a port that another one had, or at one of its own."""
        self._started += 1
        own = self.folder / f"gateway-{self._started}"
        own.mkdir()
        shared = {"data_dir": str(self.folder / "data"), **self.settings, **settings}
        service = self._open.enter_context(service_process(own, self.engine, wrapper=wrapper, port=port, **shared))
        self.gateways.append(service)
        wait_until(lambda: get(service, "/jobs").status_code == 200, "jobs", service.log)
        return service

    def kill(self, service: Service) -> None:
        """The gateway at once; its render workers end when their pipe does."""
        self.gateways.remove(service)
        children = psutil.Process(service.pid).children(recursive=True)
        service.process.kill()
        service.process.wait(WAIT_S)
        psutil.wait_procs(children, timeout=WAIT_S)

    def close(self) -> None:
        self._open.close()


@contextmanager
def fleet(folder: Path, engine: StubEngine, **settings: str) -> Iterator[Fleet]:
    running = Fleet(folder, engine, settings)
    try:
        yield running
    finally:
        running.close()


def get(service: Service, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
    return local_http.get(f"{service.url}{path}", **arguments)


def post(service: Service, path: str, data: bytes, **options: str) -> httpx.Response:
    return local_http.post(f"{service.url}{path}", files={"file": ("a.pdf", data)}, data=OPTIONS | options)


def submit(service: Service, data: bytes, **options: str) -> str:
    answer = post(service, "/jobs", data, **options)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def state_of(service: Service, job: str) -> str:
    return str(get(service, f"/jobs/{job}").json()["state"])


def pages_done(service: Service, job: str) -> int:
    return int(get(service, f"/jobs/{job}").json()["progress"]["done"])


def await_pages(service: Service, job: str, count: int) -> None:
    """Waits until so many pages of the job are kept."""
    wait_until(lambda: pages_done(service, job) >= count, f"{count} pages of job {job}", service.log)


def await_end(service: Service, jobs: Sequence[str]) -> None:
    for job in jobs:
        wait_until(
            lambda: state_of(service, job) not in ("queued", "running"),  # noqa: B023
            f"the end of job {job}",
            service.log,
            LONG_WAIT_S,
        )


def find_faults(service: Service, jobs: Sequence[str], expected: str, pages: int) -> list[str]:
    """What is not as an undisturbed reading gives it: text, states, and pages that are missing or there twice."""
    faults = []
    for job in jobs:
        result = get(service, f"/jobs/{job}/result").json()
        numbers = [page["page"] for page in result.get("pages", ())]
        if result.get("status") != "ok":
            faults.append(f"{job}: {result}"[:300])
        elif numbers != list(range(1, pages + 1)):
            faults.append(f"{job}: pages {numbers}")
        elif result["markdown"] != expected:
            faults.append(f"{job}: another text")
    return faults


def pages_read(engine: StubEngine) -> int:
    return sum(not request.is_canary for request in engine.requests)
