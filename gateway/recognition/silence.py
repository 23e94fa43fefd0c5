"""Whether a call that the engine has not answered for a while is lost, or only waits its time. Pure.

What is long goes by what was usual of late. Long for all is the engine's affair: it is loaded, or restarts. A call is
lost on its own if others, which were asked well after it was last heard of, are answered meanwhile: engines take calls
in the order in which they come, and one that vLLM sets aside for want of memory goes before all new ones.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW = 256
"""Answers of which the waits are remembered."""
LEAST_KNOWN = 32
"""Answers that tell what is usual; until then a call is given UNKNOWN_S."""
UNKNOWN_S = 30.0
LEAST_S = 1.0
TIMES = 3.0
"""A silence is so many times as long as what is usual, and LEAST_S at least."""
USUAL_SHARE = 0.9
"""So many of the recent waits were no longer than the usual one: a few lost calls do not make it longer."""
LONGEST_SHARE = 1.0
"""The same for answers that come whole: a table takes ten times as long as a line, and is rare."""

PROBE_PAUSE_S = 1.0
"""After a probe that was of no use."""


class Waits:
    """Recent waits of one sort, in seconds."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._recent: deque[float] = deque(maxlen=WINDOW)

    def note(self, seconds: float) -> None:
        self._recent.append(seconds)

    @property
    def bound_s(self) -> float:
        """A wait that is longer is a silence."""
        if len(self._recent) < LEAST_KNOWN:
            return UNKNOWN_S
        usual = sorted(self._recent)[int(self._share * (len(self._recent) - 1))]
        return max(LEAST_S, TIMES * usual)


@dataclass(slots=True, eq=False)
class Call:
    """One question on its way; times are the loop's. `first_s` is None until the first event, `longest_gap_s` until the
    second."""

    asked: float
    heard: float
    """When something was last heard, or when it was asked."""
    first_s: float | None = None
    longest_gap_s: float | None = None


class Silence:
    """What the calls at one engine hear, all together."""

    def __init__(self) -> None:
        self._firsts = Waits(USUAL_SHARE)
        self._gaps = Waits(USUAL_SHARE)
        self._wholes = Waits(LONGEST_SHARE)
        self._is_whole = False
        self._served = 0.0
        self._probe: Call | None = None
        self._probe_from = 0.0

    def begin(self, now: float) -> Call:
        """A call that is asked now."""
        return Call(now, now)

    def begin_again(self, silent: Call, now: float) -> Call:
        """The same question asked once more. One that nothing speaks for is a probe: there is only one at a time."""
        call = self.begin(now)
        if not self._is_passed_over(silent):
            self._probe = call
        return call

    def hear(self, call: Call, now: float) -> None:
        """An event of its answer has come."""
        waited_s = now - call.heard
        if call.first_s is None:
            call.first_s = waited_s
            self._was_served(call)
        else:
            call.longest_gap_s = max(call.longest_gap_s or 0.0, waited_s)
        call.heard = now

    def end(self, call: Call, now: float, *, is_answered: bool) -> None:
        """It has its answer, or will have none."""
        if not is_answered:
            self._give_up(call, now)
            return
        self._is_whole = call.first_s is None
        if call.first_s is None:
            self._was_served(call)
            self._wholes.note(now - call.asked)
        else:
            self._firsts.note(call.first_s)
        if call.longest_gap_s is not None:
            self._gaps.note(call.longest_gap_s)

    def left_s(self, call: Call, now: float) -> float:
        """Seconds until the call, if it hears nothing, has been silent for too long; 0 or less: it has."""
        return self._bound_s(call) - (now - call.heard)

    def may_ask_again(self, call: Call, now: float) -> bool:
        """Of a call that has been silent for too long: whether it, and not the engine, is what does not get on, or
        whether that may be tried."""
        return self._is_passed_over(call) or (self._probe is None and now >= self._probe_from)

    def _is_passed_over(self, call: Call) -> bool:
        """One that was asked when this one had long been silent has been answered."""
        return self._served > call.heard + self._bound_s(call) / 2

    def _bound_s(self, call: Call) -> float:
        before_first = self._wholes if self._is_whole else self._firsts
        return (before_first if call.first_s is None else self._gaps).bound_s

    def _was_served(self, call: Call) -> None:
        self._served = max(self._served, call.asked)
        if self._probe is call:
            self._probe = None

    def _give_up(self, call: Call, now: float) -> None:
        if self._probe is call:
            self._probe, self._probe_from = None, now + PROBE_PAUSE_S
