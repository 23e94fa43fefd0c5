from __future__ import annotations

import asyncio
import contextlib
import gzip

import pytest

from gateway.engine.client import ChatCompletionRequest, EngineClient
from gateway.engine.errors import EngineError
from gateway.engine.transport import proxy_for
from gateway.settings import Settings
from tests.support.parts import settings_for
from tests.support.ports import free_port
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import WAIT_S, eventually


async def ask(client: EngineClient, timeout_s: float = 10) -> str:
    answer = await client.complete(ChatCompletionRequest("m", None, "data:,", "OCR:", 9), timeout_s)
    return answer.text


async def failure(client: EngineClient, timeout_s: float = 10) -> str:
    with pytest.raises(EngineError) as caught:
        await ask(client, timeout_s)
    return caught.value.kind


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_distant_engine_is_asked_below_its_base_url_with_its_key(stub: StubEngine, slash: str) -> None:
    distant = {"vlm_engine": "external", "vlm_base_url": stub.base_url + slash, "vlm_api_key": "the key"}
    client = EngineClient(settings_for(stub, **distant))
    assert await ask(client) == "OCR:"
    assert b"stub-model" in await client.get("/models", WAIT_S)
    await client.close()
    assert stub.requests[0].headers["Authorization"] == "Bearer the key"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=429), "busy"),
        (Reply(status=503), "busy"),
        (Reply(status=500), "server_error"),
        (Reply(status=401), "rejected"),
        (Reply(status=400), "rejected"),
        (Reply(drop=True), "connection_lost"),
        (Reply(hang=True), "timeout"),
        (Reply(raw="<html>", content_type="text/html"), "invalid_response"),
    ],
)
async def test_what_can_go_wrong_is_told_apart(stub: StubEngine, reply: Reply, kind: str) -> None:
    client = EngineClient(settings_for(stub))
    stub.script.append(reply)
    assert await failure(client, 0.5 if reply.hang else 10) == kind
    await client.close()


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_document_follows_no_redirect(stub: StubEngine, status: int) -> None:
    """Neither the picture nor the key goes to a host that nobody named in a setting."""
    head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {stub.base_url}/chat/completions\r\nContent-Length: 0\r\n\r\n"
    server = await respond(head.encode())
    client = EngineClient(settings_for(stub, vlm_port=server.sockets[0].getsockname()[1]))
    assert await failure(client) == "rejected"
    assert not stub.requests
    await client.close()
    server.close()


async def test_a_path_whose_answer_drips_is_late() -> None:
    """Each byte comes in time, the whole does not."""

    left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(OSError):
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        left.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    client = EngineClient(Settings(_env_file=None, vlm_engine="external", vlm_base_url=url))
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(EngineError) as caught:
            await client.get("/models", 0.5)
    assert caught.value.kind == "timeout"
    await client.close()
    await left.wait()
    server.close()


async def test_an_engine_that_is_not_there_is_unreachable(stub: StubEngine) -> None:
    client = EngineClient(settings_for(stub, vlm_port=free_port()))
    assert await failure(client) == "unreachable"
    await client.close()


async def test_a_connection_is_used_again_after_a_whole_answer_and_after_a_refusal() -> None:
    used: set[object] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        used.add(writer)
        for reply in (b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}", _ANSWER, _ANSWER):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(reply)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with StubEngine() as stub:
        client = EngineClient(settings_for(stub, vlm_port=port))
    assert await failure(client) == "busy"
    assert [await ask(client) for _ in range(2)] == ["read", "read"]
    await client.close()
    server.close()
    await asyncio.sleep(0.1)
    assert len(used) == 1


