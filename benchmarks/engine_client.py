"""`make bench-client`: CPU time of one call to the engine, by the gateway's OpenAI client and by others.

All ways send the same body, read the same stream from the same stub engine and parse it alike; only the client differs,
except for OpenAI's own `create()`, which builds and parses everything itself. `AiohttpClient` is `EngineClient` without
the OpenAI client in it: the rest of the cost is that library's. Ways take turns in each repetition, so
that a busy hour of the machine falls on all of them, and are compared within a repetition.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from io import BytesIO
from statistics import median, quantiles
from typing import cast

import aiohttp
import httpx2
import uvloop
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionMessageParam

from benchmarks.load.answers import MODEL
from benchmarks.load.servers import start_engine
from benchmarks.report import command, table, verdict, write_report
from gateway.engine.client import ChatCompletionRequest, EngineClient
from gateway.engine.completion import CompletionAccumulator
from gateway.engine.sse import split_events
from gateway.engine.transport import CONNECT_TIMEOUT_S, KEEPALIVE_S, AiohttpClient, UpstreamResponse
from gateway.model import EngineKind
from gateway.settings import Settings

GOAL_RATIO = 1.3
IN_FLIGHT = 64
PACE = 0.2
"""Of the stub engine: fast, and events still come one by one, as those of a real one do."""
DATA_URL = "data:image/png;base64," + "iVBORw0K" * 12_500
"""100 kB, as the larger half of a page's crops."""
TIMEOUT_S = 60.0
BARE, TRANSPORT, OURS = "bare aiohttp", "AiohttpClient", "EngineClient"
DEFAULT, CREATE = "`post()` over httpx2", "`create()` over httpx2"
SHAPES: Mapping[EngineKind, str] = {"vllm": "32 tokens an event", "external": "8 tokens an event"}

Call = Callable[[ChatCompletionRequest], Awaitable[str]]
Open = Callable[[str], AbstractAsyncContextManager[Call]]
Costs = Mapping[str, Sequence[float]]
"""By way, milliseconds of CPU a call in each repetition."""


@asynccontextmanager
async def bare_aiohttp(base_url: str) -> AsyncIterator[Call]:
    """As little as a call over aiohttp takes, with the same limits of time; no errors are mapped."""
    url, headers = f"{base_url}/chat/completions", {"Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, sock_read=TIMEOUT_S)
    connector, cookies = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S), aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=cookies, timeout=timeout) as session:

        async def call(request: ChatCompletionRequest) -> str:
            async with (
                asyncio.timeout(TIMEOUT_S),
                session.post(url, data=BytesIO(request.body), headers=headers) as got,
            ):
                return await _read(got.content.iter_any())

        yield call


@asynccontextmanager
async def transport_alone(base_url: str) -> AsyncIterator[Call]:
    """The gateway's HTTP to the engine without the OpenAI client before it."""
    url, timeout = f"{base_url}/chat/completions", httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
    client = AiohttpClient(connector, {"Authorization": "Bearer none"})

    async def call(request: ChatCompletionRequest) -> str:
        async with asyncio.timeout(TIMEOUT_S):
            sent = client.build_request("POST", url, headers=[], timeout=timeout, content=request.body)
            response = UpstreamResponse(await client.send(sent, stream=True))
            try:
                return await _read(response.stream)
            finally:
                await response.close()

    try:
        yield call
    finally:
        await client.aclose()


@asynccontextmanager
async def engine_client(base_url: str) -> AsyncIterator[Call]:
    client = EngineClient(Settings(vlm_engine="external", vlm_base_url=base_url))

    async def call(request: ChatCompletionRequest) -> str:
        return (await client.complete(request, TIMEOUT_S)).text

    try:
        yield call
    finally:
        await client.close()


@asynccontextmanager
async def post_over_httpx2(base_url: str) -> AsyncIterator[Call]:
    """The same request by the OpenAI client with the HTTP client that it brings."""
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=TIMEOUT_S) as client:

        async def call(request: ChatCompletionRequest) -> str:
            answer = await client.post(
                "/chat/completions",
                content=request.body,
                cast_to=httpx2.Response,
                stream=True,
                stream_cls=AsyncStream[httpx2.Response],
            )
            response = cast("httpx2.Response", answer)
            try:
                return await _read(response.aiter_raw())
            finally:
                await response.aclose()

        yield call


