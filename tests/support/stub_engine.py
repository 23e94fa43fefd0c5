"""A scripted OpenAI-compatible engine on a free loopback port, in a thread of its own.

    with StubEngine(kind="vllm") as stub:
        stub.script.append(Reply(status=503))   # the next call fails, the one after echoes its prompt
        ...
        assert stub.requests[0].prompt == "OCR:"

It serves `/v1/chat/completions` (streaming too), `/v1/models`, `/health` and `/metrics`. A call takes the first reply
of `script`; when that is empty, what `answer(request)` says; by default an echo of the prompt. `kill()` drops every
connection as `kill -9` would, `start()` comes back on the same port. Canaries (calls for one token) are counted, never
scripted.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from io import BytesIO
from itertools import cycle
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web
from PIL import Image

from tests.support.ports import free_port
from tests.support.waiting import WAIT_S

OWNERS = {"vllm": "vllm", "embedded": "paddleocr-vl-service", "external": "someone-else"}
LARGEST_BODY = 200_000_000
SECRET = "secret internals of the engine"
"""The engine's own words about an error; no client may see them."""


@dataclass(frozen=True, slots=True)
class StubRequest:
    """One recorded chat call."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    prompt: str
    image: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        with Image.open(BytesIO(self.image)) as image:
            return image.size

    @property
    def is_canary(self) -> bool:
        return 1 in (self.body.get("max_tokens"), self.body.get("max_completion_tokens"))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the engine does with one call. `text` None echoes the prompt; `raw` is sent as the body as it is."""

    text: str | None = None
    status: int = 200
    delay_s: float = 0
    hang: bool = False
    drop: bool = False
    finish_reason: str = "stop"
    logprobs: tuple[float, ...] = (-0.1, -0.1)
    raw: str | None = None
    content_type: str = "application/json"
    retry_after: str | None = None
    """The header of that name."""
    param: str | None = None
    """The field that an error names; its message is `text`."""
    after: threading.Event | None = None
    """The call waits until this event is set."""
    events: int | None = None
    """A stream ends after so many events of text: broken off, or as `then` says."""
    then: Literal["drop", "error", "hang"] = "drop"
    events_delay_s: float = 0


