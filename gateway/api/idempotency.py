"""`Idempotency-Key`: a request that is sent again gets the answer of the first one, running or finished.

As in the IETF's draft (draft-ietf-httpapi-idempotency-key-header), but for one thing: who comes while the first is in
work shares it, and is not refused with 409.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

from fastapi import Request

from gateway.api.auth import owner_of
from gateway.api.chunked_response import ChunkedResponse
from gateway.errors import ServiceError
from gateway.settings import Settings

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
"""`true` on an answer that another request has made."""
OVERHEAD = 4000
"""Bytes that an answer of any size takes besides its body: headers, digests, the task that made it."""
_SANE = re.compile(r"[\x20-\x7e]{1,255}")

Work: TypeAlias = Callable[[], Coroutine[Any, Any, ChunkedResponse]]


@dataclass(slots=True)
class _Shared:
    """One answer, for as many as wait for it. `stored`: when it was finished, a monotonic time."""

    fingerprint: bytes
    task: asyncio.Task[ChunkedResponse]
    waiting: int = 0
    stored: float = 0.0
    size: int = 0


class SharedAnswers:
    """Running answers, and finished ones: `settings.idempotency_mb` of those, each for `settings.idempotency_s`.

    Only what succeeded is kept; whoever comes after a failure tries anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._most_bytes = int(settings.idempotency_mb * 1_000_000)
        self._kept_s = settings.idempotency_s
        self._answers: dict[bytes, _Shared] = {}
        self._bytes = 0

    async def answer(self, key: bytes, fingerprint: bytes, work: Work) -> ChunkedResponse:
        """The answer of `work`, begun now or for another request with this key; raises what it raises.

        Cancelling ends the work when nobody else waits for it. ServiceError 422 `idempotency_key_reused` where the
        request with this key was another one.
        """
        self._forget_old()
        shared = self._answers.get(key)
        if shared is None:
            return await self._wait(key, self._begin(key, fingerprint, work))
        if shared.fingerprint != fingerprint:
            raise ServiceError(422, "idempotency_key_reused", f"This `{HEADER}` came with another request before.")
        found = await self._wait(key, shared)
        return found.add_header(REPLAYED, "true")

    def _begin(self, key: bytes, fingerprint: bytes, work: Work) -> _Shared:
        shared = self._answers[key] = _Shared(fingerprint, asyncio.create_task(work()))
        shared.task.add_done_callback(lambda _task: self._keep_or_drop(key, shared))
        return shared

    async def _wait(self, key: bytes, shared: _Shared) -> ChunkedResponse:
        shared.waiting += 1
        try:
            await asyncio.wait([shared.task])
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.task.done():
                self._drop(key, shared)
                shared.task.cancel()
                await asyncio.gather(shared.task, return_exceptions=True)
        return shared.task.result()

    def _keep_or_drop(self, key: bytes, shared: _Shared) -> None:
        task = shared.task
        if self._answers.get(key) is not shared:
            return
        size = 0 if task.cancelled() or task.exception() else task.result().size + OVERHEAD
        if not size or size > self._most_bytes:
            self._drop(key, shared)
            return
        shared.stored, shared.size = monotonic(), size
        # Those that were finished last stand last.
        self._answers[key] = self._answers.pop(key)
        self._bytes += shared.size
        self._forget_old()

    def _forget_old(self) -> None:
        oldest = monotonic() - self._kept_s
        while (first := self._oldest()) and (first[1].stored < oldest or self._bytes > self._most_bytes):
            self._drop(*first)

    def _oldest(self) -> tuple[bytes, _Shared] | None:
        """The answer that was finished first."""
        return next(((key, shared) for key, shared in self._answers.items() if shared.stored), None)

    def _drop(self, key: bytes, shared: _Shared) -> None:
        if self._answers.get(key) is shared:
            del self._answers[key]
            self._bytes -= shared.size


async def idempotent(request: Request, parts: Callable[[], tuple[bytes, ...]], work: Work) -> ChunkedResponse:
    """The answer of `work`; with an `Idempotency-Key`, that of the first request with it.

    `parts` gives, in a thread, what makes two requests the same. ServiceError 400 `invalid_idempotency_key`.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await work()
    validate_key(key)
    owner = owner_of(request)
    answers: SharedAnswers = request.app.state.answers
    scope = _digest(owner.encode(), request.url.path.encode(), key.encode())
    return await answers.answer(scope, await asyncio.to_thread(lambda: _digest(*parts())), work)


def validate_key(key: str) -> None:
    """ServiceError 400 `invalid_idempotency_key`."""
    if not _SANE.fullmatch(key):
        raise ServiceError(400, "invalid_idempotency_key", f"`{HEADER}` must be 1 to 255 printable characters.")


def refuse_key(request: Request) -> None:
    """For what can't be sent twice: a stream. Raises ServiceError 422 `conflicting_option`."""
    if HEADER in request.headers:
        raise ServiceError(422, "conflicting_option", f"`{HEADER}` is not for streams.")


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
