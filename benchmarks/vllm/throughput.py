"""What was measured of each way, and how the ways compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

CpuSeconds = Mapping[str, float]
"""By who spent them: `client` (the process that measures), `gateway`, `vlm`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One repetition of one way: all calls, from the first sent to the last answered. `others_s` is the CPU time of
    everything else on the machine; `pages` only whole documents have."""

    calls: int
    tokens: int
    wall_s: float
    cpu_s: CpuSeconds
    others_s: float = 0.0
    pages: int = 0

    def __str__(self) -> str:
        return f"{self.calls_a_second:.1f} calls/s, others took {self.foreign_cores:.2f} cores"

    @property
    def calls_a_second(self) -> float:
        return self.calls / self.wall_s

    @property
    def pages_a_second(self) -> float:
        return self.pages / self.wall_s

    @property
    def tokens_a_second(self) -> float:
        return self.tokens / self.wall_s

    @property
    def busy_cores(self) -> float:
        return sum(self.cpu_s.values()) / self.wall_s

    @property
    def foreign_cores(self) -> float:
        return self.others_s / self.wall_s

    def cpu_ms_a_call(self, who: str) -> float:
        return 1000 * self.cpu_s[who] / self.calls


@dataclass(frozen=True, slots=True)
class Ratio:
    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.middle:.3f} ({self.least:.3f} to {self.most:.3f})"


def ratio(samples: Sequence[Sample], baseline: Sequence[Sample]) -> Ratio:
    """Calls a second against those of the same repetition of the baseline: median, least and most."""
    ratios = [one.calls_a_second / other.calls_a_second for one, other in zip(samples, baseline, strict=True)]
    return Ratio(median(ratios), min(ratios), max(ratios))


def middle_cpu_ms(samples: Sequence[Sample], who: str) -> float:
    return median(sample.cpu_ms_a_call(who) for sample in samples)


def rows(samples: Mapping[str, Sequence[Sample]], baseline: str) -> list[list[str]]:
    """A line a way: calls/s, tokens/s, ratio to the baseline, CPU ms a call by who spent it, busy cores; medians.
    Last the most cores that others took."""
    return [[way, *_cells(taken, samples[baseline])] for way, taken in samples.items()]


def _cells(taken: Sequence[Sample], baseline: Sequence[Sample]) -> list[str]:
    return [
        f"{median(sample.calls_a_second for sample in taken):.1f}",
        f"{median(sample.tokens_a_second for sample in taken):.0f}",
        "1" if taken is baseline else str(ratio(taken, baseline)),
        *(f"{middle_cpu_ms(taken, who):.1f}" for who in ("client", "gateway", "vlm")),
        f"{median(sample.busy_cores for sample in taken):.2f}",
        f"{max(sample.foreign_cores for sample in taken):.2f}",
    ]
