"""What the VLM tier of this container says of itself, for the time when its API does not answer.

Two small files in TEMP_DIR, one by the tier and one by the watchdog (`common/contracts.py`). A file that is missing or
odd means that nothing is known.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from common.contracts import SupervisionStatus, TierStatus, supervision_file, tier_file
from gateway.settings import Settings

log = structlog.get_logger(__name__)


class TierReport(BaseModel):
    """What both files say together. `reason`: a sentence or two for clients, for as long as the engine does not answer;
    `is_lost`: it won't start by itself; `sequences`: requests that it works on at once; `takes_priority`: it knows what
    `priority` in a request means."""

    reason: str | None = None
    is_lost: bool = False
    sequences: int | None = None
    takes_priority: bool = False


Known = TypeVar("Known", bound=BaseModel)


def read_tier(settings: Settings) -> TierReport:
    """What is known of the tier now; nothing for an engine that runs elsewhere. Reads two files; never raises."""
    if settings.vlm_engine == "external":
        return TierReport()
    status = _read(tier_file(settings.temp_dir, settings.vlm_port), TierStatus)
    supervision = _read(supervision_file(settings.temp_dir, settings.port), SupervisionStatus)
    program = supervision.programs.get("vlm") if supervision else None
    refusal = _refusal(status) if status and status.state != "starting" else None
    if program and program.gave_up:
        told = filter(None, (program.sentence or "The VLM tier is given up.", refusal))
        return TierReport(reason=" ".join(told), is_lost=True)
    if refusal or status is None:
        return TierReport(reason=refusal, is_lost=status is not None and status.state == "refused")
    words = program.last_words if program else None
    if not is_alive(status):
        ended = f": {words}" if words else ""
        return TierReport(reason=f"The recognition engine's process has ended and is started again{ended or '.'}")
    loading_s = max(time.time() - status.started, 0)
    before = f" Its last start failed: {words}" if words else ""
    reason = f"The recognition engine ({status.engine}) is loading, {loading_s:.0f} s so far.{before}"
    return TierReport(reason=reason, sequences=status.sequences, takes_priority=status.takes_priority)


def kill_tier(settings: Settings) -> bool:
    """Ends the tier's processes at once, so that they are started again; False where there are none to be sure of."""
    status = (
        _read(tier_file(settings.temp_dir, settings.vlm_port), TierStatus)
        if settings.vlm_engine != "external"
        else None
    )
    if status is None or status.start_ticks is None or not is_alive(status):
        return False
    try:
        # The engine's own children, one of which may be the frozen one, are in the group that it leads.
        leads_group = os.getpgid(status.pid) == status.pid
        os.killpg(status.pid, signal.SIGKILL) if leads_group else os.kill(status.pid, signal.SIGKILL)
    except OSError as error:
        log.warning("engine_not_killed", pid=status.pid, reason=error.strerror)
        return False
    return True


def is_alive(status: TierStatus) -> bool:
    """Whether the process is still the one that wrote the file: another may have its number by now."""
    try:
        fields = Path(f"/proc/{status.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] != "Z" and status.start_ticks == int(fields[19])


def _refusal(status: TierStatus) -> str:
    told = [f"{failure.detail} {failure.remedy}".strip() for failure in status.failures]
    return " ".join([f"The VLM tier ({status.engine}) cannot start:", *told])


def _read(file: Path, model: type[Known]) -> Known | None:
    try:
        return model.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
