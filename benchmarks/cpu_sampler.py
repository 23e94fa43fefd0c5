"""CPU time by who spent it, over an interval."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping

import psutil

CLIENTS, OTHERS = "clients", "others"
"""The process that measures, and everything on the machine that is not measured, its host's steal included."""


def spent_cpu_s(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds of the processes so far, and of children of theirs that have ended."""
    spent = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


class CpuSampler:
    """Starts when it is made. `programs`: CPU seconds so far of each program, by name."""

    def __init__(self, programs: Mapping[str, Callable[[], float]]) -> None:
        self._programs = programs
        self._start = self._read()

    def spent_s(self) -> dict[str, float]:
        """CPU seconds since the start: of each program, CLIENTS and OTHERS."""
        return {who: max(0.0, seconds - self._start[who]) for who, seconds in self._read().items()}

    def _read(self) -> dict[str, float]:
        own = {name: read() for name, read in self._programs.items()} | {CLIENTS: time.process_time()}
        times = psutil.cpu_times()
        machine_s = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        return own | {OTHERS: machine_s - sum(own.values())}