_BODY = b'{"choices": [{"message": {"content": "read"}, "finish_reason": "stop"}]}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"http_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, None),
        ({"all_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "engine.example"}, None),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "engine.example:8000"}, None),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "other.example"}, "http://proxy:3128"),
    ],
)
def test_the_environments_proxy(
    environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for("http://engine.example:8000/v1") == proxy


async def test_a_distant_engine_is_asked_by_the_proxy_and_a_near_one_is_not(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    distant = EngineClient(settings_for(stub, vlm_engine="external", vlm_base_url=stub.base_url))
    near = EngineClient(settings_for(stub))
    assert await failure(distant) == "unreachable"
    assert await ask(near) == "OCR:"
    await distant.close()
    await near.close()


async def test_the_engine_is_told_nothing_of_this_machine(stub: StubEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "private")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: private\nX-Team: private")
    client = EngineClient(settings_for(stub, vlm_engine="external", vlm_base_url=stub.base_url, vlm_api_key="the key"))
    assert await ask(client) == "OCR:"
    await client.close()
    assert {name.lower(): value for name, value in stub.requests[0].headers.items() if name != "Content-Length"} == {
        "host": f"127.0.0.1:{stub.port}",
        "authorization": "Bearer the key",
        "content-type": "application/json",
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "paddleocr-vl-service",
    }


async def test_a_key_that_no_header_can_hold_is_the_engines_to_refuse(stub: StubEngine) -> None:
    stub.script.append(Reply(status=401))
    client = EngineClient(settings_for(stub, vlm_engine="external", vlm_base_url=stub.base_url, vlm_api_key="ключ"))
    assert await failure(client) == "rejected"
    await client.close()


async def respond(reply: bytes) -> asyncio.Server:
    """A server that gives every request the same bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.write(reply)
        await reader.read()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


@pytest.mark.parametrize("charset", ["utf-16", "hex", "nonsense"])
async def test_a_refusal_in_a_charset_that_makes_no_sense(stub: StubEngine, charset: str) -> None:
    head = b"HTTP/1.1 400 Bad\r\nContent-Type: application/json; charset=%b\r\nContent-Length: 2\r\n\r\n"
    server = await respond(head % charset.encode() + b"{}")
    client = EngineClient(settings_for(stub, vlm_port=server.sockets[0].getsockname()[1]))
    assert await failure(client) == "rejected"
    await client.close()
    server.close()


async def test_an_answer_that_is_compressed_though_nobody_asked(stub: StubEngine) -> None:
    body = gzip.compress(_BODY)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    server = await respond(head % len(body) + body)
    client = EngineClient(settings_for(stub, vlm_port=server.sockets[0].getsockname()[1]))
    assert await ask(client) == "read"
    await client.close()
    server.close()


@pytest.mark.parametrize("events", [None, 1])
async def test_a_call_that_is_cancelled_stops_the_engines_work(stub: StubEngine, events: int | None) -> None:
    """Before the answer has begun, and in the middle of it."""
    stub.script.append(Reply("some words", hang=events is None, events=events, then="hang"))
    client = EngineClient(settings_for(stub))
    begun = asyncio.Event()
    request = ChatCompletionRequest("m", None, "data:,", "OCR:", 9, stream=True)
    call = asyncio.create_task(client.complete(request, 60, on_event=begun.set))
    await eventually(lambda: stub.running == 1)
    if events is not None:
        await begun.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await eventually(lambda: stub.aborted == 1)
    await client.close()


async def test_a_stream_that_falls_silent_is_late(stub: StubEngine) -> None:
    stub.script.append(Reply("some words", events=1, then="hang"))
    client = EngineClient(settings_for(stub))
    with pytest.raises(EngineError) as caught:
        await client.complete(ChatCompletionRequest("m", None, "data:,", "OCR:", 9, stream=True), 0.5)
    assert caught.value.kind == "timeout"
    await client.close()


async def test_a_stream_ends_with_its_last_event() -> None:
    """Though the engine keeps the connection open, and the body without an end."""
    left = asyncio.Event()

    async def keep_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        choice = b'{"index": 0, "delta": {"content": "word"}, "finish_reason": "stop"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        writer.write(b'data: {"id": "1", "model": "m", "choices": [' + choice + b"]}\n\ndata: [DONE]\n\n")
        await writer.drain()
        while await reader.read(1024):
            pass
        writer.close()
        left.set()

    server = await asyncio.start_server(keep_open, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    client = EngineClient(Settings(_env_file=None, vlm_engine="external", vlm_base_url=url))
    answer = await client.complete(ChatCompletionRequest("m", None, "data:,", "OCR:", 9, stream=True), WAIT_S)
    assert answer.text == "word"
    await left.wait()
    await client.close()
    server.close()
