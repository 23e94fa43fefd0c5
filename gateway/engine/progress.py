"""The engine's progress: how one that answers its health and makes no step is told, and reported to the watchdog."""

from __future__ import annotations

import os
from collections.abc import Mapping
from time import monotonic

import structlog

from common.atomic import replace_file
from common.contracts import FrozenReport, frozen_file
from common.processes import read_stat
from gateway.engine.process_status import read_live_tier
from gateway.model import EngineKind
from gateway.settings import Settings

log = structlog.get_logger(__name__)

FROZEN_AFTER_S: Mapping[EngineKind | None, float] = {"embedded": 20.0}
DEFAULT_FROZEN_AFTER_S = 60.0
"""`VLM_FROZEN_AFTER_S` of 0, by kind: the embedded engine counts each line, and is back within seconds."""
LONG_STEP_FACTOR = 5
"""An engine that has just started compiles before its first step, and one that looks for the lines of a huge crop on a
busy machine is long at it; they may be still for so much longer."""
MIN_WORK_SHARE = 0.03
"""Of a core: more than answering probes takes."""


def frozen_after_s(settings: Settings, kind: EngineKind | None) -> float:
    """How long an engine may make no step though it is asked."""
    return settings.vlm_frozen_after_s or FROZEN_AFTER_S.get(kind, DEFAULT_FROZEN_AFTER_S)


class ProgressWatchdog:
    """Tells a frozen engine: progress is an answer, or a step forward of the engine's own counter."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The engine is not there, or not yet: its silence counts from its next start."""
        self._last = monotonic()
        self._has_progressed = False
        self._cpu: tuple[float, float] | None = None
        self.is_working = False
        self._steps: float | None = None

    @property
    def idle_s(self) -> float:
        """Seconds since the last progress, or since the engine was seen starting."""
        return monotonic() - self._last

    @property
    def has_counter(self) -> bool:
        """Whether the engine has a counter."""
        return self._steps is not None

    def record(self) -> None:
        self._last = monotonic()
        self._has_progressed = True

    def record_steps(self, steps: float | None) -> bool:
        """Notes the counter; whether it has moved since it was last read, which is progress. None: it can't be read."""
        if steps is None:
            return False
        moved = self._steps is not None and steps != self._steps
        self._steps = steps
        if moved:
            self.record()
        return moved

    def record_cpu(self, cpu_s: float | None) -> None:
        """Notes the CPU time that the engine has taken: one that takes some is at a long step. None: not known."""
        before, self._cpu = self._cpu, None if cpu_s is None else (cpu_s, monotonic())
        if self._cpu is None or before is None:
            self.is_working = self._cpu is not None
        else:
            self.is_working = self._cpu[0] - before[0] >= MIN_WORK_SHARE * (self._cpu[1] - before[1])

    def time_to_frozen_s(self, frozen_after_s: float, *, is_working: bool = False) -> float:
        """Seconds until an engine that stays still is to be called frozen; 0 or less: it is."""
        is_patient = is_working or not self._has_progressed
        return frozen_after_s * (LONG_STEP_FACTOR if is_patient else 1) - self.idle_s


def report_frozen(settings: Settings, idle_s: float) -> bool:
    """Asks the watchdog to kill the engine, which is started again then; False where there is none to be sure of."""
    status = read_live_tier(settings)
    if status is None:
        return False
    report = FrozenReport(pid=status.pid, started=status.started, idle_s=idle_s)
    try:
        replace_file(frozen_file(settings.temp_dir, settings.vlm_port), report.model_dump_json())
    except OSError as error:
        log.warning("engine_not_reported_frozen", reason=error.strerror)
        return False
    return True


def read_cpu_s(settings: Settings) -> float | None:
    """CPU time that the tier's process has taken since its start; None where there is none to be sure of."""
    status = read_live_tier(settings)
    fields = read_stat(status.pid) if status else None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else None
