"""Which cores the processes of a benchmark have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.service import Service


@dataclass(frozen=True, slots=True)
class Placement:
    """Which cores vLLM has; `others`: those of gateway and client. None: all have all."""

    name: str
    vlm: frozenset[int] | None = None
    others: frozenset[int] | None = None


def together(cores: Sequence[int]) -> Placement:
    return Placement(f"All processes on the same {len(cores)} cores")


def apart(cores: Sequence[int]) -> Placement:
    """vLLM on the first half, the rest on the others; of two cores or more."""
    half = len(cores) // 2
    names = [", ".join(map(str, some)) for some in (cores[:half], cores[half:])]
    name = f"vLLM on core {names[0]}, gateway and client on core {names[1]}"
    return Placement(name, frozenset(cores[:half]), frozenset(cores[half:]))


def place(service: Service, placement: Placement) -> None:
    """Binds all threads that there are; later ones inherit it."""
    if placement.vlm is None or placement.others is None:
        return
    tiers = service.tiers()
    for process in tiers["vlm"]:
        _bind(process.pid, placement.vlm)
    for pid in (os.getpid(), *(process.pid for process in tiers["gateway"])):
        _bind(pid, placement.others)


def _bind(pid: int, cores: frozenset[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)
