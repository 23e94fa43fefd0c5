"""An engine that is not to be trusted: answers without end, in codings nobody asked for, half ones."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from gateway.engine import transport
from gateway.engine.client import ChatCompletionRequest, EngineClient
from gateway.engine.errors import EngineError
from gateway.engine.probes import CANARY_CROP
from gateway.engine.sse import split_events
from gateway.recognition.reader import CompletionResult, make_reading
from tests.support.parts import settings_for
from tests.support.stub_engine import StubEngine
from tests.support.waiting import WAIT_S

REQUEST = ChatCompletionRequest("stub-model", "embedded", CANARY_CROP.data_url, "OCR:", 10)
BOUND = 1_000_000
ANSWER = b'{"model": "stub-model", "choices": [{"message": {"content": "read"}, "finish_reason": "stop"}]}'

Handler = Callable[[web.Request], AsyncIterator[bytes]]


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with StubEngine() as engine:
        yield engine


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_RESPONSE_BYTES", BOUND)
    monkeypatch.setattr(transport.post, "__defaults__", (BOUND,))


@asynccontextmanager
async def engine_of(
    pieces: Handler, status: int = 200, **headers: str
) -> AsyncIterator[tuple[EngineClient, list[int]]]:
    """A client of a server that answers everything so; the list counts the bytes that it has sent."""
    sent = [0]

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        await response.prepare(request)
        async for piece in pieces(request):
            await response.write(piece)
            sent[0] += len(piece)
        return response

    app = web.Application(client_max_size=10**8)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with StubEngine() as stub:
        settings = settings_for(stub, vlm_port=runner.addresses[0][1])
    client = EngineClient(settings)
    try:
        yield client, sent
    finally:
        await client.close()
        await runner.cleanup()


async def without_end(_request: web.Request) -> AsyncIterator[bytes]:
    while True:
        yield b" " * 65_536


async def events_without_end(_request: web.Request) -> AsyncIterator[bytes]:
    while True:
        yield b'data: {"choices": [{"delta": {"content": "more and more "}}]}\n\n' * 1000


async def event_without_end(_request: web.Request) -> AsyncIterator[bytes]:
    yield b'data: {"choices": [{"delta": {"content": "'
    while True:
        yield b"x" * 65_536


async def failure(client: EngineClient) -> str:
    with pytest.raises(EngineError) as caught:
        await client.complete(REQUEST, WAIT_S)
    return caught.value.kind


@pytest.mark.parametrize(
    ("pieces", "media_type"),
    [
        (without_end, "application/json"),
        (without_end, "text/event-stream"),
        (events_without_end, "text/event-stream"),
        (event_without_end, "text/event-stream"),
    ],
)
async def test_answers_without_end_are_given_up(pieces: Handler, media_type: str) -> None:
    async with engine_of(pieces, Content_Type=media_type) as (client, sent):
        assert await failure(client) == "invalid_response"
        # What was on its way besides fills the sockets' buffers, whatever the bound.
        assert sent[0] < 50 * BOUND


@pytest.mark.parametrize("status", [200, 400, 500, 503])
async def test_probes_without_end_are_given_up(status: int) -> None:
    async with engine_of(without_end, status, Content_Type="application/json") as (client, _):
        with pytest.raises(EngineError):
            await client.get("/models", WAIT_S)


@pytest.mark.parametrize("status", [400, 500, 503])
async def test_errors_without_end_are_given_up(status: int) -> None:
    async with engine_of(without_end, status, Content_Type="application/json") as (client, _):
        with pytest.raises(EngineError):
            await client.open_chat(b"{}")
        assert await failure(client) == "invalid_response"


def deflated(data: bytes) -> bytes:
    return zlib.compress(data, 9)


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("deflate", deflated)])
async def test_a_coding_that_a_proxy_applied_is_undone(coding: str, encode: Callable[[bytes], bytes]) -> None:
    async def pieces(_request: web.Request) -> AsyncIterator[bytes]:
        whole = encode(ANSWER)
        yield whole[:20]
        yield whole[20:]

    async with engine_of(pieces, Content_Type="application/json", Content_Encoding=coding) as (client, _):
        assert (await client.complete(REQUEST, WAIT_S)).text == "read"


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("deflate", deflated)])
async def test_a_bomb_is_not_unpacked(coding: str, encode: Callable[[bytes], bytes]) -> None:
    async def pieces(_request: web.Request) -> AsyncIterator[bytes]:
        yield encode(b" " * 100 * BOUND)

    async with engine_of(pieces, Content_Type="application/json", Content_Encoding=coding) as (client, _):
        assert await failure(client) == "invalid_response"


async def test_a_coding_of_several_members_is_undone() -> None:
    async def pieces(_request: web.Request) -> AsyncIterator[bytes]:
        yield gzip.compress(ANSWER[:20]) + gzip.compress(ANSWER[20:])

    async with engine_of(pieces, Content_Type="application/json", Content_Encoding="gzip") as (client, _):
        assert (await client.complete(REQUEST, WAIT_S)).text == "read"


async def test_padding_without_end_is_given_up() -> None:
    async def pieces(_request: web.Request) -> AsyncIterator[bytes]:
        yield gzip.compress(ANSWER)
        while True:
            yield bytes(65536)

    async with engine_of(pieces, Content_Type="application/json", Content_Encoding="gzip") as (client, _):
        assert await failure(client) == "invalid_response"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "x" * 1000])
async def test_other_codings_are_not_understood(coding: str) -> None:
    async def pieces(_request: web.Request) -> AsyncIterator[bytes]:
        yield ANSWER

    async with engine_of(pieces, Content_Type="application/json", Content_Encoding=coding) as (client, _):
        assert await failure(client) == "invalid_response"


async def test_a_body_that_is_not_in_its_coding_is_not_understood() -> None:
    async def pieces(_request: web.Request) -> AsyncIterator[bytes]:
        yield ANSWER

    async with engine_of(pieces, Content_Type="application/json", Content_Encoding="gzip") as (client, _):
        assert await failure(client) == "invalid_response"


async def test_line_ends_and_events_may_be_cut_anywhere() -> None:
    stream = b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\n\ndata: {"c": 3}\r\rdata: [DONE]\r\n\r\n'
    for size in range(1, len(stream)):

        async def chunks(size: int = size) -> AsyncIterator[bytes]:
            for at in range(0, len(stream), size):
                yield stream[at : at + size]

        events = b"".join([some async for some in split_events(chunks())])
        assert events == b'data: {"a": 1}\n\ndata: {"b": 2}\n\ndata: {"c": 3}\n\n', size


@pytest.mark.parametrize(
    ("value", "is_right"),
    [
        ("7", lambda found: found == 7),
        (" 7 ", lambda found: found == 7),
        ("0", lambda found: found == 0),
        ("99999999999", lambda found: found is not None and found <= 3600),
        (format_datetime(datetime.now(UTC) + timedelta(days=2)), lambda found: 0 < (found or 0) <= 3600),
        (format_datetime(datetime(2001, 1, 1, tzinfo=UTC)), lambda found: found == 0),
        ("soon", lambda found: found is None),
        ("-5", lambda found: found is None),
        ("", lambda found: found is None),
    ],
    ids=["seconds", "blanks", "now", "ages", "a date to come", "a date gone by", "words", "negative", "empty"],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_when_a_busy_engine_wants_to_be_asked_again(
    value: str, is_right: Callable[[int | None], bool], status: int
) -> None:
    async def pieces(_request: web.Request) -> AsyncIterator[bytes]:
        yield b"{}"

    async with engine_of(pieces, status, Content_Type="application/json", Retry_After=value) as (client, _):
        with pytest.raises(EngineError) as caught:
            await client.complete(REQUEST, WAIT_S)
    assert (caught.value.kind, caught.value.status) == ("busy", status)
    assert is_right(caught.value.retry_after_s)


async def test_a_whole_answer_that_does_not_say_why_it_ends_may_be_half_of_one() -> None:
    async def pieces(_request: web.Request) -> AsyncIterator[bytes]:
        yield b'{"choices": [{"message": {"content": "half"}}]}'

    async with engine_of(pieces, Content_Type="application/json") as (client, _):
        reading = make_reading(CompletionResult(await client.complete(REQUEST, WAIT_S), 10))
    assert (reading.text, reading.status) == ("half", "truncated")
    assert reading.error
