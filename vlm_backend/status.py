"""Writes what the VLM tier tells the gateway apart from its API (`common/contracts.py`)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from common.atomic import replace_file
from common.contracts import Failure, TierState, TierStatus, tier_file
from common.processes import start_ticks
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
    with contextlib.suppress(OSError):
        replace_file(status_file(settings), status.model_dump_json())
