"""`python -m common.inference.measurement FILE CORES SIDE...`: what a model costs on each runtime of the machine.

A process of its own: a runtime that crashes there costs nothing, and what it leaves behind in memory is gone with it.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from common.inference.sessions import RUNTIMES, Floats, Runtime, RuntimeUnavailable, Session, open_session

TIMEOUT_S = 60.0
RUNS = 5
"""Measured turns of each runtime, of which the best one counts."""
ENOUGH_S = 5.0
"""After which no further round of turns begins: a start on a slow machine is not to wait for exact figures."""


def measure_in_subprocess(file: Path, shape: Sequence[int], cores: int) -> dict[Runtime, float]:
    """Milliseconds of a core that a run costs on each runtime that can run the model; nothing where that can't be told.

    Never raises. `shape` is that of the input.
    """
    command = [sys.executable, "-m", "common.inference.measurement", str(file), str(cores), *map(str, shape)]
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False)
        lines = [line.split() for line in done.stdout.decode().splitlines()]
        # The last line of each counts.
        return {runtime: float(words[1]) for words in lines for runtime in RUNTIMES if words[:1] == [runtime]}
    return {}


def measure(file: Path, shape: Sequence[int], cores: int) -> None:
    """Prints a line for each runtime, and another one whenever it was faster; the runtimes take turns, so that what
    else the machine does falls on all of them."""
    stopwatches: dict[Runtime, _Stopwatch] = {}
    for runtime in RUNTIMES:
        with suppress(RuntimeUnavailable):
            stopwatches[runtime] = _Stopwatch(open_session(file, runtime, cores), shape, cores)
            # At once, so that a runtime that crashes takes no other with it.
            _print_cost(runtime, stopwatches[runtime])
    start = time.perf_counter()
    for _ in range(RUNS - 1):
        if len(stopwatches) == 1 or time.perf_counter() - start > ENOUGH_S:
            break
        for runtime, stopwatch in stopwatches.items():
            stopwatch.run()
            _print_cost(runtime, stopwatch)


def _print_cost(runtime: Runtime, stopwatch: _Stopwatch) -> None:
    sys.stdout.write(f"{runtime} {stopwatch.cost_ms}\n")
    sys.stdout.flush()


class _Stopwatch:
    """The best of a model's turns, in each of which as many runs as there are cores are asked for at once."""

    def __init__(self, session: Session, shape: Sequence[int], cores: int) -> None:
        self._session, self._cores = session, cores
        self._values: Floats = np.zeros(tuple(shape), dtype=np.float32)
        self._threads = ThreadPoolExecutor(cores)
        self._computed = self._kept = math.inf
        self._run()  # compiles or allocates, and does not count
        self.run()

    @property
    def cost_ms(self) -> float:
        """Milliseconds of a core of one run.

        The geometric mean of the time that the cores computed, which tells nothing of idle ones, and of the time that
        they were kept, which does. What a thread waited for its core is none of that: beside other programs it is
        several times as long as the rest, and longest for a runtime whose threads wait for each other.
        """
        return round(1000 * math.sqrt(self._computed * self._kept), 2)

    def run(self) -> None:
        start_waits, start_computed, start = sum_waits(), time.process_time(), time.perf_counter()
        self._run()
        whole, computed = time.perf_counter() - start, (time.process_time() - start_computed) / self._cores
        kept = whole - (sum_waits() - start_waits)
        self._kept = min(self._kept, max(kept, computed))
        self._computed = min(self._computed, computed)

    def _run(self) -> None:
        def run(_: int) -> None:
            with self._session.run(self._values):
                pass

        list(self._threads.map(run, range(self._cores)))


def sum_waits(tasks: Path = Path("/proc/self/task")) -> float:
    """Seconds that the process's threads have waited for a core, all together; 0 where the kernel does not tell.

    The second number of a thread's `schedstat` (the kernel's scheduler/sched-stats.rst), nanoseconds.
    """
    waits = 0
    for file in tasks.glob("*/schedstat"):
        with suppress(OSError, ValueError, IndexError):  # the thread may have ended
            waits += int(file.read_text().split()[1])
    return waits / 1e9


def main() -> None:
    file, cores, *shape = sys.argv[1:]
    measure(Path(file), [int(side) for side in shape], int(cores))


if __name__ == "__main__":
    main()
