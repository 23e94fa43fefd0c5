from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gateway.assembly.page import assemble_page
from gateway.errors import ServiceError
from gateway.model import PageFailure, PageImage, PageResult, Pixels, Region
from gateway.parts import Parts
from gateway.pipeline import PAGES_AHEAD, read_pages
from gateway.reading_options import OcrOptions
from gateway.recognized_page import RecognizedPage
from gateway.scheduling.fair_semaphore import BATCH, Flow
from tests.support.fakes import FakeDocument, FakeLayout, blank, text_regions
from tests.support.parts import parts_for
from tests.support.stub_engine import Reply, StubEngine, StubRequest
from tests.support.waiting import WAIT_S, eventually
from vlm_backend.settings import Settings as TierSettings
from vlm_backend.status import describe_process, write_status

PLAIN = OcrOptions()


def in_(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def read_all(
    parts: Parts,
    document: FakeDocument,
    options: OcrOptions = PLAIN,
    within_s: float = WAIT_S,
) -> list[RecognizedPage]:
    return [page async for page in read_pages(parts, document, options, in_(within_s))]


async def test_a_document_becomes_pages_with_a_block_for_each_region(stub: StubEngine) -> None:
    stub.answer = lambda request: Reply(f"<{request.prompt}>")
    regions = [Region("text", (0, 0, 90, 40), 1, 0.9), Region("table", (0, 50, 90, 90), 2, 0.8)]
    async with parts_for(stub, regions=regions) as parts:
        pages = await read_all(parts, FakeDocument(pages_total=2))
    assert [page.result.page for page in pages] == [1, 2]
    assert [page.result.status for page in pages] == ["ok", "ok"]
    first = pages[0]
    assert [block.label for block in first.result.blocks] == ["text", "table"]
    assert first.result.blocks[0].content == "<OCR:>"
    assert (first.result.width, first.result.height, first.result.dpi) == (400, 300, 144)
    assert (first.usage.pages, first.usage.regions, first.usage.prompt_tokens, first.usage.completion_tokens) == (
        *(1, 2),
        *(20, 4),
    )
    assert sorted(stub.prompts) == ["OCR:", "OCR:", "Table Recognition:", "Table Recognition:"]


async def test_other_work_goes_on_while_a_page_is_assembled(stub: StubEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slowly(*of_the_page: Any) -> PageResult:  # noqa: ANN401 - as the real one takes them
        begun.set()
        assert may_end.wait(WAIT_S), "nothing else ran meanwhile"
        return assemble_page(*of_the_page)

    monkeypatch.setattr("gateway.recognized_page.assemble_page", slowly)
    async with parts_for(stub) as parts:
        reading = asyncio.create_task(read_all(parts, FakeDocument()))
        await eventually(begun.is_set)
        may_end.set()
        [page] = await reading
    assert page.result.status == "ok"


async def test_one_failing_region_costs_its_block_only(stub: StubEngine) -> None:
    stub.answer = lambda request: Reply(status=400) if request.prompt.startswith("Table") else Reply("kept")
    regions = [*text_regions(2), Region("table", (0, 100, 90, 140), 3), Region("text", (0, 150, 90, 190), 4)]
    async with parts_for(stub, regions=regions) as parts:
        [page] = await read_all(parts, FakeDocument())
    assert [block.status for block in page.result.blocks] == ["ok", "ok", "failed", "ok"]
    assert page.result.status == "partial"
    assert page.result.markdown.count("kept") == 3
    [warning] = page.result.warnings
    assert warning.startswith("page 1: block p1-b3 (table) failed: ")


async def test_a_truncated_reading_is_kept_and_named(stub: StubEngine) -> None:
    stub.script.append(Reply("the beginning", finish_reason="length"))
    async with parts_for(stub, regions=text_regions(1)) as parts:
        [page] = await read_all(parts, FakeDocument())
    assert (page.result.blocks[0].status, page.result.blocks[0].content) == ("truncated", "the beginning")
    assert page.result.status == "partial"
    assert "p1-b1" in page.result.warnings[0]


async def test_pages_come_in_order_though_later_ones_finish_first(stub: StubEngine) -> None:
    layout = FakeLayout(text_regions(1), delay_s=lambda number: 0.3 if number == 1 else 0)
    async with parts_for(stub, layout) as parts:
        pages = await read_all(parts, FakeDocument(pages_total=4))
    assert [page.result.page for page in pages] == [1, 2, 3, 4]
    assert layout.seen[0] == 1


async def test_a_page_comes_while_later_ones_are_still_read(stub: StubEngine) -> None:
    gate = threading.Event()
    layout = FakeLayout(by_page={1: text_regions(1), 2: [Region("table", (0, 0, 90, 90), 1)]})
    stub.answer = lambda request: Reply(after=gate) if request.prompt.startswith("Table") else Reply("first")
    async with parts_for(stub, layout) as parts:
        pages = read_pages(parts, FakeDocument(pages_total=2), OcrOptions(), in_(30))
        assert (await anext(pages)).result.page == 1
        gate.set()
        assert [page.result.page async for page in pages] == [2]


async def test_calls_of_a_page_do_not_wait_for_the_layout_of_others(stub: StubEngine) -> None:
    layout = FakeLayout(text_regions(1), delay_s=lambda number: 0 if number == 1 else 3600)
    async with (
        parts_for(stub, layout) as parts,
        aclosing(read_pages(parts, FakeDocument(pages_total=2), OcrOptions(), in_(WAIT_S))) as pages,
    ):
        assert (await anext(pages)).result.page == 1


async def test_pages_that_fail_are_given_as_failed_and_the_rest_goes_on(stub: StubEngine) -> None:
    layout = FakeLayout(by_page={1: text_regions(1), 3: RuntimeError("secret"), 4: text_regions(1)})
    async with parts_for(stub, layout) as parts:
        pages = await read_all(parts, FakeDocument(pages_total=4, failing=frozenset({2})))
    assert [page.result.status for page in pages] == ["ok", "failed", "failed", "ok"]
    assert "page 2: page_unreadable" in pages[1].result.warnings[0]
    assert "page 3: layout_failed" in pages[2].result.warnings[0]
    assert "secret" not in pages[2].result.warnings[0]


async def test_a_page_without_regions_is_an_empty_page(stub: StubEngine) -> None:
    async with parts_for(stub, regions=[]) as parts:
        [page] = await read_all(parts, FakeDocument())
    assert (page.result.status, page.result.markdown, page.usage.regions) == ("ok", "", 0)


async def test_an_error_of_the_document_itself_reaches_the_caller(stub: StubEngine) -> None:
    class Broken(FakeDocument):
        async def pages(self) -> AsyncIterator[PageImage | PageFailure]:
            yield PageImage(1, blank())
            raise ServiceError(422, "document_crashed", "It crashed.")

    async with parts_for(stub) as parts:
        with pytest.raises(ServiceError, match="It crashed"):
            await read_all(parts, Broken(pages_total=2))
    assert (parts.queue.running, parts.queue.waiting) == (0, 0)


async def test_pictures_are_cut_and_not_read(stub: StubEngine) -> None:
    regions = [*text_regions(1), Region("image", (10, 100, 110, 150), 2), Region("chart", (10, 200, 60, 250), 3)]
    async with parts_for(stub, regions=regions) as parts:
        [page] = await read_all(parts, FakeDocument())
        [bare] = await read_all(parts, FakeDocument(), OcrOptions(images="none"))
    assert [block.status for block in page.result.blocks] == ["ok", "skipped", "skipped"]
    assert page.result.status == "ok"
    assert (page.usage.regions, bare.images) == (1, {})
    assert all(key in page.result.markdown for key in page.images)
    sizes = [Image.open(BytesIO(data)).size for data in page.images.values()]
    assert sizes == [(100, 50), (50, 50)]


async def test_a_task_for_the_whole_image_needs_no_layout(stub: StubEngine) -> None:
    layout = FakeLayout(by_page={1: RuntimeError("not to be asked")})
    async with parts_for(stub, layout) as parts:
        [page] = await read_all(parts, FakeDocument(width=640, height=480), OcrOptions(task="chart"))
    assert stub.prompts == ["Chart Recognition:"]
    assert stub.requests[0].size == (640, 480)
    assert [(block.label, block.bbox) for block in page.result.blocks] == [("chart", (0, 0, 640, 480))]
    assert (layout.seen, page.images) == ([], {})


async def test_crops_are_scaled_for_paddleocr_vl_only() -> None:
    regions = [Region("text", (0, 0, 1400, 1000), 1)]
    areas = {}
    for kind in ("vllm", "embedded"):
        with StubEngine(kind=kind) as stub:
            async with parts_for(stub, regions=regions) as parts:
                await read_all(parts, FakeDocument(width=1500, height=1100))
            width, height = stub.requests[0].size
            areas[kind] = width * height
    assert areas["embedded"] == 1400 * 1000
    assert areas["vllm"] <= 1_003_520


async def test_a_picture_in_a_table_stands_in_its_cell_with_paddleocr_vl_and_by_itself_without() -> None:
    regions = [Region("table", (0, 0, 390, 290), 1), Region("image", (50, 50, 150, 120), 2)]
    shown = {}
    for kind in ("vllm", "embedded"):
        with StubEngine(kind=kind) as stub:
            stub.answer = lambda _request: Reply("<fcel>Logo<fcel>[F2]<nl>")
            async with parts_for(stub, regions=regions) as parts:
                [page] = await read_all(parts, FakeDocument())
        shown[kind] = [block.label for block in page.result.blocks]
        assert len(page.images) == 1
        assert page.result.markdown.count(next(iter(page.images))) == 1
    assert shown == {"vllm": ["table"], "embedded": ["table", "image"]}


COLUMNS = [Region("text", (0, 0, 180, 200), 1), Region("text", (200, 0, 380, 100), 2)]


async def test_a_paragraph_over_two_columns_is_read_in_one_call_by_paddleocr_vl() -> None:
    with StubEngine(kind="vllm") as stub:
        async with parts_for(stub, regions=COLUMNS) as parts:
            [page] = await read_all(parts, FakeDocument(), OcrOptions(min_pixels=784))
            [alone] = await read_all(parts, FakeDocument(), OcrOptions(merge_blocks=False))
    first, second = page.result.blocks
    assert stub.requests[0].size == (180, 300)
    assert (first.content, second.content) == ("OCR:", "")
    assert first.group_id == second.group_id == first.id
    assert (page.usage.regions, page.usage.prompt_tokens, page.result.markdown) == (1, 10, "OCR:")
    assert [(block.content, block.group_id) for block in alone.result.blocks] == [("OCR:", None)] * 2


async def test_pp_ocr_reads_each_paragraph_by_itself() -> None:
    with StubEngine(kind="embedded") as stub:
        async with parts_for(stub, regions=COLUMNS) as parts:
            [page] = await read_all(parts, FakeDocument())
    assert [block.content for block in page.result.blocks] == ["OCR:", "OCR:"]


async def test_a_group_that_could_not_be_read_costs_all_its_blocks() -> None:
    with StubEngine(kind="vllm", answer=lambda _request: Reply(status=400)) as stub:
        async with parts_for(stub, regions=COLUMNS) as parts:
            [page] = await read_all(parts, FakeDocument())
    assert [block.status for block in page.result.blocks] == ["failed", "failed"]
    assert len(page.result.warnings) == 2


async def test_an_engine_killed_in_the_middle_loses_nothing(stub: StubEngine) -> None:
    stub.delay_s = 0.02
    async with parts_for(stub, regions=text_regions(5), max_concurrent_regions=4) as parts:
        reading = asyncio.create_task(read_all(parts, FakeDocument(pages_total=8)))
        await eventually(lambda: len(stub.requests) > 12)
        stub.kill()
        await asyncio.sleep(0.5)
        stub.start()
        pages = await reading
    assert [page.result.status for page in pages] == ["ok"] * 8
    assert sum(len(page.result.blocks) for page in pages) == 40


async def test_the_deadline_ends_the_document_and_frees_the_engine(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(hang=True)
    document = FakeDocument(pages_total=6)
    async with parts_for(stub) as parts:
        with pytest.raises(ServiceError) as ended:
            await read_all(parts, document, within_s=0.4)
        assert (ended.value.status, ended.value.code) == (504, "deadline_exceeded")
        await eventually(lambda: stub.running == 0)
        assert (parts.queue.running, parts.queue.waiting) == (0, 0)
    await eventually(lambda: document.live == 0)


async def test_pixels_of_a_page_that_is_cut_off_are_no_garbage_that_waits(stub: StubEngine) -> None:
    document, layout = FakeDocument(pages_total=2), FakeLayout(text_regions(1), delay_s=lambda _number: 3600)
    gc.collect()
    gc.disable()
    try:
        async with parts_for(stub, layout) as parts:
            reading = asyncio.create_task(read_all(parts, document))
            await eventually(lambda: document.live)
            reading.cancel()
            await asyncio.wait([reading])
            await eventually(lambda: document.live == 0)
    finally:
        gc.enable()


async def test_pages_done_before_the_deadline_are_given(stub: StubEngine) -> None:
    layout = FakeLayout(text_regions(1), delay_s=lambda number: 0 if number < 3 else 3600)
    async with parts_for(stub, layout) as parts:
        pages = read_pages(parts, FakeDocument(pages_total=3), OcrOptions(), in_(2))
        assert [(await anext(pages)).result.page, (await anext(pages)).result.page] == [1, 2]
        with pytest.raises(ServiceError, match="deadline"):
            await anext(pages)


@pytest.mark.parametrize("way", ["close", "cancel"])
async def test_leaving_early_drops_queued_calls_and_closes_running_ones(stub: StubEngine, way: str) -> None:
    stub.answer = lambda _request: Reply(hang=True)
    async with parts_for(stub, regions=text_regions(6), max_concurrent_regions=2) as parts:
        pages = read_pages(parts, FakeDocument(pages_total=10), OcrOptions(), in_(WAIT_S))
        first = asyncio.create_task(anext(pages))
        await eventually(lambda: stub.running == 2 and parts.queue.waiting > 2)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        if way == "close":
            await pages.aclose()
        assert (parts.queue.running, parts.queue.waiting) == (0, 0)
        await eventually(lambda: stub.running == 0)
        asked = len(stub.requests)
        await asyncio.sleep(0.1)
        assert len(stub.requests) == asked


async def test_closing_between_two_pages_ends_the_rest(stub: StubEngine) -> None:
    layout = FakeLayout(by_page={1: text_regions(1), 2: [Region("table", (0, 0, 90, 90), 1)]})
    stub.answer = lambda request: Reply(hang=request.prompt.startswith("Table"))
    async with parts_for(stub, layout) as parts:
        async with aclosing(read_pages(parts, FakeDocument(pages_total=2), OcrOptions(), in_(WAIT_S))) as pages:
            await anext(pages)
        await eventually(lambda: stub.running == 0)
        assert (parts.queue.running, parts.queue.waiting) == (0, 0)


@pytest.mark.parametrize("in_flight", [1, 3])
async def test_no_more_pages_hold_pixels_than_allowed(stub: StubEngine, in_flight: int) -> None:
    layout = FakeLayout(text_regions(3), delay_s=lambda _number: 0.005)
    document = FakeDocument(pages_total=20)
    async with parts_for(stub, layout, pages_in_flight=in_flight) as parts:
        await read_all(parts, document)
    assert document.most_live <= 2 * in_flight, "a thread may let go of the page it has just cut a moment later"
    await eventually(lambda: document.live == 0)


async def test_pixels_are_freed_while_the_calls_of_their_page_still_wait(stub: StubEngine) -> None:
    gate = threading.Event()
    stub.answer = lambda _request: Reply(after=gate)
    document = FakeDocument(pages_total=5)
    async with parts_for(stub, regions=text_regions(3), max_concurrent_regions=1, pages_in_flight=2) as parts:
        reading = asyncio.create_task(read_all(parts, document))
        await eventually(lambda: parts.queue.waiting == 5)
        await eventually(lambda: document.live == 0)
        gate.set()
        assert len(await reading) == 5


async def test_a_document_waits_for_room_in_the_queue_instead_of_failing(stub: StubEngine) -> None:
    most_waiting = 0

    def answer(_request: StubRequest) -> Reply:
        nonlocal most_waiting
        most_waiting = max(most_waiting, parts.queue.waiting)
        return Reply(delay_s=0.002)

    stub.answer = answer
    document = FakeDocument(pages_total=10)
    async with parts_for(
        stub, regions=text_regions(5), max_queued_regions=4, max_concurrent_regions=2, pages_in_flight=2
    ) as parts:
        pages = await read_all(parts, document)
    assert [page.result.status for page in pages] == ["ok"] * 10
    assert most_waiting <= 5, "a page's calls wait together"
    assert stub.most_running <= 2
    assert document.most_live <= 4


async def test_an_interactive_document_overtakes_a_batch(stub: StubEngine) -> None:
    gate = threading.Event()
    stub.answer = lambda _request: Reply(after=gate)
    async with parts_for(stub, regions=text_regions(4), max_concurrent_regions=1) as parts:
        batch = read_pages(parts, FakeDocument(pages_total=5), OcrOptions(), in_(WAIT_S), flow=Flow(BATCH))
        batch_read = asyncio.create_task(anext(batch))
        await eventually(lambda: parts.queue.waiting == 15)
        quick = asyncio.create_task(read_all(parts, FakeDocument(), OcrOptions(task="table")))
        await eventually(lambda: parts.queue.waiting == 16)
        gate.set()
        await quick
        assert stub.prompts.index("Table Recognition:") == 1
        await batch_read
        await batch.aclose()


@pytest.mark.parametrize("takes_priority", [True, False])
async def test_an_engine_that_takes_priorities_hears_of_batches_and_pages(tmp_path: Path, takes_priority: bool) -> None:
    with StubEngine(kind="vllm") as stub:
        tier = TierSettings.model_validate({"vlm_port": stub.port, "temp_dir": tmp_path})
        write_status(tier, describe_process("starting", "vllm", "", takes_priority=takes_priority))
        async with parts_for(stub, regions=text_regions(1), temp_dir=tmp_path) as parts:
            pages = read_pages(parts, FakeDocument(pages_total=90), OcrOptions(), in_(WAIT_S), flow=Flow(BATCH))
            batch = [page.result.page async for page in pages]
            of_batch = [request.body.get("priority", 0) for request in stub.requests]
            await read_all(parts, FakeDocument())
    of_other = stub.requests[-1].body.get("priority", 0)
    assert len(batch) == len(of_batch) == 90
    if takes_priority:
        assert 0 < of_other < min(of_batch), "a batch stands behind those who come soon after it"
        assert of_batch[-1] > of_batch[0]
    else:
        assert {of_other, *of_batch} == {0}


async def test_a_client_that_takes_no_pages_stops_its_document(stub: StubEngine) -> None:
    document = FakeDocument(pages_total=PAGES_AHEAD + 40)
    async with parts_for(stub, regions=[]) as parts:
        async with aclosing(read_pages(parts, document, OcrOptions(), in_(WAIT_S))) as pages:
            await anext(pages)
            await asyncio.sleep(0.2)
            assert document.delivered <= PAGES_AHEAD + 1
        assert len(await read_all(parts, FakeDocument(pages_total=PAGES_AHEAD + 40))) == PAGES_AHEAD + 40


async def test_a_client_that_takes_pages_too_slowly_hears_of_the_deadline(stub: StubEngine) -> None:
    async def read_slowly() -> None:
        pages = read_pages(parts, FakeDocument(pages_total=PAGES_AHEAD + 40), OcrOptions(), in_(2))
        async for page in pages:
            if page.result.page == 1:
                await asyncio.sleep(2)

    async with parts_for(stub, regions=[]) as parts:
        with pytest.raises(ServiceError, match="deadline"):
            await read_slowly()


async def test_a_full_queue_refuses_a_new_document_and_spares_those_in_work(stub: StubEngine) -> None:
    gate = threading.Event()
    stub.answer = lambda _request: Reply(after=gate)
    async with parts_for(stub, regions=text_regions(6), max_queued_regions=3, max_concurrent_regions=1) as parts:
        with parts.queue.admit(Flow()):
            reading = asyncio.create_task(read_all(parts, FakeDocument(pages_total=2)))
            await eventually(lambda: parts.queue.waiting == 5)
            with pytest.raises(ServiceError) as refused, parts.queue.admit(Flow()):
                pass
            assert (refused.value.status, refused.value.code) == (429, "queue_full")
            gate.set()
            assert [page.result.status for page in await reading] == ["ok", "ok"]
        with parts.queue.admit(Flow()):
            async with parts.queue.run_slot(Flow()):
                assert parts.queue.running == 1


async def test_only_a_vlms_readings_are_cleaned_as_such(stub: StubEngine) -> None:
    stub.answer = lambda request: Reply(r"for \(x\)" + " and so on" * 100, finish_reason="length")
    async with parts_for(stub, regions=text_regions(1)) as parts:
        monitor = parts.engine.endpoints[0].monitor
        monitor.kind = "external"
        [external] = await read_all(parts, FakeDocument())
        monitor.kind = "embedded"
        [embedded] = await read_all(parts, FakeDocument())
    assert external.result.blocks[0].content == "for $x$ and so on"
    assert "repeated itself" in external.result.warnings[0]
    assert embedded.result.blocks[0].content == r"for \(x\)" + " and so on" * 100


async def test_blocks_that_stay_below_the_confidence_asked_for_are_named(stub: StubEngine) -> None:
    stub.script.append(Reply("unsure", logprobs=(-2.0,)))
    async with parts_for(stub, regions=text_regions(2)) as parts:
        [page] = await read_all(parts, FakeDocument(), OcrOptions(min_confidence=0.5))
    assert (page.result.status, len(stub.requests)) == ("ok", 2)
    [warning] = page.result.warnings
    assert "confidence 0.14 is below 0.5" in warning


async def test_a_page_that_lies_on_its_side_is_read_upright_where_that_is_asked_for(stub: StubEngine) -> None:
    async with parts_for(stub, regions=[Region("image", (0, 0, 300, 100), 1)]) as parts:
        lying = replace(parts, orientation=lambda _pixels: 90)
        [kept] = await read_all(lying, FakeDocument(width=400, height=300))
        [page] = await read_all(lying, FakeDocument(width=400, height=300), OcrOptions(orientation=True))
    assert (kept.result.width, kept.result.height, kept.result.angle) == (400, 300, None)
    assert (page.result.width, page.result.height, page.result.angle) == (300, 400, 90)
    assert page.result.warnings == []
    with Image.open(BytesIO(next(iter(page.images.values())))) as picture:
        assert picture.size == (300, 100)


async def test_a_page_whose_orientation_cannot_be_told_is_read_as_it_stands(stub: StubEngine) -> None:
    def broken(_pixels: Pixels) -> int:
        raise RuntimeError("secret")

    async with parts_for(stub) as parts:
        options = OcrOptions(orientation=True)
        [page] = await read_all(replace(parts, orientation=broken), FakeDocument(), options)
    assert (page.result.status, page.result.angle, len(page.result.blocks)) == ("ok", None, 2)
    [warning] = page.result.warnings
    assert warning.startswith("page 1: its orientation")
    assert "secret" not in warning


async def test_what_a_picture_lacks_makes_its_page_partial(stub: StubEngine) -> None:
    class Drawn(FakeDocument):
        async def pages(self) -> AsyncIterator[PageImage | PageFailure]:
            async for page in super().pages():
                assert isinstance(page, PageImage)
                lacks = page.number == 2
                yield replace(page, warnings=("drawn small", "letters are missing")[: 1 + lacks], is_partial=lacks)

    async with parts_for(stub) as parts:
        first, second = await read_all(parts, Drawn(pages_total=2), OcrOptions())
    assert (first.result.status, first.result.warnings) == ("ok", ["page 1: drawn small"])
    assert second.result.status == "partial"
    assert second.result.warnings == ["page 2: drawn small", "page 2: letters are missing"]
