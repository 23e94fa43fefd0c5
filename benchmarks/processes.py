"""Programs that a benchmark starts, and what each needs with all its children: CPU time and resident memory."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from benchmarks.cpu_sampler import spent_cpu_s
from benchmarks.report import ROOT

START_S = 120.0
STOP_S = 60.0
SAMPLE_S = 0.25


@dataclass(frozen=True, slots=True)
class Program:
    """A running server; `url` without a path."""

    name: str
    url: str
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        return spent_cpu_s(self.tree())

    def rss_mb(self) -> float:
        """Resident memory of the whole tree, MB of 10^6 bytes; shared pages count for each process."""
        total = 0
        for process in self.tree():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 1e6

    def tree(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        return []


@contextlib.contextmanager
def start_program(
    name: str,
    command: Sequence[str],
    port: int,
    ready_path: str,
    environment: Mapping[str, str] | None = None,
    start_s: float = START_S,
) -> Iterator[Program]:
    """The program once `ready_path` answers 200; ended at the end. Exits with the end of its log if it won't start."""
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            if not _is_ready(process, f"{url}{ready_path}", start_s):
                log.seek(0)
                sys.exit(f"{name} did not start:\n{log.read()[-3000:].decode(errors='replace')}")
            yield Program(name, url, process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_ready(process: subprocess.Popen[bytes], url: str, start_s: float) -> bool:
    deadline = time.monotonic() + start_s
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return True
        time.sleep(0.2)
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Memory:
    """Resident memory of a program while it is watched: a sample every SAMPLE_S seconds, (seconds, MB)."""

    program: Program
    samples: list[tuple[float, float]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def peak_mb(self) -> float:
        return max(size for _, size in self.samples)

    def slope_mb_an_hour(self) -> float:
        """Least-squares line through the second half of the samples: the first holds what every start takes."""
        late = self.samples[len(self.samples) // 2 :]
        middle_t, middle_mb = (sum(values) / len(late) for values in zip(*late, strict=True))
        spread = sum((t - middle_t) ** 2 for t, _ in late)
        return 3600 * sum((t - middle_t) * (mb - middle_mb) for t, mb in late) / spread if spread else 0.0

    @contextlib.contextmanager
    def watch(self) -> Iterator[Memory]:
        thread = threading.Thread(target=self._sample, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _sample(self) -> None:
        start = time.monotonic()
        while True:
            self.samples.append((time.monotonic() - start, self.program.rss_mb()))
            if self._stop.wait(SAMPLE_S):
                return
