"""The part of OpenAI's chat completions API that the embedded engine speaks, in vLLM's shapes."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from common.geometry import Rectangle, union
from textlines.detection import TextLine
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.tables import PlacedCell

OWNER = "paddleocr-vl-service"
MAX_LINES = 20_000
"""That a picture has, told by who asks."""
FinishReason = Literal["stop", "length", "content_filter"]
"""`content_filter` is OpenAI's word for an answer that lacks something: here the text whose script no model reads."""


class ImageUrl(BaseModel):
    url: str


class ImagePart(BaseModel):
    type: Literal["image_url"]
    image_url: ImageUrl


class TextPart(BaseModel):
    type: Literal["text"]
    text: str


class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str | list[Annotated[ImagePart | TextPart, Field(discriminator="type")]]


class StreamOptions(BaseModel):
    include_usage: bool = False


class KnownLine(BaseModel):
    """A text line of the picture. `corners`: x and y in pixels of top left, top right, bottom right, bottom left;
    `leader`: where dots begin and end that lead from one text to another, shares of its length; `bar`: where the bar of
    a fraction does, shares of its height."""

    corners: list[FiniteFloat] = Field(min_length=8, max_length=8)
    leader: tuple[FiniteFloat, FiniteFloat] | None = None
    bar: tuple[FiniteFloat, FiniteFloat] | None = None

    def as_text_line(self) -> TextLine:
        return TextLine(np.array(self.corners, dtype=np.float32).reshape(4, 2), 1.0, self.leader, self.bar)


class ChatRequest(BaseModel):
    """Sampling settings are accepted and have no effect: the engine always gives its best reading."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    logprobs: bool | None = False
    return_lines: bool = False
    return_words: bool = False
    """Additions to OpenAI's API: the message of a whole answer has `lines` then, and these `words`: `Completion`."""
    text_lines: list[KnownLine] | None = Field(None, min_length=1, max_length=MAX_LINES)
    """Another one: the picture's text lines, where who asks has found them; they are not looked for again."""

    @property
    def prompt(self) -> str:
        return " ".join(
            part.text for message in self.messages if isinstance(message.content, list)
            for part in message.content if isinstance(part, TextPart)
        ).strip()  # fmt: skip

    @property
    def images(self) -> list[str]:
        return [
            part.image_url.url for message in self.messages if isinstance(message.content, list)
            for part in message.content if isinstance(part, ImagePart)
        ]  # fmt: skip

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class ApiError(Exception):
    """An error in OpenAI's shape."""

    def __init__(self, status: int, message: str, kind: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.param = status, message, kind, param

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.status}}


@dataclass(frozen=True, slots=True)
class Token:
    """One character read, with the markup that follows it (or stands before the first one)."""

    text: str
    logprob: float

    @property
    def entry(self) -> dict[str, Any]:
        return {
            "token": self.text, "logprob": self.logprob, "bytes": list(self.text.encode()), "top_logprobs": [],
        }  # fmt: skip


