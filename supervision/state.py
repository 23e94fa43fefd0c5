"""What is known of each program under supervisord, and when one is given up. No input or output here.

The watchdog publishes a `Supervision` as `TEMP_DIR/supervision-<PORT>.json` (`common/contracts.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Literal

from pydantic import Field, PrivateAttr

from common.contracts import ProgramStatus, SupervisionStatus
from vlm_backend.last_words import find_reason

WINDOW_S = 600
"""Ends of a program that are further apart make no crash loop."""

WORDS_S = 120
"""What a program wrote to its standard error longer ago is not why it ends. vLLM's processes end within seconds of the
first that fails."""
MAX_WORDS = 256 * 1024
"""Characters that are kept of what a program writes."""

TITLES: Mapping[str, str] = {"vlm": "VLM tier", "line_reader": "line reader", "gateway": "gateway"}
OPTIONAL = frozenset({"line_reader"})
"""Programs without which the service reads everything all the same: it goes on when they are given up."""


class ExitCode(IntEnum):
    """How the service ends when supervision ends it; `sysexits.h` has the first and the last."""

    FATAL = 70
    CRASH_LOOP = 71
    CONFIGURATION_ERROR = 78


class Program(ProgramStatus):
    """What is published of a program, and what it wrote to its standard error lately."""

    exit_code: ExitCode | None = None
    _written: list[tuple[float, str]] = PrivateAttr(default_factory=list)

    def enter(self, state: str, now: float) -> None:
        self.state, self.since = state, now
        if state == "starting":
            self.served = False
            self._written.clear()
        elif state in ("backoff", "exited") and not self.gave_up:
            self.last_words = find_reason(self._stderr(now))
            self._end(now)

    def add_stderr(self, text: str, now: float) -> None:
        """What the program wrote to its standard error."""
        self._written.append((now, text))
        while sum(len(written) for _, written in self._written) > MAX_WORDS:
            self._written.pop(0)

    def serve(self, now: float) -> None:
        """It listens at its port."""
        self.served = True
        self.last_words = None
        self.forget_old_ends(now)

    def _stderr(self, now: float) -> str:
        return "".join(text for time, text in self._written if now - time < WORDS_S)

    def _end(self, now: float) -> None:
        # One that dies after minutes of loading, and loads and dies again, is in a loop however slow it is.
        if self.served:
            self.forget_old_ends(now)
        self.ends.append(now)

    def forget_old_ends(self, now: float) -> None:
        self.ends = [end for end in self.ends if now - end < WINDOW_S]

    def give_up(self, code: ExitCode, sentence: str) -> None:
        self.gave_up, self.exit_code, self.sentence = True, code, sentence


class Supervision(SupervisionStatus):
    """`serial`: number of the last event that this knows of."""

    on_fatal: Literal["exit", "stay"]
    start_tries: int
    programs: dict[str, Program] = Field(default_factory=dict)
    serial: int = -1

    def program(self, name: str) -> Program:
        return self.programs.setdefault(name, Program())

    def failure(self, name: str, state: str, starts_failed: int) -> ExitCode | None:
        """Why the program has to be given up, now that it entered `state`; None if it need not be.

        starts_failed: supervisord's count of starts in a row that failed.
        """
        program = self.programs[name]
        if program.gave_up:
            return None
        if state == "fatal":
            return ExitCode.FATAL
        # After one failed start too many supervisord says `fatal` next, which is the better name for it.
        if state in ("backoff", "exited") and len(program.ends) > self.start_tries >= starts_failed:
            return ExitCode.CRASH_LOOP
        return None

    def sentence(self, name: str, code: ExitCode, now: float) -> str:
        """What happened, for people."""
        ends = self.programs[name].ends
        happened = {
            ExitCode.FATAL: f"{self.start_tries + 1} starts in a row failed"
            if self.start_tries
            else "its start failed",
            ExitCode.CRASH_LOOP: f"it ended {len(ends)} times within {_duration(now - min(ends, default=now))}",
            ExitCode.CONFIGURATION_ERROR: "it cannot work with these settings on this machine "
            "(`python -m vlm_backend doctor` says why)",
        }
        words = self.programs[name].last_words
        heard = f" It said: {words}" if words else ""
        return f"The {TITLES[name]} is given up: {happened[code]}.{heard}"


def _duration(seconds: float) -> str:
    return f"{math.ceil(seconds / 60)} minutes" if seconds > 120 else f"{math.ceil(seconds)} s"
