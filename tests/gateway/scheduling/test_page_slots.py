from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from gateway.errors import ServiceError
from gateway.model import PageFailure, PageImage, PageLayout, Pixels, Region
from gateway.pipeline import read_pages
from gateway.reading_options import LayoutOptions, OcrOptions
from gateway.scheduling.fair_semaphore import BATCH, INTERACTIVE, Flow, Priority
from gateway.scheduling.page_slots import PageSlots
from tests.support.fakes import FakeDocument, FakeLayout, blank, text_regions
from tests.support.parts import parts_for, settings_for
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import WAIT_S, eventually


class HeldLayout(FakeLayout):
    """Lays no page out before `gate` is set; `widths` are those of the pages, in the order in which they came."""

    def __init__(self, regions: Sequence[Region]) -> None:
        super().__init__(regions)
        self.gate = asyncio.Event()
        self.widths: list[int] = []

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        self.widths.append(page.width)
        await self.gate.wait()
        return await super().detect(page, options)


async def test_what_all_documents_hold_in_pixels_does_not_grow_with_them(stub: StubEngine) -> None:
    documents = [FakeDocument(pages_total=3) for _ in range(40)]
    layout = HeldLayout(text_regions(2))
    async with parts_for(stub, layout) as parts:

        async def read(document: FakeDocument) -> list[str]:
            deadline = asyncio.get_running_loop().time() + WAIT_S
            return [page.result.status async for page in read_pages(parts, document, OcrOptions(), deadline)]

        reading = [asyncio.create_task(read(document)) for document in documents]
        await eventually(lambda: bool(layout.widths))
        await asyncio.sleep(0.2)
        await eventually(lambda: len(layout.widths) == parts.slots.rendered)
        held = sum(document.live for document in documents)
        assert held == len(layout.widths) == parts.slots.rendered < len(documents)
        layout.gate.set()
        assert await asyncio.gather(*reading) == [["ok"] * 3] * 40
        assert parts.slots.rendered == 0
    assert sum(document.live for document in documents) == 0


async def test_a_page_that_somebody_waits_for_is_laid_out_before_those_of_batches(stub: StubEngine) -> None:
    batch_width, width = 300, 500
    layout = HeldLayout(text_regions(1))
    async with parts_for(stub, layout) as parts:

        async def read(document: FakeDocument, priority: Priority) -> None:
            deadline = asyncio.get_running_loop().time() + WAIT_S
            async for _ in read_pages(parts, document, OcrOptions(), deadline, flow=Flow(priority)):
                pass

        batches = [FakeDocument(pages_total=4, width=batch_width) for _ in range(30)]
        reading = [asyncio.create_task(read(document, BATCH)) for document in batches]
        await eventually(lambda: bool(layout.widths))
        await asyncio.sleep(0.1)
        await eventually(lambda: len(layout.widths) == parts.slots.rendered)
        before = len(layout.widths)
        reading.append(asyncio.create_task(read(FakeDocument(width=width), INTERACTIVE)))
        await asyncio.sleep(0.1)
        assert width not in layout.widths
        layout.gate.set()
        await asyncio.gather(*reading)
    assert layout.widths[before] == width


async def test_documents_that_wait_for_the_engine_keep_no_other_from_being_laid_out(stub: StubEngine) -> None:
    gate = threading.Event()
    stub.answer = lambda _request: Reply(after=gate)
    layout = FakeLayout(text_regions(6))
    async with parts_for(stub, layout, max_concurrent_regions=1) as parts:

        async def read() -> list[str]:
            deadline = asyncio.get_running_loop().time() + WAIT_S
            pages = read_pages(parts, FakeDocument(pages_total=2), OcrOptions(), deadline)
            return [page.result.status async for page in pages]

        reading = [asyncio.create_task(read()) for _ in range(20)]
        await eventually(lambda: len(layout.seen) == 40)
        await eventually(lambda: parts.slots.rendered == 0)
        gate.set()
        assert await asyncio.gather(*reading) == [["ok"] * 2] * 20


async def test_a_document_that_has_its_share_of_the_queue_keeps_no_other_from_being_laid_out(stub: StubEngine) -> None:
    gate = threading.Event()
    stub.answer = lambda _request: Reply(after=gate)
    layout = FakeLayout(text_regions(90))
    async with parts_for(stub, layout, max_concurrent_regions=1) as parts:
        deadline = asyncio.get_running_loop().time() + WAIT_S
        pages = read_pages(parts, FakeDocument(pages_total=5, height=9000), OcrOptions(), deadline)
        reading = asyncio.create_task(anext(pages))
        await eventually(lambda: parts.queue.waiting > 0 and parts.slots.rendered == 0)
        assert parts.queue.waiting < parts.settings.max_queued_regions
        gate.set()
        await reading
        await pages.aclose()


