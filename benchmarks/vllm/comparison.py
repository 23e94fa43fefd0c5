"""Clients in turns, what each took, and whether all were answered alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.cpu_sampler import CLIENTS, OTHERS, CpuSampler
from benchmarks.report import table
from benchmarks.vllm.clients import Answer, Client

QUIET_CORES = 0.1
"""Cores that other processes may take while a sample counts at once."""
MAX_TRIES = 3
GOAL_RATIO = 0.95
HEADER = ["client", "requests/s", "tokens/s", "ratio", "CPU ms: client", "gateway", "vLLM", "busy cores", "others'"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One repetition of one client. `cpu_s`: of `gateway`, `vlm`, CLIENTS and OTHERS."""

    calls: int
    tokens: int
    wall_s: float
    cpu_s: Mapping[str, float]

    @property
    def calls_a_second(self) -> float:
        return self.calls / self.wall_s

    @property
    def other_cores(self) -> float:
        return self.cpu_s[OTHERS] / self.wall_s

    @property
    def busy_cores(self) -> float:
        return sum(self.cpu_s.values()) / self.wall_s - self.other_cores


Samples = Mapping[str, Sequence[Sample]]
"""One sample a repetition, by client; the first client is the baseline."""
StartSampler = Callable[[], CpuSampler]


async def compare(
    clients: Mapping[str, Client], repetitions: int, start_sampler: StartSampler, expected: Sequence[str]
) -> Samples:
    """Each client in turn, after one round that is not counted; each round begins with the next client. `expected`:
    the text of each crop; documents are only held to as many calls and tokens as the first client's."""
    samples: dict[str, list[Sample]] = {name: [] for name in clients}
    totals = None
    for repetition in range(repetitions + 1):
        for name in rotate(list(clients), repetition):
            sample, answers = await measure(clients[name], start_sampler)
            print(f"{name}: {sample.calls_a_second:.1f} calls/s", file=sys.stderr)
            totals = totals or (sample.calls, sample.tokens)
            if (sample.calls, sample.tokens) != totals:
                sys.exit(f"{name}: {sample.calls} calls, {sample.tokens} tokens; the first client had {totals}")
            if len(answers) == len(expected) and [answer.text for answer in answers] != list(expected):
                sys.exit(f"{name}: answers are not as taught")
            if repetition:
                samples[name].append(sample)
    return samples


def rotate(names: Sequence[str], places: int) -> list[str]:
    start = places % len(names)
    return [*names[start:], *names[:start]]


async def measure(client: Client, start_sampler: StartSampler) -> tuple[Sample, list[Answer]]:
    """Measures again while other processes of the machine are busy; at last, takes the quietest sample."""
    tries = []
    for _ in range(MAX_TRIES):
        sampler, start = start_sampler(), time.perf_counter()
        answers = await client()
        wall_s, cpu_s = time.perf_counter() - start, sampler.spent_s()
        calls, tokens = sum(answer.calls for answer in answers), sum(answer.tokens for answer in answers)
        tries.append((Sample(calls, tokens, wall_s, cpu_s), answers))
        if tries[-1][0].other_cores <= QUIET_CORES:
            break
    return min(tries, key=lambda taken: taken[0].other_cores)


def sample_table(samples: Samples) -> str:
    """A row a client: medians, and the ratio to the first client."""
    return table(HEADER, [[name, *_cells(taken, next(iter(samples.values())))] for name, taken in samples.items()])


def _cells(taken: Sequence[Sample], baseline: Sequence[Sample]) -> list[str]:
    found = ratios(taken, baseline)
    return [
        f"{median(sample.calls_a_second for sample in taken):.1f}",
        f"{median(sample.tokens / sample.wall_s for sample in taken):.0f}",
        "1" if taken is baseline else f"{median(found):.3f} ({min(found):.3f} to {max(found):.3f})",
        *(f"{cpu_ms_a_call(taken, who):.1f}" for who in (CLIENTS, "gateway", "vlm")),
        f"{median(sample.busy_cores for sample in taken):.2f}",
        f"{max(sample.other_cores for sample in taken):.2f}",
    ]


def cpu_ms_a_call(taken: Sequence[Sample], who: str) -> float:
    return median(1000 * sample.cpu_s[who] / sample.calls for sample in taken)


def ratios(taken: Sequence[Sample], baseline: Sequence[Sample]) -> list[float]:
    """Calls a second against those of the same repetition of the baseline."""
    return [one.calls_a_second / other.calls_a_second for one, other in zip(taken, baseline, strict=True)]


def verdict(taken: Sequence[Sample], baseline: Sequence[Sample]) -> str:
    """Of GOAL_RATIO, and no more than the repetitions show: they may lie on both sides of it."""
    found = ratios(taken, baseline)
    if min(found) >= GOAL_RATIO:
        return "reached in every repetition"
    return "missed in every repetition" if max(found) < GOAL_RATIO else "not settled, repetitions lie on both sides"
