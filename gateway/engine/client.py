"""The one client of an engine, shared by region calls, chats, probes and the warm-up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, aclosing, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

import pydantic_core
from openai import AsyncOpenAI
from opentelemetry.trace import Span, SpanKind

from gateway.engine import transport
from gateway.engine.completion import CompletionAccumulator
from gateway.engine.errors import map_client_status, map_errors, unfinished_response
from gateway.engine.sse import split_events
from gateway.engine.transport import UpstreamResponse
from gateway.model import EngineKind
from gateway.settings import Settings
from gateway.tracing import OFF, Tracing

STREAM_INTERVAL = 32
"""Tokens in one event, where the engine is vLLM. At 32 a stream costs vLLM 0.32 no more CPU time than a whole answer
(at 16 it is a quarter more in its API server); a loop is seen 32 tokens later at most. Streams of chat keep the
engine's own interval."""
END_S = 1.0
"""How long the end of a stream is waited for after its last event."""

ShouldStop = Callable[[str], bool]
"""Sees all the text of a stream so far; True: enough."""
OnEvent = Callable[[], None]
"""Called when events of a stream have come, whatever is in them."""

_PICTURE = f"picture-{uuid4().hex}"
"""Stands for the data URL while the rest becomes JSON: base64 needs no escaping, and is most of the body."""


@dataclass(frozen=True, slots=True)
class ChatCompletionRequest:
    """One picture and one prompt. `extras` are fields that OpenAI's API does not have; `stream`: answer by events."""

    model: str
    kind: EngineKind | None
    data_url: str
    prompt: str
    max_tokens: int | None
    temperature: float = 0.0
    logprobs: bool = True
    stream: bool = False
    extras: Mapping[str, object] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The request as JSON. `max_tokens` is the older name of the limit, the only one that some external servers
        know."""
        content = [
            {"type": "image_url", "image_url": {"url": _PICTURE}},
            {"type": "text", "text": self.prompt},
        ]
        body: dict[str, object] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": self.temperature,
            "logprobs": self.logprobs,
            **self.extras,
        }
        if self.max_tokens:
            body["max_completion_tokens" if self.kind in ("vllm", "embedded") else "max_tokens"] = self.max_tokens
        if self.stream:
            body |= self._stream_fields()
        before, after = pydantic_core.to_json(body).split(_PICTURE.encode(), 1)
        return b"".join((before, self.data_url.encode(), after))

    def _stream_fields(self) -> dict[str, object]:
        if self.kind != "vllm":
            return {"stream": True, "stream_options": {"include_usage": True}}
        # An answer that is stopped has no last event with the usage.
        usage = {"include_usage": True, "continuous_usage_stats": True}
        return {"stream": True, "stream_options": usage, "stream_interval": STREAM_INTERVAL}


class EngineClient:
    """One engine's. Opens its connections as they are needed, in the loop that runs then."""

    def __init__(self, settings: Settings, base_url: str | None = None, tracing: Tracing = OFF) -> None:
        """`base_url`: the engine's, the first one of the settings unless given."""
        self.base_url = (base_url or settings.engine_urls[0]).rstrip("/")
        self._settings = settings
        self._tracing = tracing
        self._opened: AsyncOpenAI | None = None

    async def complete(
        self,
        request: ChatCompletionRequest,
        timeout_s: float,
        should_stop: ShouldStop = lambda _text: False,
        on_event: OnEvent = lambda: None,
    ) -> CompletionAccumulator:
        """The engine's answer; of a stream that `should_stop` ends, what has come of it, and the engine stops its work.

        Raises EngineError. Cancelling stops the engine's work, too.
        """
        with self._trace_call(request.model) as span, map_errors():
            async with asyncio.timeout(timeout_s):
                response = await transport.post(self._client, self._chat_url, request.body)
                try:
                    answer = await _accumulate(response, should_stop, on_event)
                finally:
                    await response.close()
            span.set_attribute("gen_ai.usage.input_tokens", answer.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", answer.completion_tokens)
            return answer

    async def open_chat(self, body: bytes) -> UpstreamResponse:
        """The engine's answer to a client's request, begun; the caller closes it, and has a deadline.

        Raises EngineError, RequestRejected where the client must change its request.
        """
        with self._trace_call(), map_errors(map_client_status):
            return await transport.post(self._client, self._chat_url, body, transport.MAX_CHAT_BYTES)

    async def get(self, url: str, timeout_s: float) -> bytes:
        """Body of a path below the base URL, or of a whole URL; raises EngineError."""
        with map_errors():
            async with asyncio.timeout(timeout_s):
                whole = f"{self.base_url}{url}" if url.startswith("/") else url
                return await transport.get(self._client, whole, timeout_s)

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    def _trace_call(self, model: str = "") -> AbstractContextManager[Span]:
        """By OpenTelemetry's conventions for generative AI."""
        attributes = {"gen_ai.operation.name": "chat", "server.address": urlsplit(self.base_url).hostname or ""}
        if model:
            attributes["gen_ai.request.model"] = model
        return self._tracing.span(f"chat {model}".strip(), attributes, kind=SpanKind.CLIENT)

    @property
    def _client(self) -> AsyncOpenAI:
        if self._opened is None:
            self._opened = transport.create_openai_client(self._settings, self.base_url)
        return self._opened

    @property
    def _chat_url(self) -> str:
        return f"{self.base_url}/chat/completions"


async def _accumulate(response: UpstreamResponse, should_stop: ShouldStop, on_event: OnEvent) -> CompletionAccumulator:
    completion = CompletionAccumulator()
    if not response.is_stream:
        completion.feed_body(await response.read())
        return completion
    async with aclosing(split_events(response.stream)) as events:
        async for some in events:
            on_event()
            if completion.feed(some) and not completion.finish_reason and should_stop(completion.text):
                return completion
    # A connection is used again only when it was read to its end, which some engines keep open after the last event.
    if not response.stream.is_at_end:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                async for _ in response.stream:
                    pass
    if not completion.finish_reason:
        raise unfinished_response()
    return completion