class EndsBadly(FakeDocument):
    """Its first page comes; then the render workers are gone."""

    async def pages(self) -> AsyncIterator[PageImage | PageFailure]:
        yield PageImage(1, blank(400, 300), dpi=144)
        raise ServiceError(503, "shutting_down", "The service is shutting down.")


async def test_documents_whose_pages_end_badly_keep_no_places(stub: StubEngine) -> None:
    async with parts_for(stub, regions=text_regions(1)) as parts:
        for _ in range(20):
            deadline = asyncio.get_running_loop().time() + WAIT_S
            with pytest.raises(ServiceError, match="shutting down"):
                async for _page in read_pages(parts, EndsBadly(pages_total=2), OcrOptions(), deadline):
                    pass
            await eventually(lambda: parts.slots.rendered == 0)


async def test_cutting_leaves_the_event_loop_a_core(stub: StubEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.scheduling.page_slots.available_cores", lambda: 3)
    slots, gate, begun = PageSlots(settings_for(stub)), threading.Event(), []

    def work(number: int) -> None:
        begun.append(number)
        gate.wait(WAIT_S)

    tasks = [asyncio.create_task(slots.run(Flow(), number, partial(work, number))) for number in range(5)]
    await eventually(lambda: len(begun) == 2)
    await asyncio.sleep(0.1)
    assert len(begun) == 2
    gate.set()
    await asyncio.gather(*tasks)
    slots.close()
    await eventually(lambda: not any(thread.name.startswith("pixels") for thread in threading.enumerate()))


@pytest.mark.parametrize("ending", ["left", "too late", "layout fails", "no page can be rendered"])
async def test_whatever_becomes_of_documents_their_places_are_free_again(stub: StubEngine, ending: str) -> None:
    failing = frozenset({1, 2, 3} if ending == "no page can be rendered" else ())
    layout: FakeLayout = HeldLayout(text_regions(1))
    if ending in ("layout fails", "no page can be rendered"):
        layout = FakeLayout(by_page={number: RuntimeError("no") for number in (1, 2, 3)})
    async with parts_for(stub, layout) as parts:

        async def read() -> None:
            within_s = 0.2 if ending == "too late" else WAIT_S
            deadline = asyncio.get_running_loop().time() + within_s
            async for _ in read_pages(parts, FakeDocument(pages_total=3, failing=failing), OcrOptions(), deadline):
                pass

        reading = [asyncio.create_task(read()) for _ in range(8)]
        if ending == "left":
            await eventually(lambda: parts.slots.rendered > 0)
            for task in reading:
                task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        await eventually(lambda: parts.slots.rendered == 0)


async def test_long_work_of_one_caller_leaves_room_to_others(stub: StubEngine) -> None:
    """Whatever it has sent: in the threads that cut, and at the layout."""
    slots, gate = PageSlots(settings_for(stub)), threading.Event()
    busy, other = Flow(caller="busy"), Flow(caller="other")
    try:
        held = [asyncio.create_task(slots.run(busy, page, gate.wait)) for page in range(20)]
        held += [asyncio.create_task(slots.run_layout(busy, page, 2, gate.wait)) for page in range(20)]
        await asyncio.sleep(0)
        async with asyncio.timeout(WAIT_S):
            assert await slots.run(other, 1, lambda: "cut") == "cut"
            assert await slots.run_layout(other, 1, 2, lambda: "laid out") == "laid out"
        assert not any(one.done() for one in held)
    finally:
        gate.set()
    await asyncio.gather(*held)
    slots.close()


async def test_pages_whose_lines_are_looked_for_keep_none_from_being_cut(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    async with parts_for(stub, FakeLayout(text_regions(1))) as parts:

        def lay_out(_pixels: Pixels) -> PageLayout:
            gate.wait(WAIT_S)
            return PageLayout(text_regions(1), ())

        monkeypatch.setattr(parts.ink, "lay_out", lay_out)

        async def read(options: OcrOptions) -> list[str]:
            deadline = asyncio.get_running_loop().time() + 2 * WAIT_S
            return [page.result.status async for page in read_pages(parts, FakeDocument(), options, deadline)]

        looked_for = [asyncio.create_task(read(OcrOptions(task="lines"))) for _ in range(3)]
        async with asyncio.timeout(WAIT_S / 2):
            assert await read(OcrOptions()) == ["ok"]
        assert not any(one.done() for one in looked_for)
        gate.set()
        assert await asyncio.gather(*looked_for) == [["ok"]] * 3
