from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.engine.errors import EngineError
from gateway.engine.sse import split_events

STREAM = (
    b'data: {"n": 1}\n\ndata: {"text": "a \\n\\n data: [DONE] \\"error\\" b"}\n\ndata: {"n": 3}\n\ndata: [DONE]\n\n'
)
EVENTS = STREAM.removesuffix(b"data: [DONE]\n\n")


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(data: bytes, size: int = 1000) -> list[bytes]:
    return [events async for events in split_events(pieces(data, size))]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
async def test_events_come_whole_and_unchanged_however_they_are_cut(size: int) -> None:
    found = await read(STREAM, size)
    assert b"".join(found) == EVENTS
    assert all(events.endswith(b"\n\n") for events in found)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
async def test_other_line_ends(size: int, line_end: bytes) -> None:
    assert b"".join(await read(STREAM.replace(b"\n", line_end) + b"\n", size)) == EVENTS


async def test_each_event_is_passed_on_as_soon_as_it_is_whole() -> None:
    async def halting() -> AsyncIterator[bytes]:
        yield b'data: {"n": 1}\n\ndata: {"n'
        raise AssertionError("asked for more")

    events = split_events(halting())
    assert await anext(events) == b'data: {"n": 1}\n\n'
    await events.aclose()


async def test_what_comes_after_the_end_is_not_passed_on() -> None:
    assert await read(b'data: {"n": 1}\n\ndata: [DONE]\n\ndata: {"n": 2}\n\n') == [b'data: {"n": 1}\n\n']
    assert await read(b'data:{"n": 1}\n\ndata:[DONE]\n\n') == [b'data: {"n": 1}\n\n']


async def test_a_stream_that_just_stops() -> None:
    assert await read(b'data: {"n": 1}\n\n') == [b'data: {"n": 1}\n\n']
    assert await read(b"") == []


async def test_comments_and_names_of_events_are_dropped() -> None:
    assert await read(b': secret comment\n\nid: 7\nevent: chunk\ndata: {"n": 1}\n\n') == [b'data: {"n": 1}\n\n']


@pytest.mark.parametrize(
    "data",
    [
        b'data: {"error": {"message": "secret"}}\n\n',
        b'data: {"id": "x", "error": "secret"}\n\n',
        b'data: {"error": {"message": "secret"}}\r\n\r\n',
        b'event: error\ndata: {"message": "secret"}\n\n',
        b'data: "secret"\n\n',
    ],
)
async def test_an_error_event_ends_the_stream_and_says_nothing(data: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        await read(b'data: {"n": 1}\n\n' + data)
    assert caught.value.kind == "server_error"
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("data", [b"data: {broken\n\n", b"data: <html>\n\n"])
async def test_events_that_are_no_json(data: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        await read(data)
    assert caught.value.kind == "invalid_response"


async def test_an_event_without_end_is_given_up() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 2**20

    with pytest.raises(EngineError) as caught:
        [events async for events in split_events(endless())]
    assert caught.value.kind == "invalid_response"