def tokens(pieces: Sequence[LineText]) -> list[Token]:
    """Characters with their log probabilities. Markup has none of its own, so it is glued to a character."""
    result: list[Token] = []
    lead = ""
    for piece in pieces:
        if piece.confidences:
            read = [Token(c, math.log(max(p, 1e-6))) for c, p in zip(piece.text, piece.confidences, strict=True)]
            result.extend([Token(lead + read[0].text, read[0].logprob), *read[1:]])
            lead = ""
        elif result:
            result[-1] = Token(result[-1].text + piece.text, result[-1].logprob)
        else:
            lead += piece.text
    return [*result, Token(lead, 0.0)] if lead else result


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished answer, cut at `limit` tokens as vLLM cuts it. `refusal` says what the picture holds besides, and why
    that was not read, in OpenAI's field for it; None where all was read.

    `lines`: an addition to OpenAI's message, for who asks with `return_lines`: the text's lines in reading order, each
    with `text`, `bbox` (x1, y1, x2, y2 in pixels of the picture), `confidence`, `least_confidence` (of a letter) and,
    for who asks with `return_words`, its `words`; `bbox` is around the ink then, and else the detector's. `cyrillic` is
    what a line is on a page of Cyrillic text, where its letters may be look-alikes. `noise`: how
    many lines were found besides in which nothing was read. `cells`: another, of a table: each with `row`, `column`,
    `rows`, `columns` and the `bbox` between its edges. None where nobody asked, and of an answer that was cut.
    """

    model: str
    tokens: Sequence[Token]
    finish_reason: FinishReason
    id: str
    created: int
    refusal: str | None
    lines: Sequence[ReadLine] | None = None
    cells: Sequence[PlacedCell] | None = None
    noise: int = 0

    @classmethod
    def of(
        cls,
        model: str,
        read: Sequence[Token],
        limit: int | None,
        refusal: str | None = None,
        lines: Sequence[ReadLine] | None = None,
        cells: Sequence[PlacedCell] | None = None,
        noise: int = 0,
    ) -> Completion:
        is_cut = limit is not None and len(read) > limit
        finish_reason: FinishReason = "length" if is_cut else "content_filter" if refusal else "stop"
        name = f"chatcmpl-{uuid.uuid4().hex}"
        return cls(
            model,
            read[:limit] if is_cut else read,
            finish_reason,
            name,
            int(time.time()),
            refusal,
            None if is_cut else lines,
            None if is_cut else cells,
            noise,
        )

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)

    @property
    def usage(self) -> dict[str, int]:
        """Tokens are the characters read; a picture has none."""
        count = len(self.tokens)
        return {"prompt_tokens": 0, "completion_tokens": count, "total_tokens": count}

    def body(self, logprobs: bool) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        if self.lines is not None:
            message["lines"] = [_describe_line(line) for line in self.lines]
            message["noise"] = self.noise
        if self.cells is not None:
            message["cells"] = [_describe_cell(cell) for cell in self.cells]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": _logprobs(self.tokens, logprobs),
            "finish_reason": self.finish_reason,
        }
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage}

    def chunks(self, logprobs: bool, include_usage: bool) -> Iterator[dict[str, Any]]:
        """The answer as a stream: a role, one chunk a row of text, the refusal if any, the finish reason, the usage if
        asked for."""
        yield self._chunk({"role": "assistant", "content": ""}, None, None)
        for row in _rows(self.tokens):
            yield self._chunk({"content": "".join(token.text for token in row)}, _logprobs(row, logprobs), None)
        if self.refusal:
            yield self._chunk({"refusal": self.refusal}, None, None)
        yield self._chunk({}, None, self.finish_reason)
        if include_usage:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage}

    def _chunk(
        self, delta: dict[str, str], logprobs: dict[str, Any] | None, finish_reason: str | None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _describe_line(line: ReadLine) -> dict[str, Any]:
    words = [_describe(word.text, word.box, word.confidence) for word in line.words]
    box = union([word.box for word in line.words]) if line.words else line.box
    least = round(line.text.least_confidence, 4)
    described = {**_describe(line.text.text, box, line.text.confidence), "least_confidence": least, "words": words}
    return described | ({"cyrillic": line.text.cyrillic} if line.text.cyrillic else {})


def _describe_cell(cell: PlacedCell) -> dict[str, Any]:
    span = cell.span
    size = {"rows": span.bottom - span.top, "columns": span.right - span.left}
    return {"row": span.top, "column": span.left, **size, "bbox": list(cell.box)}


def _describe(text: str, box: Rectangle, confidence: float) -> dict[str, Any]:
    return {"text": text, "bbox": [round(side, 1) for side in box], "confidence": round(confidence, 4)}


def _logprobs(read: Sequence[Token], wanted: bool) -> dict[str, Any] | None:
    return {"content": [token.entry for token in read]} if wanted else None


def _rows(read: Sequence[Token]) -> Iterator[list[Token]]:
    row: list[Token] = []
    for token in read:
        row.append(token)
        if token.text.endswith(("\n", "<nl>")):
            yield row
            row = []
    if row:
        yield row


def model_list(
    models: Sequence[str], created: int, scripts: Sequence[str], runtimes: Mapping[str, str]
) -> dict[str, Any]:
    """All names of the one model. Additions to OpenAI's list: `scripts`, what it reads; `runtimes`, what runs each of
    the networks that it is made of."""
    common = {"object": "model", "created": created, "owned_by": OWNER}
    common |= {"scripts": list(scripts), "runtimes": dict(runtimes)}
    return {"object": "list", "data": [{"id": name, **common} for name in models]}
