"""What answering takes: time on the clock, and CPU time by who spent it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import psutil

from benchmarks.throughput import Sample
from benchmarks.ways import Answer, Answering

QUIET_CORES = 0.1
"""Cores that other processes may take while a sample counts at once."""
TRIES_MAX = 3


class Meter:
    """CPU seconds of this process, of both tiers (`gateway` and `vlm`), and of the whole machine."""

    def __init__(self, tiers: Mapping[str, Sequence[psutil.Process]]) -> None:
        self._tiers = tiers

    def read(self) -> dict[str, float]:
        spent = {name: sum(map(_cpu_s, tier)) for name, tier in self._tiers.items()}
        all_times = psutil.cpu_times()
        machine_s = all_times.user + all_times.nice + all_times.system
        return {"client": time.process_time(), **spent, "machine": machine_s}


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def measured(answering: Answering, meter: Meter) -> tuple[Sample, list[Answer]]:
    """Measures again where other processes of the machine were busy meanwhile; at last, takes the quietest."""
    tries = []
    for _ in range(TRIES_MAX):
        before, start = meter.read(), time.perf_counter()
        answers = await answering()
        wall_s, after = time.perf_counter() - start, meter.read()
        cpu_s = {who: after[who] - before[who] for who in after}
        others_s = max(0.0, cpu_s.pop("machine") - sum(cpu_s.values()))
        calls, tokens = sum(answer.calls for answer in answers), sum(answer.tokens for answer in answers)
        pages = sum(answer.pages for answer in answers)
        tries.append((Sample(calls, tokens, wall_s, cpu_s, others_s, pages), answers))
        if others_s / wall_s <= QUIET_CORES:
            break
    return min(tries, key=lambda taken: taken[0].foreign_cores)
