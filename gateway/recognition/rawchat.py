"""An engine's chat answer as bytes, neither parsed nor held: a stream costs its client's gateway next to nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import aiohttp
import pydantic_core

from gateway.recognition.client import as_engine_failure, status_failure, within
from gateway.recognition.failures import EngineFailure, RequestRejected

_REJECTIONS = frozenset({400, 404, 413, 422})
_CONTEXT = re.compile(r"(maximum|model'?s|available|max\w*) (model |context )+(length|len|size|window)", re.IGNORECASE)
"""How vLLM 0.32 (`renderers/params.py`, `v1/engine/input_processor.py`, `get_max_tokens`), SGLang and llama.cpp say
that prompt and picture hold more tokens than the context."""
_HEADERS = {"Content-Type": "application/json"}

Refusal = Callable[[int, bytes], EngineFailure]
"""What a status of 400 or more, and its body, come to."""


class RawAnswer:
    """An answer that has begun. Closing it before its end closes the connection, which stops the engine's work."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def is_stream(self) -> bool:
        """Whether events come; some servers answer whole what was asked for as a stream."""
        return self._response.content_type == "text/event-stream"

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives; raises EngineFailure when it is cut off."""
        with _reading():
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def whole(self) -> bytes:
        """The body; raises EngineFailure."""
        with _reading():
            return await self._response.read()

    def close(self) -> None:
        self._response.close()


def of_region(status: int, _body: bytes) -> EngineFailure:
    """A refusal of what we asked for."""
    return status_failure(status)


def of_client(status: int, body: bytes) -> EngineFailure:
    """A refusal of what a client asked for: RequestRejected for what the client must change."""
    if status not in _REJECTIONS:
        return status_failure(status)
    if status == 404:
        return RequestRejected("model")
    if _CONTEXT.search(body.decode(errors="replace")):
        return RequestRejected("context")
    return RequestRejected("other", _field(body))


async def open_answer(
    session: aiohttp.ClientSession, url: str, body: bytes, timeout_s: float, refusal: Refusal
) -> RawAnswer:
    """Asks and returns when the engine has begun to answer. Raises EngineFailure. Cancelling closes the connection."""
    with as_engine_failure():
        # As a file, a picture of a megabyte goes in pieces, between which the event loop turns.
        response = await session.post(url, data=BytesIO(body), headers=_HEADERS, timeout=within(timeout_s))
        if response.ok:
            return RawAnswer(response)
        async with response:
            raise refusal(response.status, await response.read())


def _field(body: bytes) -> str | None:
    """The field of the request that an error of OpenAI's API names."""
    try:
        content: Any = pydantic_core.from_json(body)
        field = content.get("error", content).get("param")
    except (ValueError, AttributeError):
        return None
    return field if isinstance(field, str) else None


@contextmanager
def _reading() -> Iterator[None]:
    """What can happen while a body is read."""
    try:
        yield
    except TimeoutError as error:
        raise EngineFailure("late", "The recognition engine did not go on in time.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineFailure("dropped", "The recognition engine broke its answer off.") from error
