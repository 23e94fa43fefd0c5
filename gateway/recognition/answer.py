"""What an engine has said to one question so far: text, log probabilities, tokens. Streams and whole answers alike.

Parsed by hand: an object of the OpenAI library for each event costs many times the work that is in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import pydantic_core

from gateway.recognition.failures import garbled


class Answer:
    """Grows by events of a stream, or is taken from a whole body. External servers leave out much."""

    def __init__(self) -> None:
        self.text = ""
        self.refusal = ""
        """Why the engine did not read all of it, in its own words: OpenAI's field for that."""
        self.finish_reason: str | None = None
        self.prompt_tokens = 0
        self._completion_tokens = 0
        self._marks: list[tuple[int, float, int]] = [(0, 0.0, 0)]

    @property
    def completion_tokens(self) -> int:
        """As the engine counts them; until it says so, those whose log probabilities have come."""
        return self._completion_tokens or self._marks[-1][2]

    def confidence(self, length: int | None = None) -> float | None:
        """exp(mean log probability of the tokens), 0 to 1; None without tokens. `length`: of the text up to there."""
        marks = [mark for mark in self._marks if length is None or mark[0] <= length][-1:]
        if length is not None and not marks[0][2]:
            marks = self._marks[1:2]
        if not marks or not marks[0][2]:
            return None
        mean = marks[0][1] / marks[0][2]
        return None if math.isnan(mean) else math.exp(min(mean, 0.0))

    def take_events(self, events: bytes) -> str:
        """Takes whole `data:` events; gives the text that they add. Raises EngineFailure."""
        before = len(self.text)
        for event in events.split(b"\n\n"):
            if event:
                self._take(event.removeprefix(b"data: "), "delta")
        return self.text[before:]

    def take_whole(self, body: bytes) -> None:
        """Takes a chat completion; raises EngineFailure for anything else."""
        if not self._take(body, "message"):
            raise garbled()

    def _take(self, data: bytes, part: str) -> bool:
        """Whether there was a choice in it."""
        try:
            content = parsed(data)
            self._count(content.get("usage") or {})
            choices = content.get("choices") or ()
            if choices:
                self._add(choices[0], choices[0][part])
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise garbled() from error
        return bool(choices)

    def _add(self, choice: Any, said: Any) -> None:  # noqa: ANN401 - JSON of an engine
        self.text += said.get("content") or ""
        self.refusal += said.get("refusal") or ""
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        logprobs = (choice.get("logprobs") or {}).get("content")
        if logprobs:
            self._mark(token["logprob"] for token in logprobs)

    def _count(self, usage: Any) -> None:  # noqa: ANN401 - JSON of an engine
        self.prompt_tokens = usage.get("prompt_tokens") or self.prompt_tokens
        self._completion_tokens = usage.get("completion_tokens") or self._completion_tokens

    def _mark(self, logprobs: Iterable[float]) -> None:
        """Notes how long the text is, and the sum and the number of all log probabilities up to there."""
        values = list(logprobs)
        _, total, count = self._marks[-1]
        self._marks.append((len(self.text), total + sum(values), count + len(values)))


def parsed(data: bytes) -> Any:  # noqa: ANN401 - JSON of an engine
    """JSON of an engine. ValueError.

    Halves of characters, written as escapes, are what the standard library takes and the faster parser doesn't.
    """
    try:
        return pydantic_core.from_json(data)
    except ValueError:
        try:
            return json.loads(data)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
