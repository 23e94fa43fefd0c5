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
RUNS = 4
"""Measured turns of each runtime, of which the best one counts."""


def measure_in_subprocess(file: Path, shape: Sequence[int], cores: int) -> dict[Runtime, float]:
    """Milliseconds of a core that a run costs on each runtime that can run the model; nothing where that can't be told.

    Never raises. `shape` is that of the input.
    """
    command = [sys.executable, "-m", "common.inference.measurement", str(file), str(cores), *map(str, shape)]
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False)
        # Each runtime has its line as soon as it is measured, so that one that crashes takes no other with it.
        lines = [line.split() for line in done.stdout.decode().splitlines()]
        return {runtime: float(words[1]) for words in lines for runtime in RUNTIMES if words[:1] == [runtime]}
    return {}


def measure(file: Path, shape: Sequence[int], cores: int) -> None:
    """Prints a line for each runtime."""
    for runtime in RUNTIMES:
        with suppress(RuntimeUnavailable):
            cost = time_run(open_session(file, runtime, cores), shape, cores)
            sys.stdout.write(f"{runtime} {cost}\n")
            sys.stdout.flush()


def time_run(session: Session, shape: Sequence[int], cores: int) -> float:
    """Milliseconds of a core of one run, where as many as there are cores are asked for at once.

    The mean of the time that the cores computed, which tells nothing of idle ones, and of the time that they were kept,
    which does, and tells of other programs too.
    """
    values: Floats = np.zeros(tuple(shape), dtype=np.float32)

    def run(_: int) -> None:
        with session.run(values):
            pass

    computed = kept = math.inf
    with ThreadPoolExecutor(cores) as threads:
        for turn in range(1 + RUNS):  # the first one compiles or allocates, and does not count
            start, start_computed = time.perf_counter(), time.process_time()
            list(threads.map(run, range(cores)))
            if turn:
                kept = min(kept, time.perf_counter() - start)
                computed = min(computed, (time.process_time() - start_computed) / cores)
    return round(1000 * (computed + kept) / 2, 2)


def main() -> None:
    file, cores, *shape = sys.argv[1:]
    measure(Path(file), [int(side) for side in shape], int(cores))


if __name__ == "__main__":
    main()
