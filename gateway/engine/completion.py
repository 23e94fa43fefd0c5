"""A chat completion as it comes from an engine: text, log probabilities, tokens. Streams and whole answers alike.

Only what is used is parsed, by msgspec into typed structs: an object of the OpenAI library for each event costs about
35 times as much.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pydantic_core

from gateway.engine.errors import invalid_response


class _Token(msgspec.Struct, gc=False):
    logprob: float


class _Logprobs(msgspec.Struct, gc=False):
    content: list[_Token] | None = None


class WordPlace(msgspec.Struct, gc=False):
    """A word, or a line with its words, as the embedded engine tells it; `bbox` in pixels of the crop.
    `least_confidence`: of a letter of the line; `cyrillic`: what the line is on a page of Cyrillic text, where its
    letters may be look-alikes."""

    text: str
    bbox: tuple[float, float, float, float]
    confidence: float | None = None
    least_confidence: float | None = None
    words: list[WordPlace] = []
    cyrillic: str | None = None


class CellPlace(msgspec.Struct, gc=False):
    """A cell of a table, as the embedded engine tells it; `bbox` between its edges, in pixels of the crop."""

    row: int
    column: int
    rows: int
    columns: int
    bbox: tuple[float, float, float, float]


class _Message(msgspec.Struct, gc=False):
    """`lines`, `noise`, `cells`: additions of the embedded engine's, which no other one is asked for."""

    content: str | None = None
    refusal: str | None = None
    lines: list[WordPlace] | None = None
    cells: list[CellPlace] | None = None
    noise: int | None = None


class _Choice(msgspec.Struct, gc=False):
    """`message` in a whole completion, `delta` in an event of one."""

    message: _Message | None = None
    delta: _Message | None = None
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(msgspec.Struct, gc=False):
    """A chat completion or an event of one. External servers leave out much."""

    model: Any = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Completion).decode


class CompletionAccumulator:
    """Grows by events of a stream, or is taken from a whole body."""

    def __init__(self) -> None:
        self.text = ""
        self.refusal = ""
        """Why the engine did not read all of it, in its own words: OpenAI's field for that."""
        self.finish_reason: str | None = None
        self.model: object = None
        """The model that the engine says has answered."""
        self.lines: list[WordPlace] | None = None
        """Where the text's lines stand, from an engine that was asked and knows it."""
        self.cells: list[CellPlace] | None = None
        """The same of a table's cells."""
        self.noise = 0
        """Lines that were found besides in which nothing was read."""
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

    def feed(self, events: bytes) -> str:
        """Takes whole `data:` events; gives the text that they add. Raises EngineError."""
        before = len(self.text)
        for event in events.split(b"\n\n"):
            if event:
                completion = _parse_completion(event.removeprefix(b"data: "))
                self.model = completion.model or self.model
                self._count(completion.usage)
                if completion.choices:
                    self._add(completion.choices[0], completion.choices[0].delta)
        return self.text[before:]

    def feed_body(self, body: bytes) -> None:
        """Takes a chat completion; raises EngineError for anything else."""
        completion = _parse_completion(body)
        if not completion.choices:
            raise invalid_response()
        self.model = completion.model
        self._count(completion.usage)
        self._add(completion.choices[0], completion.choices[0].message)

    def _add(self, choice: _Choice, message: _Message | None) -> None:
        if message is None:
            raise invalid_response()
        self.text += message.content or ""
        self.refusal += message.refusal or ""
        self.lines = message.lines or self.lines
        self.cells = message.cells or self.cells
        self.noise = message.noise or self.noise
        self.finish_reason = choice.finish_reason or self.finish_reason
        if choice.logprobs and choice.logprobs.content:
            self._mark([token.logprob for token in choice.logprobs.content])

    def _count(self, usage: _Usage | None) -> None:
        if usage:
            self.prompt_tokens = usage.prompt_tokens or self.prompt_tokens
            self._completion_tokens = usage.completion_tokens or self._completion_tokens

    def _mark(self, logprobs: list[float]) -> None:
        """Notes how long the text is, and the sum and the number of all log probabilities up to there."""
        _, total, count = self._marks[-1]
        self._marks.append((len(self.text), total + sum(logprobs), count + len(logprobs)))


def _parse_completion(data: bytes) -> _Completion:
    try:
        return _decode(data)
    except (msgspec.DecodeError, RecursionError):
        # Slower, and takes what some servers send: halves of characters, NaN, counts as `3.0`.
        try:
            return msgspec.convert(parse_json(data), _Completion, strict=False)
        except (ValueError, RecursionError) as error:
            raise invalid_response() from error


def parse_json(data: bytes) -> Any:  # noqa: ANN401 - JSON of an engine
    """JSON of an engine. ValueError.

    Halves of characters, written as escapes, are what the standard library takes and the faster parsers don't.
    """
    try:
        return pydantic_core.from_json(data)
    except ValueError:
        try:
            return json.loads(data)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
