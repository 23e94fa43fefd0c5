"""How long to wait before a call is tried again, or a job is asked after again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from paddleocr_vl_client.errors import APIConnectionError, APIError, APIStatusError

_PASSING = frozenset({408, 429, 502, 503, 504})
_LASTING_CODES = frozenset({"deadline_exceeded", "url_timeout"})
"""Codes of such statuses that another try would only meet again, after as long a time."""

_MAX_DOUBLINGS = 64
"""Beyond any pause. A thousand are beyond what a float holds."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_retries` tries after the first, with pauses that double from `first_pause_s`, or as `Retry-After` has them.

    A service that asks for a longer pause than `max_pause_s` is not waited for.
    """

    max_retries: int = 5
    first_pause_s: float = 0.5
    max_pause_s: float = 120.0

    def pause_s(self, retries: int, error: APIError) -> float | None:
        """Seconds until the next try after `retries` of them have failed; None: there is none."""
        if retries >= self.max_retries or not is_passing(error):
            return None
        asked = error.retry_after_s if isinstance(error, APIStatusError) else None
        if asked is not None:
            return asked if asked <= self.max_pause_s else None
        growing: float = self.first_pause_s * 2 ** min(retries, _MAX_DOUBLINGS)
        return min(self.max_pause_s, growing) * random.uniform(0.75, 1.25)


def is_passing(error: APIError) -> bool:
    """Whether another try may succeed."""
    if isinstance(error, APIStatusError):
        return error.status in _PASSING and error.code not in _LASTING_CODES
    return isinstance(error, APIConnectionError)


_FIRST_POLL_S, _LAST_POLL_S = 0.1, 2.0


def poll_pauses(timeout_s: float | None) -> Iterator[float]:
    """Pauses that grow, until they would end beyond `timeout_s` from now; None: without end."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    pause_s = _FIRST_POLL_S
    while deadline is None or time.monotonic() + pause_s <= deadline:
        yield pause_s
        pause_s = min(_LAST_POLL_S, pause_s * 1.5)
