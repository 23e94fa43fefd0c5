"""The one way to the engine, shared by region calls and probes."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from gateway.recognition.failures import EngineKind
from gateway.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from gateway.recognition.answer import Answer
    from gateway.recognition.question import Watch
    from gateway.recognition.rawchat import RawAnswer


class EngineConnection:
    """Connects at its first use, and imports the OpenAI library then, in a thread: that takes about a second, in which
    the gateway must already answer its probes."""

    def __init__(self, settings: Settings) -> None:
        self.base_url = settings.engine_url
        self._settings = settings
        self._client: AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()

    async def chat(
        self,
        model: str,
        kind: EngineKind | None,
        data_url: str,
        prompt: str,
        *,
        max_tokens: int | None,
        timeout_s: float,
        temperature: float = 0.0,
        logprobs: bool = True,
        extra_body: Mapping[str, object] | None = None,
        watch: Watch | None = None,
    ) -> Answer:
        """One picture and one prompt to the engine; raises EngineFailure. Cancelling closes the connection.

        With `watch` the answer is streamed; `watch` sees all its text so far, and ends it by True.
        """
        client = await self._connected()
        from gateway.recognition.question import Question, ask

        question = Question(
            model,
            kind,
            data_url,
            prompt,
            max_tokens,
            temperature,
            logprobs,
            is_streamed=watch is not None,
            extras=extra_body or {},
        )
        return await ask(client, question, timeout_s, watch or _never_enough)

    async def open_chat(self, body: bytes, timeout_s: float) -> RawAnswer:
        """The engine's answer to a whole chat request, begun; the caller closes it. Raises EngineFailure."""
        client = await self._connected()
        from gateway.recognition.rawchat import open_clients_answer

        return await open_clients_answer(client, body, timeout_s)

    async def get(self, url: str, timeout_s: float) -> bytes:
        """Body of a path below the base URL, or of a whole URL; raises EngineFailure."""
        client = await self._connected()
        from gateway.recognition.client import get

        return await get(client, url, timeout_s)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> AsyncOpenAI:
        async with self._connecting:
            if self._client is None:
                library = await asyncio.to_thread(_imported)
                self._client = library.create_client(self._settings)
            return self._client


def _imported() -> ModuleType:
    """All that imports the OpenAI library, so that no import holds up the event loop."""
    importlib.import_module("gateway.recognition.question")
    return importlib.import_module("gateway.recognition.client")


def _never_enough(_text: str) -> bool:
    return False
