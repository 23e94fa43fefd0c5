"""One picture and one prompt to the engine, and its answer, watched as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
import pydantic_core

from gateway.model import EngineKind
from gateway.recognition.answer import Answer
from gateway.recognition.client import as_engine_failure
from gateway.recognition.events import whole_events
from gateway.recognition.failures import EngineFailure
from gateway.recognition.rawchat import RawAnswer, of_region, open_answer

STREAM_INTERVAL = 32
"""Tokens in one event, where the engine is vLLM. At 32 a stream costs vLLM 0.32 no more CPU time than a whole answer
(at 16 it is a quarter more in its API server); a loop is seen 32 tokens later at most. Streams of chat keep the
engine's own interval."""

Watch = Callable[[str], bool]
"""Sees all the text that there is so far; True: enough."""
Hear = Callable[[], None]
"""Called with each event of a stream, whatever is in it."""

_PICTURE = f"picture-{uuid4().hex}"
"""Stands for the data URL while the rest becomes JSON: base64 needs no escaping, and is most of the body."""


@dataclass(frozen=True, slots=True)
class Question:
    """`extras` are fields that OpenAI's API does not have. `is_streamed`: asked for by events."""

    model: str
    kind: EngineKind | None
    data_url: str
    prompt: str
    max_tokens: int | None
    temperature: float = 0.0
    logprobs: bool = True
    is_streamed: bool = False
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
        if self.is_streamed:
            body |= self._streaming()
        before, after = pydantic_core.to_json(body).split(_PICTURE.encode(), 1)
        return b"".join((before, self.data_url.encode(), after))

    def _streaming(self) -> dict[str, object]:
        if self.kind != "vllm":
            return {"stream": True, "stream_options": {"include_usage": True}}
        # An answer that is stopped has no last event with the usage.
        usage = {"include_usage": True, "continuous_usage_stats": True}
        return {"stream": True, "stream_options": usage, "stream_interval": STREAM_INTERVAL}


async def ask(
    session: aiohttp.ClientSession, url: str, question: Question, timeout_s: float, watch: Watch, hear: Hear
) -> Answer:
    """The engine's answer; where `watch` has seen enough, what has come of it: the engine then stops its work.

    Raises EngineFailure. Cancelling stops the engine's work, too.
    """
    answer = Answer()
    with as_engine_failure():
        async with asyncio.timeout(timeout_s):
            raw = await open_answer(session, url, question.body, timeout_s, of_region)
            try:
                await _take(raw, answer, watch, hear)
            finally:
                raw.close()
    return answer


async def _take(raw: RawAnswer, answer: Answer, watch: Watch, hear: Hear) -> None:
    if not raw.is_stream:
        answer.take_whole(await raw.whole())
        return
    async with aclosing(raw.chunks()) as chunks:
        async with aclosing(whole_events(chunks)) as events:
            async for some in events:
                hear()
                if answer.take_events(some) and not answer.finish_reason and watch(answer.text):
                    return
        async for _ in chunks:  # a connection is used again only when it was read to its end
            pass
    if not answer.finish_reason:
        raise EngineFailure("dropped", "The recognition engine broke its answer off.")
