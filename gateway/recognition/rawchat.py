"""An engine's chat answer as bytes, neither parsed nor held: a stream costs its client's gateway next to nothing.

Imports the OpenAI library: import it through `gateway.recognition.connection`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

import aiohttp
import httpx2
from openai import APIStatusError, AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from gateway.recognition.client import as_engine_failure, within
from gateway.recognition.failures import EngineFailure, RequestRejected

_REJECTIONS = frozenset({400, 404, 413, 422})
_CONTEXT = re.compile(r"(maximum|model'?s|available|max\w*) (model |context )+(length|len|size|window)", re.IGNORECASE)
"""How vLLM 0.32 (`renderers/params.py`, `v1/engine/input_processor.py`, `get_max_tokens`), SGLang and llama.cpp say
that prompt and picture hold more tokens than the context."""
_HEADERS = {"Accept-Encoding": "identity"}


class RawAnswer:
    """An answer that has begun. Closing it before its end closes the connection, which stops the engine's work."""

    def __init__(self, stream: AsyncStream[ChatCompletionChunk]) -> None:
        self._stream = stream

    @property
    def is_stream(self) -> bool:
        """Whether events come; some servers answer whole what was asked for as a stream."""
        return self._stream.response.headers.get("content-type", "").startswith("text/event-stream")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives; raises EngineFailure when it is cut off."""
        with _reading():
            async for chunk in self._stream.response.aiter_bytes():
                yield chunk

    async def whole(self) -> bytes:
        """The body; raises EngineFailure."""
        with _reading():
            return await self._stream.response.aread()

    async def close(self) -> None:
        with _reading():
            await self._stream.close()


async def open_answer(client: AsyncOpenAI, body: bytes, timeout_s: float) -> RawAnswer:
    """Asks and returns when the engine has begun to answer. Raises EngineFailure. Cancelling closes the connection."""
    with as_engine_failure():
        return await _opened(client, body, timeout_s)


async def open_clients_answer(client: AsyncOpenAI, body: bytes, timeout_s: float) -> RawAnswer:
    """The same for a request whose author is a client; raises RequestRejected for what the client must change."""
    with as_engine_failure():
        try:
            return await _opened(client, body, timeout_s)
        except APIStatusError as error:
            if error.status_code not in _REJECTIONS:
                raise
            raise _rejection(error) from error


async def _opened(client: AsyncOpenAI, body: bytes, timeout_s: float) -> RawAnswer:
    stream = await client.post(
        "/chat/completions",
        content=body,
        cast_to=ChatCompletionChunk,
        stream=True,
        stream_cls=AsyncStream[ChatCompletionChunk],
        options={"timeout": within(timeout_s), "headers": _HEADERS},
    )
    return RawAnswer(stream)


def _rejection(error: APIStatusError) -> RequestRejected:
    if error.status_code == 404:
        return RequestRejected("model")
    if _CONTEXT.search(error.message):
        return RequestRejected("context")
    return RequestRejected("other", error.param if isinstance(error.param, str) else None)


@contextmanager
def _reading() -> Iterator[None]:
    """What can happen while a body is read, which the OpenAI library doesn't see."""
    try:
        yield
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise EngineFailure("late", "The recognition engine did not go on in time.") from error
    except (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError) as error:
        raise EngineFailure("dropped", "The recognition engine broke its answer off.") from error
