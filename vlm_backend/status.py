"""What the VLM tier tells the gateway apart from its API: a small file, for the time when there is no API yet.

The tiers share no code, so the file's fields are the contract (`gateway/recognition/tier.py` reads them).
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from vlm_backend.settings import Settings

State = Literal["starting", "refused", "postponed"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that keeps the engine from starting, and what to do about it; both sentences."""

    check: str
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class TierStatus:
    """`state`: `starting` (the process has become the engine, or is about to), `refused` (it has ended because it
    could not work) or `postponed` (it has ended, and what it lacks may be there at its next start). `pid` and
    `start_ticks` (field 22 of /proc/PID/stat) name the process; it leads its process group.
    `started` is Unix time, seconds. `sequences`: how many requests the engine works on at once, where that is known.
    `takes_priority`: whether it knows what `priority` in a request means."""

    state: State
    engine: str
    why: str
    failures: Sequence[Failure] = ()
    sequences: int | None = None
    takes_priority: bool = False
    pid: int = field(default_factory=os.getpid)
    start_ticks: int | None = field(default_factory=lambda: start_ticks(os.getpid()))
    started: float = field(default_factory=time.time)


def status_file(settings: Settings) -> Path:
    return settings.temp_dir / f"vlm-{settings.vlm_port}.json"


def write_status(settings: Settings, status: TierStatus) -> None:
    """Puts the file in place in one step. A folder that can't be written costs the gateway the reason, nothing else."""
    target = status_file(settings)
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=target.parent, delete=False, encoding="utf-8") as file:
            json.dump(asdict(status), file)
        os.replace(file.name, target)


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since boot: tells it from a later one with the same number."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The second field, the program's name in parentheses, may hold spaces and parentheses itself.
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return None