@dataclass
class StubEngine:
    kind: str = "embedded"
    model: str = "stub-model"
    more_models: tuple[str, ...] = ()
    max_model_len: int | None = None
    answer: Callable[[StubRequest], Reply] = field(default=lambda _request: Reply())
    delay_s: float = 0
    health_status: int = 200
    health_after: threading.Event | None = None
    health_asked: int = 0
    canary_status: int = 200
    canary_hangs: bool = False
    steps: int | None = None
    """What `/metrics` says of vLLM's steps; None: there is no such path."""
    load: tuple[int, int] | None = None
    """What `/metrics` says of the requests that vLLM works on, and of those that wait in it."""
    metrics_asked: int = 0
    script: deque[Reply] = field(default_factory=deque)
    requests: list[StubRequest] = field(default_factory=list)
    canaries: int = 0
    running: int = 0
    most_running: int = 0
    aborted: int = 0
    """Calls whose client hung up before the end."""
    port: int = 0
    host: str = "127.0.0.1"
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _runner: web.AppRunner | None = None
    _listener: socket.socket = field(init=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def root(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.root}/v1"

    @property
    def prompts(self) -> list[str]:
        return [request.prompt for request in self.requests]

    def start(self) -> None:
        """Listens; on the port of the last time, if there was one."""
        if self._thread is not None:
            return
        self.port = self.port or free_port()
        up: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, args=(up,), name="stub-engine", daemon=True)
        self._thread.start()
        up.result(timeout=WAIT_S)

    def kill(self) -> None:
        """Drops every connection and stops listening, like `kill -9`."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(timeout=WAIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=WAIT_S)
        self._loop = self._thread = None

    def _serve(self, up: Future[None]) -> None:
        loop = self._loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._listen())
            up.set_result(None)
            loop.run_forever()
        except BaseException as error:
            if not up.done():
                up.set_exception(error)
        finally:
            # A connection that was just being accepted closes its socket when it is cancelled.
            loop.run_until_complete(_cancel_all(asyncio.all_tasks(loop)))
            loop.close()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        runner = self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0)
        await runner.setup()
        self._listener = socket.create_server((self.host, self.port))
        await web.SockSite(runner, self._listener).start()

    async def _stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        # A connection that the loop has accepted gets its transport in one turn and is known to the server in the next.
        # asyncio leaks one whose server closes before the first, and `cleanup` waits for ever for one that becomes
        # known while it waits.
        asyncio.get_running_loop().remove_reader(self._listener)
        await _turn_loop(3)
        for connection in list(runner.server.connections) if runner.server else []:
            if connection.transport is not None:
                connection.transport.abort()
        await _turn_loop(2)
        await runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        self.health_asked += 1
        await _until_set(self.health_after)
        return web.Response(status=self.health_status)

    async def _metrics(self, _request: web.Request) -> web.Response:
        self.metrics_asked += 1
        told = {"iteration_tokens_total_count": self.steps}
        if self.load:
            told |= dict(zip(("num_requests_running", "num_requests_waiting"), self.load, strict=True))
        lines = [f'vllm:{name}{{engine="0"}} {value}.0\n' for name, value in told.items() if value is not None]
        return web.Response(text="".join(lines), status=200 if lines else 404)

    async def _models(self, _request: web.Request) -> web.Response:
        common = {"object": "model", "created": 17, "owned_by": OWNERS[self.kind], "max_model_len": self.max_model_len}
        models = [{"id": name, **common} for name in (self.model, *self.more_models)]
        return web.json_response({"object": "list", "data": models})

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        request = parse_request(await http.json(), http.headers)
        if request.is_canary:
            self.canaries += 1
            await self._delay(Reply(hang=self.canary_hangs))
            return _completion(self.model, request, Reply(status=self.canary_status, text="", finish_reason="length"))
        self.requests.append(request)
        reply = self.script.popleft() if self.script else self.answer(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self._delay(reply)
            return await self._reply(http, request, reply)
        except (asyncio.CancelledError, ConnectionError):
            self.aborted += 1
            raise
        finally:
            self.running -= 1

    async def _delay(self, reply: Reply) -> None:
        if reply.hang:
            await asyncio.Event().wait()
        await _until_set(reply.after)
        await asyncio.sleep(reply.delay_s or self.delay_s)

    async def _reply(self, http: web.Request, request: StubRequest, reply: Reply) -> web.StreamResponse:
        if reply.drop and http.transport is not None:
            http.transport.abort()
        if reply.raw is not None:
            return web.Response(status=reply.status, text=reply.raw, content_type=reply.content_type)
        if request.body.get("stream") and reply.status == 200:
            return await self._stream(http, request, reply)
        return _completion(self.model, request, reply)

    async def _stream(self, http: web.Request, request: StubRequest, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(http)
        for number, chunk in enumerate(_chunks(self.model, request, reply)):
            if number - 1 == reply.events:
                return await self._break_off(http, response, reply)
            await response.write(_event(chunk))
            await asyncio.sleep(reply.events_delay_s)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _break_off(self, http: web.Request, response: web.StreamResponse, reply: Reply) -> web.StreamResponse:
        if reply.then == "hang":
            await asyncio.Event().wait()
        if reply.then == "drop" and http.transport is not None:
            http.transport.abort()
        else:
            await response.write(_event({"error": {"message": SECRET, "type": "InternalServerError", "code": 500}}))
            await response.write(b"data: [DONE]\n\n")
        return response


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _chunks(model: str, request: StubRequest, reply: Reply) -> Iterator[dict[str, Any]]:
    """A role, the words, the finish reason, and the usage where it is asked for, as vLLM sends them. Log probabilities
    go round."""
    head = {"id": "stub", "object": "chat.completion.chunk", "created": 0, "model": model}

    wanted = request.body.get("stream_options") or {}
    logprobs = cycle(reply.logprobs or [-0.1])

    def chunk(delta: dict[str, str], tokens: int, finish_reason: str | None = None) -> dict[str, Any]:
        told = _logprobs(request, [next(logprobs)]) if delta.get("content") else None
        choice = {"index": 0, "delta": delta, "logprobs": told, "finish_reason": finish_reason}
        usage = {"usage": _usage(tokens)} if wanted.get("continuous_usage_stats") else {}
        return head | {"choices": [choice]} | usage

    words = _text(request, reply).split(" ")
    yield chunk({"role": "assistant", "content": ""}, 0)
    for number, word in enumerate(words[:-1], 1):
        yield chunk({"content": word + " "}, number)
    yield chunk({"content": words[-1]}, len(words))
    yield chunk({}, len(words), reply.finish_reason)
    if wanted.get("include_usage"):
        yield head | {"choices": [], "usage": _usage(len(words))}


async def _until_set(event: threading.Event | None) -> None:
    while event is not None and not event.is_set():  # noqa: ASYNC110 - set by another thread
        await asyncio.sleep(0.005)


def parse_request(body: Mapping[str, Any], headers: Mapping[str, str]) -> StubRequest:
    parts = [part for message in body["messages"] for part in _parts(message["content"])]
    prompt = "".join(part["text"] for part in parts if part["type"] == "text")
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    image = base64.b64decode(urls[0].partition(",")[2]) if urls else b""
    return StubRequest(body, dict(headers), prompt, image)


def _parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(request: StubRequest, reply: Reply) -> str:
    return request.prompt if reply.text is None else reply.text


def _completion(model: str, request: StubRequest, reply: Reply) -> web.Response:
    if reply.status != 200:
        error = {"message": reply.text or SECRET, "type": "stub", "param": reply.param, "code": reply.status}
        headers = {"Retry-After": reply.retry_after} if reply.retry_after else {}
        return web.json_response({"error": error}, status=reply.status, headers=headers)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": _text(request, reply)},
        "finish_reason": reply.finish_reason,
        "logprobs": _logprobs(request, reply.logprobs),
    }
    usage = _usage(len(reply.logprobs))
    answer = {"id": "stub", "object": "chat.completion", "created": 0, "model": model, "usage": usage}
    return web.json_response(answer | {"choices": [choice]})


def _logprobs(request: StubRequest, values: Sequence[float]) -> dict[str, Any] | None:
    if not request.body.get("logprobs"):
        return None
    others = [{"token": "y", "logprob": -9.0, "bytes": None}] * request.body.get("top_logprobs", 0)
    return {"content": [{"token": "x", "logprob": value, "bytes": None, "top_logprobs": others} for value in values]}


def _usage(completion_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 10, "completion_tokens": completion_tokens, "total_tokens": 10 + completion_tokens}


async def _turn_loop(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def _cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
