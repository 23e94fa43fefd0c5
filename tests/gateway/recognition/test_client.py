from __future__ import annotations

import asyncio

import pytest

from gateway.recognition.client import proxy_for
from gateway.recognition.connection import EngineConnection
from gateway.recognition.failures import EngineFailure
from tests.support.parts import settings_for
from tests.support.stub_engine import Reply, StubEngine, free_port


async def ask(connection: EngineConnection, timeout_s: float = 10) -> str:
    answer = await connection.chat("m", None, "data:,", "OCR:", max_tokens=9, timeout_s=timeout_s)
    return answer.text


async def failure(connection: EngineConnection, timeout_s: float = 10) -> str:
    with pytest.raises(EngineFailure) as caught:
        await ask(connection, timeout_s)
    return caught.value.kind


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_distant_engine_is_asked_below_its_base_url_with_its_key(stub: StubEngine, slash: str) -> None:
    distant = {"vlm_engine": "external", "vlm_base_url": stub.base_url + slash, "vlm_api_key": "the key"}
    connection = EngineConnection(settings_for(stub, **distant))
    assert await ask(connection) == "OCR:"
    assert b"stub-model" in await connection.get("/models", 10)
    await connection.close()
    assert stub.requests[0].headers["Authorization"] == "Bearer the key"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=429), "busy"),
        (Reply(status=503), "busy"),
        (Reply(status=500), "broken"),
        (Reply(status=401), "rejected"),
        (Reply(status=400), "rejected"),
        (Reply(drop=True), "dropped"),
        (Reply(hang=True), "late"),
        (Reply(raw="<html>", content_type="text/html"), "garbled"),
    ],
)
async def test_what_can_go_wrong_is_told_apart(stub: StubEngine, reply: Reply, kind: str) -> None:
    connection = EngineConnection(settings_for(stub))
    stub.script.append(reply)
    assert await failure(connection, 0.5 if reply.hang else 10) == kind
    await connection.close()


async def test_an_engine_that_is_not_there_is_unreachable(stub: StubEngine) -> None:
    connection = EngineConnection(settings_for(stub, vlm_port=free_port()))
    assert await failure(connection) == "unreachable"
    await connection.close()


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
        connection = EngineConnection(settings_for(stub, vlm_port=port))
    assert await failure(connection) == "busy"
    assert [await ask(connection) for _ in range(2)] == ["read", "read"]
    await connection.close()
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
    distant = EngineConnection(settings_for(stub, vlm_engine="external", vlm_base_url=stub.base_url))
    near = EngineConnection(settings_for(stub))
    assert await failure(distant) == "unreachable"
    assert await ask(near) == "OCR:"
    await distant.close()
    await near.close()
