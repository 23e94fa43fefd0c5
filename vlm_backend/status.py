"""Writes what the VLM tier tells the gateway apart from its API (`common/contracts.py`)."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from common.contracts import Failure, TierState, TierStatus, tier_file
from vlm_backend.settings import Settings


def describe_process(
    state: TierState,
    engine: str,
    why: str,
    failures: Sequence[Failure] = (),
    *,
    sequences: int | None = None,
    takes_priority: bool = False,
    pid: int | None = None,
) -> TierStatus:
    """The status of this process, or of `pid`."""
    pid = pid or os.getpid()
    return TierStatus(
        state=state,
        engine=engine,
        why=why,
        failures=failures,
        sequences=sequences,
        takes_priority=takes_priority,
        pid=pid,
        start_ticks=start_ticks(pid),
        started=time.time(),
    )


def status_file(settings: Settings) -> Path:
    return tier_file(settings.temp_dir, settings.vlm_port)


def write_status(settings: Settings, status: TierStatus) -> None:
    """Puts the file in place in one step. A folder that can't be written costs the gateway the reason, nothing else."""
    target = status_file(settings)
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=target.parent, delete=False, encoding="utf-8") as file:
            file.write(status.model_dump_json())
        os.replace(file.name, target)


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since boot: tells it from a later one with the same number."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The second field, the program's name in parentheses, may hold spaces and parentheses itself.
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return None
