"""The services that a run sends its files to: the one with the least work next, those that fail later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from paddleocr_vl_client.client import Client
from paddleocr_vl_client.commands.failures import CommandError, ExitStatus
from paddleocr_vl_client.commands.services import ask_health
from paddleocr_vl_client.errors import APIError
from paddleocr_vl_client.pauses import RetryPolicy

_POLL_S = 0.2
_PROBE_PAUSE_S = 1.0
_PROBE_S = 20.0
"""Longer than the question takes at most."""
_ONCE = RetryPolicy(max_retries=0)
"""What another try is worth is known here: it may go to another service."""


@dataclass(slots=True)
class Endpoint:
    """One service as this process sees it. `rests_until` is a time of `time.monotonic`; one that `is_suspect` is asked
    how it is before it gets another file."""

    client: Client
    in_flight: int = 0
    rests_until: float = 0.0
    is_suspect: bool = True
    reason: str = ""


class Endpoints:
    """Services for several threads. `wait_s`: how long a file waits for one that is ready."""

    def __init__(self, urls: Sequence[str], api_key: str | None, wait_s: float) -> None:
        self._all = [Endpoint(Client(url, api_key=api_key, retries=_ONCE)) for url in urls]
        self._api_key = api_key
        self._wait_s = wait_s
        self._lock = threading.Lock()

    def close(self) -> None:
        for endpoint in self._all:
            endpoint.client.close()

    @contextmanager
    def borrow(self) -> Iterator[Endpoint]:
        """The service for the next file. CommandError where none gets ready in time."""
        endpoint = self._choose()
        try:
            yield endpoint
        finally:
            with self._lock:
                endpoint.in_flight -= 1

    def suspect(self, endpoint: Endpoint) -> None:
        """It failed: no file goes to it before it has said that it is ready."""
        with self._lock:
            endpoint.is_suspect = True

    def rest(self, endpoint: Endpoint, seconds: float, reason: str) -> None:
        """It asked to be left alone for so long. CommandError where that is longer than files wait."""
        if seconds > self._wait_s:
            raise CommandError(f"{reason} The service asks for a pause of {seconds:.0f} s.", ExitStatus.NO_SERVICE)
        with self._lock:
            endpoint.rests_until = max(endpoint.rests_until, time.monotonic() + seconds)
            endpoint.reason = reason

    def _choose(self) -> Endpoint:
        deadline = time.monotonic() + self._wait_s
        while True:
            endpoint = self._take()
            if endpoint is not None and (not endpoint.is_suspect or self._probe(endpoint)):
                return endpoint
            if time.monotonic() > deadline:
                raise CommandError(f"No service is ready. {self._all[0].reason}".strip(), ExitStatus.NO_SERVICE)
            time.sleep(_POLL_S)

    def _take(self) -> Endpoint | None:
        with self._lock:
            now = time.monotonic()
            free = [endpoint for endpoint in self._all if endpoint.rests_until <= now]
            if not free:
                return None
            endpoint = min(free, key=lambda one: (one.is_suspect, one.in_flight))
            endpoint.in_flight += 1
            if endpoint.is_suspect:
                # One file asks how it is; the others go elsewhere meanwhile.
                endpoint.rests_until = now + _PROBE_S
            return endpoint

    def _probe(self, endpoint: Endpoint) -> bool:
        """Whether a suspect is ready; it is given back where it is not."""
        reason = self._ask(endpoint.client.base_url)
        with self._lock:
            endpoint.is_suspect, endpoint.reason = bool(reason), reason
            endpoint.rests_until = time.monotonic() + _PROBE_PAUSE_S if reason else 0.0
            endpoint.in_flight -= bool(reason)
        return not reason

    def _ask(self, url: str) -> str:
        """Why the service is not ready; empty when it is."""
        try:
            return next(iter(ask_health(url, self._api_key)), "")
        except (APIError, CommandError) as error:
            return str(error)
