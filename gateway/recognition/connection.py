"""The one way to the engine, shared by region calls and probes."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from gateway.model import EngineKind
from gateway.recognition.answer import Answer
from gateway.recognition.client import create_session, get
from gateway.recognition.question import Hear, Question, Watch, ask
from gateway.recognition.rawchat import RawAnswer, of_client, open_answer
from gateway.settings import Settings


class EngineConnection:
    """Opens its connections as they are needed, in the loop that runs then."""

    def __init__(self, settings: Settings) -> None:
        self.base_url = settings.engine_url.rstrip("/")
        self._settings = settings
        self._opened: aiohttp.ClientSession | None = None

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
        hear: Hear = lambda: None,
    ) -> Answer:
        """One picture and one prompt to the engine; raises EngineFailure. Cancelling closes the connection.

        With `watch` the answer is streamed; `watch` sees all its text so far, and ends it by True. `hear` is called
        with each event.
        """
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
        return await ask(self._session, self._chat_url, question, timeout_s, watch or _never_enough, hear)

    async def open_chat(self, body: bytes, timeout_s: float) -> RawAnswer:
        """The engine's answer to a whole chat request, begun; the caller closes it. Raises EngineFailure."""
        return await open_answer(self._session, self._chat_url, body, timeout_s, of_client)

    async def get(self, url: str, timeout_s: float) -> bytes:
        """Body of a path below the base URL, or of a whole URL; raises EngineFailure."""
        return await get(self._session, f"{self.base_url}{url}" if url.startswith("/") else url, timeout_s)

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = create_session(self._settings)
        return self._opened

    @property
    def _chat_url(self) -> str:
        return f"{self.base_url}/chat/completions"


def _never_enough(_text: str) -> bool:
    return False