@asynccontextmanager
async def create_over_httpx2(base_url: str) -> AsyncIterator[Call]:
    """What OpenAI's documentation shows."""
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=TIMEOUT_S) as client:

        async def call(request: ChatCompletionRequest) -> str:
            messages: list[ChatCompletionMessageParam] = [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": request.data_url}},
                        {"type": "text", "text": request.prompt},
                    ],
                }
            ]
            stream = await client.chat.completions.create(
                model=request.model,
                messages=messages,
                stream=True,
                logprobs=True,
                stream_options={"include_usage": True},
                extra_body={"stream_interval": 32} if request.kind == "vllm" else {},
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

        yield call


WAYS: dict[str, Open] = {
    BARE: bare_aiohttp,
    TRANSPORT: transport_alone,
    OURS: engine_client,
    DEFAULT: post_over_httpx2,
    CREATE: create_over_httpx2,
}


async def _read(chunks: AsyncIterator[bytes]) -> str:
    completion = CompletionAccumulator()
    async with aclosing(split_events(chunks)) as events:
        async for some in events:
            completion.feed(some)
    async for _ in chunks:
        pass
    return completion.text


async def measure(base_url: str, kind: EngineKind, calls: int, repetitions: int) -> Costs:
    """All clients are open at once; a repetition is a burst of calls by each in turn, in another order each time."""
    request = ChatCompletionRequest(MODEL, kind, DATA_URL, "OCR:", 4096, stream=True)
    costs: dict[str, list[float]] = {name: [] for name in WAYS}
    async with AsyncExitStack() as stack:
        ways = [(name, await stack.enter_async_context(open_way(base_url))) for name, open_way in WAYS.items()]
        for _, call in ways:
            await _call_many(call, request, IN_FLIGHT * 2)
        gc.collect()
        gc.freeze()
        for _ in range(repetitions):
            random.shuffle(ways)
            for name, call in ways:
                costs[name].append(await cpu_ms_a_call(call, request, calls))
    return costs


async def cpu_ms_a_call(call: Call, request: ChatCompletionRequest, calls: int) -> float:
    """This process's CPU time for a call, user and system, on average. The first opens connections anew."""
    await _call_many(call, request, IN_FLIGHT)
    before = time.process_time()
    await _call_many(call, request, calls)
    return 1000 * (time.process_time() - before) / calls


async def _call_many(call: Call, request: ChatCompletionRequest, calls: int) -> None:
    left = iter(range(calls))

    async def call_in_turn() -> None:
        for _ in left:
            if not await call(request):
                raise RuntimeError("an answer without text")

    async with asyncio.TaskGroup() as clients:
        for _ in range(IN_FLIGHT):
            clients.create_task(call_in_turn())


def rows(shape: str, costs: Costs) -> list[list[str]]:
    return [
        [
            shape,
            name,
            f"{min(spent):.2f}",
            f"{median(spent):.2f}",
            f"{ratio(costs, name):.2f}",
            _median_ratio(costs, name),
        ]
        for name, spent in costs.items()
    ]


def ratio(costs: Costs, name: str) -> float:
    """Of the least cost of a call to that of bare aiohttp."""
    return min(costs[name]) / min(costs[BARE])


def _median_ratio(costs: Costs, name: str) -> str:
    ratios = [spent / bare for spent, bare in zip(costs[name], costs[BARE], strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_client", description=__doc__)
    parser.add_argument("--calls", type=int, default=128, help="in each repetition of each way")
    parser.add_argument("--repetitions", type=int, default=40)
    arguments = parser.parse_args()
    with start_engine(pace=PACE) as stub:
        costs = {
            shape: uvloop.run(measure(f"{stub.url}/v1", kind, arguments.calls, arguments.repetitions))
            for kind, shape in SHAPES.items()
        }
    method = (
        f"Command: `{command()}`. {arguments.repetitions} repetitions, in each of which every client makes "
        f"{arguments.calls} calls, {IN_FLIGHT} in flight, in random order; uvloop; garbage frozen before. A body has a "
        f"picture of {len(DATA_URL) // 1000} kB, an answer 12 to 240 tokens with their log probabilities, for which "
        f"the stub engine takes {PACE:.0%} of its usual time. CPU is of the client's process, user and system. Ratios "
        "are against bare aiohttp: of the least figures, and the median and quartiles of those of the same repetition. "
        "A busy machine adds to every figure, most to the longest code, so the least figures tell most. "
        f"{TRANSPORT} is {OURS} without the OpenAI client: what lies between both is that library's."
    )
    goals = [
        [
            f"{OURS}, {shape}",
            f"≤ {GOAL_RATIO} ×",
            f"{ratio(found, OURS):.2f} ×",
            verdict(ratio(found, OURS) <= GOAL_RATIO),
        ]
        for shape, found in costs.items()
    ]
    header = ["stream", "client", "least ms", "median ms", "ratio of least", "median ratio (quartiles)"]
    write_report(
        "engine-client",
        "CPU time of a call to the engine, by client",
        method,
        "## Goal: against bare aiohttp with the same parser",
        table(["what", "goal", "figure", "verdict"], goals),
        "## All clients",
        table(header, [row for shape, found in costs.items() for row in rows(shape, found)]),
    )


if __name__ == "__main__":
    main()
