"""What the VLM tier of this container says of itself, for the time when its API does not answer.

Small files in TEMP_DIR, by the tier and by the watchdog (`common/contracts.py`). A file that is missing or odd
means that nothing is known.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from common.contracts import SupervisionStatus, TierStatus, supervision_file, tier_file
from common.processes import read_stat
from gateway.settings import Settings


class EngineProcessStatus(BaseModel):
    """What both files say together. `reason`: a sentence or two for clients, for as long as the engine does not answer;
    `gave_up`: it won't start by itself; `sequences`: requests that it works on at once; `takes_priority`: it knows what
    `priority` in a request means."""

    reason: str | None = None
    gave_up: bool = False
    sequences: int | None = None
    takes_priority: bool = False


Known = TypeVar("Known", bound=BaseModel)


def read_process_status(settings: Settings) -> EngineProcessStatus:
    """What is known of the tier now; nothing for an engine that runs elsewhere. Reads two files; never raises."""
    if settings.vlm_engine == "external":
        return EngineProcessStatus()
    status = _read(tier_file(settings.temp_dir, settings.vlm_port), TierStatus)
    supervision = _read(supervision_file(settings.temp_dir, settings.port), SupervisionStatus)
    program = supervision.programs.get(_program_of(settings)) if supervision else None
    refusal = _refusal(status) if status and status.state != "starting" else None
    if program and program.gave_up:
        told = filter(None, (program.sentence or "The VLM tier is given up.", refusal))
        return EngineProcessStatus(reason=" ".join(told), gave_up=True)
    if refusal or status is None:
        return EngineProcessStatus(reason=refusal, gave_up=status is not None and status.state == "refused")
    words = program.last_words if program else None
    if not _is_alive(status):
        ended = f": {words}" if words else ""
        return EngineProcessStatus(
            reason=f"The recognition engine's process has ended and is started again{ended or '.'}"
        )
    loading_s = max(time.time() - status.started, 0)
    before = f" Its last start failed: {words}" if words else ""
    reason = f"The recognition engine ({status.engine}) is loading, {loading_s:.0f} s so far.{before}"
    return EngineProcessStatus(reason=reason, sequences=status.sequences, takes_priority=status.takes_priority)


def _program_of(settings: Settings) -> str:
    """supervisord's name of the engine that the settings lead to."""
    return "line_reader" if settings.vlm_port == settings.line_reader_port else "vlm"


def read_live_tier(settings: Settings) -> TierStatus | None:
    """What the tier wrote, where the process that wrote it is there; None for an engine that runs elsewhere."""
    if settings.vlm_engine == "external":
        return None
    status = _read(tier_file(settings.temp_dir, settings.vlm_port), TierStatus)
    return status if status and _is_alive(status) else None


def _is_alive(status: TierStatus) -> bool:
    """Whether the process is still the one that wrote the file: another may have its number by now."""
    fields = read_stat(status.pid)
    return fields is not None and fields[0] != "Z" and status.start_ticks == int(fields[19])


def _refusal(status: TierStatus) -> str:
    told = [f"{failure.detail} {failure.remedy}".strip() for failure in status.failures]
    return " ".join([f"The VLM tier ({status.engine}) cannot start:", *told])


def _read(file: Path, model: type[Known]) -> Known | None:
    try:
        return model.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
