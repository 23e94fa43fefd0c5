"""Whether an engine that was asked something still works on anything."""

from __future__ import annotations

from time import monotonic

FIRST_BEAT_FACTOR = 5
"""An engine that has just started compiles before its first step; it may be still for so much longer."""


class Pulse:
    """A beat is an answer, or a step forward of the engine's own counter."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The engine is not there, or not yet: its silence counts from its next start."""
        self._last = monotonic()
        self._has_beaten = False
        self._steps: float | None = None

    @property
    def still_s(self) -> float:
        """Seconds since the last beat, or since the engine was seen starting."""
        return monotonic() - self._last

    @property
    def is_counted(self) -> bool:
        """Whether the engine has a counter."""
        return self._steps is not None

    def beat(self) -> None:
        self._last = monotonic()
        self._has_beaten = True

    def count(self, steps: float | None) -> bool:
        """Notes the counter; whether it has moved since it was last read, which is a beat. None: it can't be read."""
        if steps is None:
            return False
        moved = self._steps is not None and steps != self._steps
        self._steps = steps
        if moved:
            self.beat()
        return moved

    def left_s(self, frozen_after_s: float) -> float:
        """Seconds until an engine that stays still is to be called frozen; 0 or less: it is."""
        return frozen_after_s * (1 if self._has_beaten else FIRST_BEAT_FACTOR) - self.still_s
