"""An OpenAI server that looks like vLLM and answers on a script: `python -m benchmarks.load.engine PORT`.

It reads at most `--concurrency` requests at once, the others wait in turn. With `--faults` some requests go wrong.
It parses as little as it can, so that it is not what limits a gateway on the same two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

import uvloop

from benchmarks.load.answers import MODEL, TOKEN_S, TOKENS, TOKENS_A_CHUNK, Answer, Shape, make_answers, short_answer

CONCURRENCY = 256
SMALL_BODY = 3_000
"""A request with a smaller body is no region but a canary or a test of the connection."""
ENDS = 2_000
"""Bytes at both ends of a body in which everything stands but the picture."""
Fault = Literal["dropped", "failed", "stalled", "slow"]
FAULTS: Mapping[Fault, float] = {"dropped": 0.01, "failed": 0.01, "stalled": 0.01, "slow": 0.05}
"""Shares of all regions. `dropped`: the connection ends half-way; `failed`: a 500; `stalled`: nothing more comes after
half the answer, and nothing at all where it is not streamed; `slow`: SLOW times as long."""
SLOW = 3.0
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": ?true')
_USAGE = re.compile(rb'"include_usage": ?true')
_USAGE_ALWAYS = re.compile(rb'"continuous_usage_stats": ?true')
_INTERVAL = re.compile(rb'"stream_interval": ?(\d+)')
_LOGPROBS = re.compile(rb'"logprobs": ?true')


@dataclass
class Engine:
    """The slots of the engine and what it has counted."""

    faults: Mapping[Fault, float]
    pace: float = 1.0
    """Times the usual time of an answer; 0: at once."""
    concurrency: int = CONCURRENCY
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    running: int = 0
    regions: int = 0
    steps: int = 0
    aborted: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    faulted: dict[str, int] = field(default_factory=dict)

    async def enter(self) -> None:
        if self.running < self.concurrency:
            self.running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1

    def fault(self) -> Fault | None:
        drawn = self.chance.random()
        for fault, share in self.faults.items():
            drawn -= share
            if drawn < 0:
                self.faulted[fault] = self.faulted.get(fault, 0) + 1
                return fault
        return None

    def metrics(self) -> str:
        waiting = sum(not turn.done() for turn in self.waiting)
        return (
            f'vllm:num_requests_running{{engine="0"}} {self.running}.0\n'
            f'vllm:num_requests_waiting{{engine="0"}} {waiting}.0\n'
            f'vllm:iteration_tokens_total_count{{engine="0"}} {self.steps}.0\n'
        )

    def counts(self) -> dict[str, object]:
        return {"regions": self.regions, "aborted": self.aborted, "faults": self.faulted, "running": self.running}


class Script:
    """Which answer comes next: those of a page in turn, whoever asks."""

    def __init__(self) -> None:
        self.short = short_answer()

    def answer(self, ends: bytes, number: int) -> Answer:
        prompt = "table" if b"Table Recognition" in ends else "formula" if b"Formula Recognition" in ends else "text"
        interval = _INTERVAL.search(ends)
        shape = Shape(
            prompt,
            logprobs=bool(_LOGPROBS.search(ends)),
            interval=int(interval[1]) if interval else TOKENS_A_CHUNK,
            usage_always=bool(_USAGE_ALWAYS.search(ends)),
        )
        return make_answers(shape)[number % len(TOKENS)]


class Connection(asyncio.Protocol):
    """One connection of HTTP/1.1, one request after the other."""

    def __init__(self, engine: Engine, script: Script) -> None:
        self._engine = engine
        self._script = script
        self._parts: list[bytes] = []
        self._have = 0
        self._need: int | None = None
        self._head = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._task and not self._task.done():
            self._engine.aborted += 1
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._have += len(data)
        if self._need is None:
            self._begin()
        if self._need is not None and self._have >= self._need:
            body, self._parts, self._have, self._need = b"".join(self._parts), [], 0, None
            self._task = asyncio.ensure_future(self._serve(self._head, body))

    def _begin(self) -> None:
        """Reads the head as soon as it is whole; what has come of the body stays."""
        data = b"".join(self._parts)
        end = data.find(b"\r\n\r\n")
        self._parts = [data]
        if end < 0:
            return
        self._head, rest = data[:end], data[end + 4 :]
        length = _LENGTH.search(self._head)
        self._parts, self._have, self._need = [rest], len(rest), int(length[1]) if length else 0
        if b"100-continue" in self._head:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _serve(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path == b"/v1/chat/completions":
            await self._chat(body)
        elif path == b"/v1/models":
            model = {"id": MODEL, "object": "model", "created": 1, "owned_by": "vllm", "max_model_len": 16384}
            self._send(json.dumps({"object": "list", "data": [model]}).encode())
        elif path == b"/metrics":
            self._send(self._engine.metrics().encode(), media_type=b"text/plain")
        elif path == b"/counts":
            self._send(json.dumps(self._engine.counts()).encode())
        else:
            self._send(b"{}", status=b"200 OK" if path == b"/health" else b"404 Not Found")

    async def _chat(self, body: bytes) -> None:
        engine, ends = self._engine, body[:ENDS] + body[-ENDS:]
        if len(body) < SMALL_BODY:
            await self._reply(self._script.short, ends, None)
            return
        number, engine.regions = engine.regions, engine.regions + 1
        await engine.enter()
        try:
            await self._reply(self._script.answer(ends, number), ends, engine.fault())
        finally:
            engine.leave()

    async def _reply(self, answer: Answer, ends: bytes, fault: Fault | None) -> None:
        if fault == "failed":
            self._send(b'{"error": {"message": "EngineCore died", "code": 500}}', status=b"500 Internal Server Error")
            return
        pace = self._engine.pace * (SLOW if fault == "slow" else 1.0)
        if _STREAM.search(ends):
            await self._stream(answer, ends, fault, pace)
        else:
            await self._whole(answer, fault, pace)
        self._engine.steps += answer.tokens

    async def _whole(self, answer: Answer, fault: Fault | None, pace: float) -> None:
        await asyncio.sleep(answer.seconds * pace * (0.5 if fault == "dropped" else 1))
        if fault == "dropped":
            self._transport.abort()
        elif fault == "stalled":
            await asyncio.Event().wait()
        else:
            self._send(answer.whole)

    async def _stream(self, answer: Answer, ends: bytes, fault: Fault | None, pace: float) -> None:
        write = self._transport.write
        start = asyncio.get_running_loop().time() + pace * (answer.seconds - answer.tokens * TOKEN_S)
        half = len(answer.events) // 2
        for at, event in enumerate(answer.events):
            due = start + pace * TOKEN_S * min(answer.tokens, (at + 1) * answer.interval)
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if at == half and fault == "dropped":
                self._transport.abort()
                return
            if at == half and fault == "stalled":
                await asyncio.Event().wait()
            write((_STREAM_HEAD if at == 0 else b"") + _chunk(event))
        usage = answer.usage if _USAGE.search(ends) else b""
        write(_chunk(answer.end + usage + b"data: [DONE]\n\n") + b"0\r\n\r\n")

    def _send(self, body: bytes, status: bytes = b"200 OK", media_type: bytes = b"application/json") -> None:
        head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, media_type, len(body))
        self._transport.write(head + body)


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def serve(port: int, faults: Mapping[Fault, float], pace: float = 1.0, concurrency: int = CONCURRENCY) -> None:
    engine, script = Engine(faults, pace, concurrency), Script()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(engine, script), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.engine", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--faults", action="store_true", help="some requests go wrong")
    parser.add_argument("--pace", type=float, default=1.0, help="times the usual time of an answer; 0: at once")
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY, help="requests that it reads at once")
    arguments = parser.parse_args()
    faults = FAULTS if arguments.faults else {}
    uvloop.run(serve(arguments.port, faults, arguments.pace, arguments.concurrency))


if __name__ == "__main__":
    main()
