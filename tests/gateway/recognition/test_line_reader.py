"""Two engines: a VLM, and the embedded one beside it that is asked for easy text first."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gateway.errors import ServiceError
from gateway.imaging.crops import Crop
from gateway.model import BBox, PageResult, Pixels, Region
from gateway.parts import Parts
from gateway.pipeline import read_pages
from gateway.reading_options import OcrOptions
from tests.support.fakes import FakeDocument, FakeLayout
from tests.support.parts import parts_for
from tests.support.ports import free_port
from tests.support.script_pages import FONT
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import WAIT_S, eventually

HYBRID = OcrOptions(recognition="hybrid", merge_blocks=False)
BOX = (10, 40, 310, 70)
TEXT, TABLE = Region("text", BOX, 1, 0.9), Region("table", (10, 90, 310, 200), 2, 0.9)


@pytest.fixture
def vlm() -> Iterator[StubEngine]:
    with StubEngine(kind="vllm", answer=lambda _request: Reply("by the VLM")) as engine:
        yield engine


def answer(text: str, least: float = 0.99, boxes: Sequence[BBox] = ((0, 0, 90, 20),)) -> Reply:
    """The embedded engine's, of a line of this text in each box of the crop."""
    line = {"text": text, "confidence": 0.99, "least_confidence": least, "words": []}
    lines = [{**line, "bbox": box} for box in boxes]
    message = {"role": "assistant", "content": text, "refusal": None, "lines": lines, "noise": 0}
    usage = {"prompt_tokens": 0, "completion_tokens": len(text)}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return Reply(raw=json.dumps({"model": "stub-model", "choices": [choice], "usage": usage}))


@asynccontextmanager
async def two_engines(
    vlm: StubEngine,
    embedded_port: int,
    *regions: Region,
    **changes: Any,  # noqa: ANN401 - settings
) -> AsyncIterator[Parts]:
    layout = FakeLayout(list(regions), lines=None)
    names = {"line_reader_port": embedded_port, "line_reader_timeout_s": WAIT_S, **changes}
    async with parts_for(vlm, layout, **names) as parts:
        assert parts.line_reader is not None
        await parts.line_reader.engine.start()
        try:
            yield parts
        finally:
            await parts.line_reader.engine.close()


async def read(parts: Parts, options: OcrOptions = HYBRID, document: FakeDocument | None = None) -> PageResult:
    deadline = asyncio.get_running_loop().time() + WAIT_S
    [page] = [page async for page in read_pages(parts, document or FakeDocument(), options, deadline)]
    return page.result


async def wait_for_line_reader(parts: Parts) -> None:
    assert parts.line_reader is not None
    assert await parts.line_reader.engine.wait_ready(WAIT_S)


async def test_easy_text_is_read_by_the_embedded_engine_alone(vlm: StubEngine, stub: StubEngine) -> None:
    stub.answer = lambda _request: answer("by PP-OCR")
    async with two_engines(vlm, stub.port, TEXT, TABLE) as parts:
        await wait_for_line_reader(parts)
        page = await read(parts)
    assert [(block.content, block.engine) for block in page.blocks] == [
        ("by PP-OCR", "embedded"),
        ("by the VLM", "vllm"),
    ]
    assert {block.source for block in page.blocks} == {"engine"}
    assert (page.usage.regions, page.usage.line_reader_calls) == (1, 1)
    assert page.usage.completion_tokens == 3, "the words of the VLM alone: the embedded engine counts characters"
    assert vlm.prompts == ["Table Recognition:"]


async def test_text_that_is_not_easy_is_read_by_the_vlm(vlm: StubEngine, stub: StubEngine) -> None:
    stub.answer = lambda _request: answer("by PP-0CR", least=0.5)
    async with two_engines(vlm, stub.port, TEXT) as parts:
        await wait_for_line_reader(parts)
        page = await read(parts)
    assert [(block.content, block.engine) for block in page.blocks] == [("by the VLM", "vllm")]
    assert (page.usage.regions, page.usage.line_reader_calls) == (1, 1)


async def test_the_vlm_reads_all_unless_hybrid_is_asked_for(vlm: StubEngine, stub: StubEngine) -> None:
    stub.answer = lambda _request: answer("by PP-OCR")
    async with two_engines(vlm, stub.port, TEXT) as parts:
        await wait_for_line_reader(parts)
        page = await read(parts, OcrOptions())
    assert [block.engine for block in page.blocks] == ["vllm"]
    assert page.usage.line_reader_calls == 0
    assert stub.prompts == []


async def test_parts_of_a_text_are_read_one_by_one_and_joined(vlm: StubEngine, stub: StubEngine) -> None:
    columns = Region("text", (10, 40, 150, 140), 1, 0.9), Region("text", (170, 40, 310, 140), 2, 0.9)
    stub.answer = lambda _request: answer(f"part {len(stub.requests)}")
    async with two_engines(vlm, stub.port, *columns) as parts:
        await wait_for_line_reader(parts)
        page = await read(parts, OcrOptions(recognition="hybrid"))
    assert [block.group_id for block in page.blocks] == ["p1-b1", "p1-b1"]
    assert sorted(page.blocks[0].content.split("\n")) == ["part 1", "part 2"]
    assert (page.usage.regions, page.usage.line_reader_calls) == (0, 2)


