"""One trial: the engine and the gateway with some settings, and how many pages a second they read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import IO, Any, NamedTuple

import aiohttp

from tools.tune.search import Knob, Measure, Values

START_S = 1200.0
"""An engine on a card loads weights and captures graphs for minutes."""
STOP_S = 60.0
POLL_S = 0.5
BUSY_S = 0.5
OPTIONS = {"images": "none", "text_layer": "never"}
"""The engine reads all, also what a PDF tells of itself."""
_MAX_END = 1500


class TrialError(Exception):
    """What did not start or was not read, one sentence."""


class Outcome(NamedTuple):
    """What came of a document: its status, and the blocks that were read."""

    status: str
    ok: int

    def __str__(self) -> str:
        return f"{self.status}, with {self.ok} blocks"


class Program:
    """A process and the log of what it says."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.name = name
        self.process = process
        self._log = log

    def last_words(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-_MAX_END:]


class Bench:
    """Starts what a trial needs and measures it; the engine stays for the next trial where nothing of it changes.

    `files` are the documents, sent `rounds` times each, `at_once` of them at a time. `rounds` None: as often as takes
    `seconds`, by the first trial.
    """

    def __init__(
        self, files: Sequence[Path], knobs: Sequence[Knob], *, at_once: int, seconds: float, rounds: int | None = None
    ) -> None:
        self.rounds = rounds
        self._files = files
        self._engine_names = frozenset(knob.name for knob in knobs if knob.restarts_engine)
        self._at_once = at_once
        self._seconds = seconds
        self._open = ExitStack()
        self._engine = ExitStack()
        self._engine_values: Values | None = None
        # An empty setting would leave those of `.env` in force.
        self._key = secrets.token_hex()
        self._expected: list[Outcome] | None = None
        self._ports = {"PORT": str(_free_port()), "VLM_PORT": str(_free_port())}

    def __enter__(self) -> Bench:
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="tune-")))
        self._open.push(self._engine)
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.close()
        self._open.close()

    def measure(self, values: Values) -> Measure:
        """Never raises for what the settings are at fault for."""
        try:
            self._start_engine(values)
            with self._start("gateway", values) as gateway:
                self._await_ready(gateway)
                return asyncio.run(self._read_documents())
        except (TrialError, aiohttp.ClientError) as error:
            self._engine_values = None  # it may be the engine that is not well
            return Measure(failure=str(error) or type(error).__name__)

    def _start_engine(self, values: Values) -> None:
        wanted = {name: value for name, value in values.items() if name in self._engine_names}
        if self._engine_values == wanted:
            return
        self._engine.close()
        self._engine_values = None
        self._program = self._engine.enter_context(self._start("vlm_backend", values))
        self._engine_values = wanted

    @contextlib.contextmanager
    def _start(self, module: str, values: Values) -> Iterator[Program]:
        with (self._folder / f"{module}.log").open("w+b") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=self._environment(values),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield Program(module, process, log)
            finally:
                _stop(process)

    def _environment(self, values: Values) -> Mapping[str, str]:
        own = {
            "HOST": "127.0.0.1", "VLM_ENGINE": "vllm", "VLM_MODELS": "", "LINE_READER_PORT": "0",
            "JOBS": "false", "API_KEYS": self._key, "API_KEYS_FILE": "",
            # What is slow is a figure, and no failure.
            "REQUEST_TIMEOUT_S": str(START_S), "VLM_CALL_TIMEOUT_S": str(START_S),
            "OUTPUT_DIR": str(self._folder / "output"), "TEMP_DIR": str(self._folder / "temp"),
            "DATA_DIR": str(self._folder / "data"), **self._ports,
        }  # fmt: skip
        return {**os.environ, **own, **{name: value for name, value in values.items() if value}}

    def _await_ready(self, gateway: Program) -> None:
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up:
            for program in (self._program, gateway):
                if program.process.poll() is not None:
                    self._engine_values = None
                    raise TrialError(f"{program.name} ended: {program.last_words()}")
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self._url}/readyz", timeout=10):
                return
            time.sleep(POLL_S)
        self._engine_values = None
        raise TrialError(f"The service was not ready after {START_S:.0f} s.")

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._ports['PORT']}"

    async def _read_documents(self) -> Measure:
        """Once to warm up, then for the measure. What fails is fast: of trials that read less, or more, than the first
        one did, none can be compared with it."""
        timeout, connector = aiohttp.ClientTimeout(None), aiohttp.TCPConnector(limit=0)
        headers = {"X-API-Key": self._key}
        async with aiohttp.ClientSession(timeout=timeout, connector=connector, headers=headers) as session:
            warm_s, _ = await self._send_all(session, 1)
            self.rounds = self.rounds or max(1, round(self._seconds / warm_s))
            took_s, answers = await self._send_all(session, self.rounds)
        outcomes = [describe_outcome(answer) for answer in answers]
        self._expected = self._expected or outcomes
        for file, outcome, expected in zip(cycle(self._files), outcomes, self._expected, strict=False):
            if outcome != expected:
                raise TrialError(f"{file.name} was read as {outcome}, in the first trial as {expected}.")
        pages, regions = (sum(answer["usage"][name] for answer in answers) for name in ("pages", "regions"))
        return Measure(pages / took_s, regions / took_s)

    async def _send_all(self, session: aiohttp.ClientSession, rounds: int) -> tuple[float, list[dict[str, Any]]]:
        places = asyncio.Semaphore(self._at_once)
        documents = [(file.name, await asyncio.to_thread(file.read_bytes)) for file in self._files]

        async def send(name: str, data: bytes) -> dict[str, Any]:
            async with places:
                return await _send(session, f"{self._url}/ocr", name, data)

        began = time.monotonic()
        answers = await asyncio.gather(*(send(*document) for _ in range(rounds) for document in documents))
        return time.monotonic() - began, answers


def describe_outcome(answer: Mapping[str, Any]) -> Outcome:
    blocks = [block for page in answer["pages"] for block in page["blocks"]]
    return Outcome(answer["status"], sum(block["status"] == "ok" for block in blocks))


async def _send(session: aiohttp.ClientSession, url: str, name: str, data: bytes) -> dict[str, Any]:
    """The answer to a document; where the service is full, once it has room."""
    while True:
        form = aiohttp.FormData(OPTIONS)
        form.add_field("file", data, filename=name)
        async with session.post(url, data=form) as response:
            if response.status == 429:
                await asyncio.sleep(BUSY_S)
                continue
            if response.status != 200:
                raise TrialError(f"{name} was answered {response.status}: {(await response.text())[:300]}")
            answer: dict[str, Any] = await response.json()
            return answer


def _stop(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started: what is left of it would hold the card's memory."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
