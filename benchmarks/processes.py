"""Programs that a benchmark starts, and what each needs with all its children: CPU time and resident memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 120.0
END_S = 30.0
SAMPLE_S = 0.25


@dataclass(frozen=True, slots=True)
class Program:
    """A running server; `url` without a path."""

    name: str
    url: str
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """CPU time so far of the process and its children, those that have ended included."""
        spent = 0.0
        for process in self.tree():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                spent += times.user + times.system + times.children_user + times.children_system
        return spent

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
def running(
    name: str, command: Sequence[str], port: int, ready_path: str, environment: dict[str, str] | None = None
) -> Iterator[Program]:
    """The program once `ready_path` answers 200; ended at the end. Exits with the end of its log if it won't start."""
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=log, stderr=subprocess.STDOUT
        )
        program = Program(name, url, process)
        try:
            if not _becomes_ready(program, f"{url}{ready_path}"):
                log.seek(0)
                sys.exit(f"{name} did not start:\n{log.read()[-3000:].decode(errors='replace')}")
            yield program
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def busy_s() -> float:
    """CPU time so far of everything on the machine, and what its host took from it."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


@dataclass
class Memory:
    """Resident memory of a program while it is watched: a sample every SAMPLE_S seconds, (seconds, MB)."""

    program: Program
    samples: list[tuple[float, float]] = field(default_factory=list)
    _ends: threading.Event = field(default_factory=threading.Event)

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
    def watched(self) -> Iterator[Memory]:
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ends.set()
            thread.join()

    def _watch(self) -> None:
        begun = time.monotonic()
        while True:
            self.samples.append((time.monotonic() - begun, self.program.rss_mb()))
            if self._ends.wait(SAMPLE_S):
                return


def _becomes_ready(program: Program, url: str) -> bool:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and program.process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=5):
            return True
        time.sleep(0.2)
    return False