@pytest.mark.parametrize("reply", [Reply(status=400), Reply(raw="{}"), Reply(text="no lines are told")])
async def test_nothing_is_lost_where_the_embedded_engine_fails(vlm: StubEngine, stub: StubEngine, reply: Reply) -> None:
    stub.answer = lambda _request: reply
    async with two_engines(vlm, stub.port, TEXT) as parts:
        await wait_for_line_reader(parts)
        page = await read(parts)
    assert (page.status, [block.content for block in page.blocks]) == ("ok", ["by the VLM"])


async def test_nothing_is_lost_where_the_embedded_engine_is_away(vlm: StubEngine) -> None:
    async with two_engines(vlm, free_port(), TEXT) as parts:
        page = await read(parts)
    assert (page.status, [block.content for block in page.blocks]) == ("ok", ["by the VLM"])
    assert page.usage.line_reader_calls == 0


async def test_the_vlm_reads_what_the_embedded_engine_is_too_slow_for(vlm: StubEngine, stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(hang=True)
    async with two_engines(vlm, stub.port, TEXT, line_reader_timeout_s=0.1) as parts:
        await wait_for_line_reader(parts)
        page = await read(parts)
        await eventually(lambda: stub.aborted == 1)
        assert parts.line_reader is not None
        assert (parts.line_reader.calls, parts.line_reader.taken, parts.line_reader.late) == (1, 0, 1)
    assert [block.content for block in page.blocks] == ["by the VLM"]
    assert (page.usage.regions, page.usage.line_reader_calls) == (1, 1)


async def test_an_engine_that_was_too_slow_is_not_waited_for_again(vlm: StubEngine, stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(hang=True)
    async with two_engines(vlm, stub.port, TEXT, line_reader_timeout_s=0.2) as parts:
        await wait_for_line_reader(parts)
        calls = [(await read(parts)).usage.line_reader_calls for _ in range(3)]
    assert calls == [1, 0, 0]


async def test_a_text_that_gets_no_turn_is_late_and_no_call(vlm: StubEngine, stub: StubEngine) -> None:
    async with two_engines(vlm, stub.port, TEXT, line_reader_timeout_s=0.2) as parts:
        await wait_for_line_reader(parts)
        assert parts.line_reader is not None
        parts.line_reader.queue.in_flight.resize(0, 0)
        page = await read(parts)
        assert (parts.line_reader.calls, parts.line_reader.late) == (0, 1)
    assert [block.content for block in page.blocks] == ["by the VLM"]
    assert page.usage.line_reader_calls == len(stub.requests) == 0


class PrintedPage(FakeDocument):
    """A page with two lines of print in the region that stands there."""

    region = Region("text", (10, 20, 390, 120), 1, 0.9)
    lines: tuple[BBox, ...] = (10, 10, 340, 40), (10, 60, 340, 90)
    """Where they stand in the region."""

    def _pixels(self) -> Pixels:
        image = Image.new("RGB", (400, 300), "white")
        for _, top, _, _ in self.lines:
            draw = ImageDraw.Draw(image)
            draw.text((20, 20 + top), "on three hundred days", font=ImageFont.truetype(FONT, 30), fill="black")
        return np.asarray(image)


@pytest.mark.parametrize(("seen", "reader"), [(2, "embedded"), (1, "vllm")])
async def test_lines_that_the_embedded_engine_has_not_seen_are_not_lost(
    vlm: StubEngine, stub: StubEngine, seen: int, reader: str
) -> None:
    stub.answer = lambda _request: answer("on three hundred days", boxes=PrintedPage.lines[:seen])
    async with two_engines(vlm, stub.port, PrintedPage.region) as parts:
        await wait_for_line_reader(parts)
        page = await read(parts, document=PrintedPage())
    assert [block.engine for block in page.blocks] == [reader]


async def test_the_second_crop_does_not_wait_for_the_vlm_too(vlm: StubEngine, stub: StubEngine) -> None:
    stub.answer = lambda _request: answer("by PP-0CR", least=0.5)
    vlm.answer = lambda _request: Reply(hang=True)
    async with two_engines(vlm, stub.port, TEXT) as parts:
        await wait_for_line_reader(parts)
        others = find_crops()
        reading = asyncio.create_task(read(parts))
        await eventually(lambda: vlm.running == 1)
        crops = [one for one in find_crops() if not any(one is other for other in others)]
        reading.cancel()
        await asyncio.wait([reading])
    assert not crops


def find_crops() -> list[Crop]:
    """Those for the line reader that lie in memory: the VLM's are scaled, so that their place is not known."""
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is Crop and one.placement]


async def test_the_key_of_an_engine_elsewhere_stays_there(vlm: StubEngine, stub: StubEngine) -> None:
    stub.answer = lambda _request: answer("by PP-OCR")
    elsewhere = {"vlm_engine": "external", "vlm_base_url": vlm.base_url}
    async with two_engines(vlm, stub.port, TEXT, TABLE, vlm_api_key="the-key", **elsewhere) as parts:
        await wait_for_line_reader(parts)
        await read(parts)
    assert [request.headers["Authorization"] for request in vlm.requests] == ["Bearer the-key"]
    assert stub.requests
    assert not any("the-key" in " ".join(request.headers.values()) for request in stub.requests)


async def test_hybrid_is_refused_without_two_readers(vlm: StubEngine, stub: StubEngine) -> None:
    async with parts_for(vlm) as parts:
        with pytest.raises(ServiceError, match="here is none"):
            parts.require_recognition("hybrid")
        parts.require_recognition("vlm")
    async with parts_for(stub, line_reader_port=free_port()) as parts:
        with pytest.raises(ServiceError, match="here is no VLM"):
            parts.require_recognition("hybrid")
