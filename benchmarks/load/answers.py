"""What the stub engine says: answers of realistic lengths, made once, as the bytes that travel."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

TOKENS = (18, 122, 14, 146, 108, 62, 96, 24, 240, 110, 12, 138, 104, 88, 78)
"""Tokens of the answers to the regions of one page, in their order: 1,360 a page. PaddleOCR-VL's published runs have
about 1,400. The longest decides how fast a lone page can be read."""
FIRST_S = 0.2
TOKEN_S = 0.005
"""An answer of n tokens takes FIRST_S + n · TOKEN_S."""
TOKENS_A_CHUNK = 8
"""In one event of a stream, where the request has no `stream_interval`."""
PROMPT_TOKENS = 160
SHORT_TOKENS = 1
"""For a canary, which asks for one."""
WORDS = re.findall(
    r"\w+",
    "the of and to in is that for as with on by from at this which are was or an be it not have their has one all "
    "were can more when will its other than some these may would only such into time two her about first between "
    "after most also over many through where must before because three state system being under number both general",
)
MODEL = "PaddleOCR-VL-stub"


@dataclass(frozen=True, slots=True)
class Answer:
    """`whole`: the body of an answer in one piece; `events`: those of a stream, each of `interval` tokens, then `end`,
    then `usage` where it was asked for."""

    tokens: int
    interval: int
    whole: bytes
    events: Sequence[bytes]
    usage: bytes
    end: bytes

    @property
    def seconds(self) -> float:
        return FIRST_S + self.tokens * TOKEN_S


def engine_seconds() -> float:
    """What the engine itself takes for one page that it has for itself: its longest answer."""
    return FIRST_S + max(TOKENS) * TOKEN_S


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer is asked for. `usage_always`: each event of a stream counts the tokens so far."""

    prompt: str = "text"
    logprobs: bool = True
    interval: int = TOKENS_A_CHUNK
    usage_always: bool = False


@cache
def make_answers(shape: Shape) -> list[Answer]:
    """An answer in this shape for each region of a page."""
    return [_answer(_tokens_of(shape.prompt, count, seed), shape) for seed, count in enumerate(TOKENS)]


def short_answer() -> Answer:
    return _answer(["x"] * SHORT_TOKENS, Shape())


def _tokens_of(prompt: str, count: int, seed: int) -> list[str]:
    """Text without loops: a gateway may watch for them."""
    chance = random.Random(seed)
    words = [f"{chance.choice(WORDS)}{chance.choice(('', '', '', ',', '.', ' ' + str(chance.randrange(1900))))} "
             for _ in range(count)]  # fmt: skip
    if prompt == "table":
        return [f"<fcel>{word.strip()}" if at % 4 < 3 else "<nl>" for at, word in enumerate(words)]
    if prompt == "formula":
        return [f"{chance.choice('abcdefxyz')}_{{{at}}}+" for at, _ in enumerate(words)]
    return words


def _answer(tokens: list[str], shape: Shape) -> Answer:
    whole = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(tokens)},
        "finish_reason": "stop",
        "logprobs": _logprobs(tokens) if shape.logprobs else None,
    }
    usage = _usage(len(tokens))
    return Answer(
        len(tokens),
        shape.interval,
        json.dumps({**_head("chat.completion"), "choices": [whole], "usage": usage}).encode(),
        list(_events(tokens, shape)),
        _event([], usage),
        _event([_delta({}, None, "stop")]),
    )


def _events(tokens: list[str], shape: Shape) -> Iterator[bytes]:
    for at in range(0, len(tokens), shape.interval):
        group = tokens[at : at + shape.interval]
        delta = _delta({"content": "".join(group)}, _logprobs(group) if shape.logprobs else None)
        yield _event([delta], _usage(at + len(group)) if shape.usage_always else None)


def _usage(count: int) -> dict[str, int]:
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": count, "total_tokens": PROMPT_TOKENS + count}


def _logprobs(tokens: Sequence[str]) -> dict[str, object]:
    said = [{"token": token, "logprob": -0.02, "bytes": list(token.encode()), "top_logprobs": []} for token in tokens]
    return {"content": said}


def _delta(delta: dict[str, str], logprobs: object, finish_reason: str | None = None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def _event(choices: list[dict[str, object]], usage: dict[str, int] | None = None) -> bytes:
    body = {**_head("chat.completion.chunk"), "choices": choices, "usage": usage}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _head(kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-stub", "object": kind, "created": 1, "model": MODEL}
