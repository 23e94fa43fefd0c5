"""Who has a core next: crops that have had little time go before those that have had much, between two lines.

A crop may hold thousands of lines, and the engine does not know who asks. So that it makes nobody wait for all of it,
it gives its core away as soon as one that is still short waits, and takes turns with others that are long.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

SHORT_S = 1.0
"""Core time of nearly every crop; one that has had more is long."""
QUANTUM_S = 0.25
"""How long a long crop keeps a core that another long one waits for."""
SHORT_IN_A_ROW = 3
"""After so many short ones a long one has a turn, so that it never starves."""


@dataclass(slots=True)
class Work:
    """What one thread does for one crop. `spent_s` is the core time that it has had."""

    spent_s: float = 0.0
    _since: float = 0.0
    _turn: threading.Event = field(default_factory=threading.Event)

    @property
    def is_short(self) -> bool:
        return self.spent_s < SHORT_S

    def begin(self) -> None:
        self._turn.clear()
        self._since = monotonic()

    def end(self) -> None:
        self.spent_s += monotonic() - self._since

    @property
    def held_s(self) -> float:
        """How long it has had its core."""
        return monotonic() - self._since

    def split(self) -> Work:
        """For another thread that works on the same crop."""
        return Work(self.spent_s)

    def wait(self) -> None:
        self._turn.wait()

    def wake(self) -> None:
        self._turn.set()


class CoreShares:
    """So many cores, shared by any number of threads."""

    def __init__(self, cores: int) -> None:
        self._free = cores
        self._lock = threading.Lock()
        self._short: deque[Work] = deque()
        self._long: deque[Work] = deque()
        self._in_a_row = 0

    @contextmanager
    def hold(self, work: Work) -> Iterator[None]:
        """Waits for a core and keeps it within."""
        self._acquire(work)
        try:
            yield
        finally:
            self._release(work)

    def pause(self, work: Work) -> None:
        """Between two steps of what holds a core: gives it away where others are to go first, and waits for one."""
        if self._gives_way(work):
            self._release(work)
            self._acquire(work)

    def _gives_way(self, work: Work) -> bool:
        if work.spent_s + work.held_s < SHORT_S:
            return False
        return bool(self._short) or (bool(self._long) and work.held_s >= QUANTUM_S)

    def _acquire(self, work: Work) -> None:
        with self._lock:
            has_core = self._free > 0
            if has_core:
                self._free -= 1
            else:
                (self._short if work.is_short else self._long).append(work)
        if not has_core:
            work.wait()
        work.begin()

    def _release(self, work: Work) -> None:
        work.end()
        with self._lock:
            following = self._next()
            if following is None:
                self._free += 1
            else:
                following.wake()

    def _next(self) -> Work | None:
        """Whose turn it is; it has the core from now on."""
        is_short_next = bool(self._short) and not (self._long and self._in_a_row >= SHORT_IN_A_ROW)
        self._in_a_row = self._in_a_row + 1 if is_short_next else 0
        if is_short_next:
            return self._short.popleft()
        return self._long.popleft() if self._long else None
