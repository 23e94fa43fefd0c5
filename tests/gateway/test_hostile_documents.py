"""Regions and answers that no sane layout model or VLM gives, through the whole pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.imaging.crops import Crop
from gateway.model import Reading, Region
from gateway.pipeline import read_pages
from gateway.reading_options import OcrOptions
from gateway.recognition.reader import RegionReader
from gateway.recognized_page import RecognizedPage
from gateway.tasks import RegionTask
from tests.support.fakes import FakeDocument
from tests.support.parts import parts_for
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import WAIT_S

HUGE = 2**40
BOXES = [
    *((10, 10, 200, 100), (10, 10, 200, 100), (20, 20, 100, 60), (30, 30, 31, 31)),
    *((50, 50, 50, 50), (200, 100, 20, 10), (-300, -300, -200, -200), (-HUGE, 5, HUGE, 8), (900, 900, 1000, 1000)),
    *((0, 0, 400, 300), (0, 150, 400, 153), (399, 299, 400, 300)),
]
LABELS = ["text", "table", "display_formula", "seal", "chart", "image", "formula_number", "content", "doc_title"]
ANSWERS = [
    *("", " \n ", "\x00\x01\x02", "<table><tr><td>x", "<fcel>" * 3000, "<nl>" * 3000, "no table at all"),
    *("<html><body><script>alert(1)</script></body></html>", "\ud83d\u2028\x1b[0m", "\\[" * 500, "$" * 999),
    *("ab " * 5000, "line\n" * 5000, "<|LOC_1|>" * 3000, "[F25]", "0" * 20_000),
]


@pytest.fixture(params=["vllm", "embedded"])
def stub(request: pytest.FixtureRequest) -> Iterator[StubEngine]:
    with StubEngine(kind=request.param) as engine:
        yield engine


async def read(stub: StubEngine, regions: list[Region], options: OcrOptions) -> RecognizedPage:
    async with parts_for(stub, regions=regions) as parts:
        deadline = asyncio.get_running_loop().time() + WAIT_S
        [page] = [page async for page in read_pages(parts, FakeDocument(), options, deadline)]
    return page


@pytest.mark.parametrize("label", LABELS)
async def test_a_region_of_any_place_is_read_or_named(stub: StubEngine, label: str) -> None:
    stub.answer = lambda request: Reply("<fcel>seen<nl>" if request.prompt.startswith("Table") else "seen")
    regions = [Region(label, box, at, 0.5) for at, box in enumerate(BOXES, 1)]
    page = await read(stub, regions, OcrOptions(chart=True, seal=True, image_text=True, merge_blocks=False))
    assert [block.bbox for block in page.result.blocks] == BOXES
    assert all("seen" in block.content for block in page.result.blocks)
    assert page.result.status == "ok"


@pytest.mark.parametrize("answer", ANSWERS)
async def test_any_answer_is_taken_for_any_region(stub: StubEngine, answer: str) -> None:
    stub.answer = lambda _request: Reply(answer)
    regions = [Region(label, (10, 30 * at, 200, 30 * at + 25), at, 0.5) for at, label in enumerate(LABELS, 1)]
    page = await read(stub, regions, OcrOptions(chart=True, seal=True))
    assert [block.label for block in page.result.blocks] == LABELS
    assert "<script" not in page.result.markdown
    for block in page.result.blocks:
        assert (block.status == "truncated") == (block.error is not None)
    shown_as_pictures = {"image", "seal"}
    lost = {
        block.id
        for block in page.result.blocks
        if block.status == "truncated" or not (block.content or block.label in shown_as_pictures)
    }
    told = [warning for warning in page.result.warnings if "approximate: the embedded engine" not in warning]
    assert {warning.split()[3] for warning in told} == lost


@pytest.mark.parametrize("task", ["text", "table", "formula", "chart", "seal", "spotting"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3000), (3000, 5), (2500, 2000)])
async def test_an_image_of_any_size_is_read_whole(stub: StubEngine, task: str, size: tuple[int, int]) -> None:
    async with parts_for(stub) as parts:
        pages = read_pages(
            parts,
            FakeDocument(width=size[0], height=size[1], media_type="image/tiff"),
            OcrOptions(task=task),
            asyncio.get_running_loop().time() + WAIT_S,
        )
        [page] = [page async for page in pages]
    [block], [asked] = page.result.blocks, [request for request in stub.requests if not request.is_canary]
    assert (page.result.status, block.bbox) == ("ok", (0, 0, *size))
    assert block.content
    width, height = asked.size
    assert min(width, height) >= 28
    assert max(width, height) <= 200 * min(width, height)
    if stub.kind == "vllm":
        assert width * height <= (1_605_632 if task == "spotting" else 1_003_520)


class InstantReader(RegionReader):
    """An engine that takes no time."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, crop: Crop, task: RegionTask) -> Reading:
        self.asked += 1
        return Reading(f"reading {crop.width}")


async def test_a_hundred_pages_of_three_hundred_regions_come_whole_in_order_and_page_by_page() -> None:
    regions = [
        Region(LABELS[at % len(LABELS)], (at % 3 * 130, at // 3 * 3, at % 3 * 130 + 120, at // 3 * 3 + 28), at + 1, 0.5)
        for at in range(300)
    ]
    document, reader = FakeDocument(pages_total=100), InstantReader()
    with StubEngine(kind="embedded") as engine:
        async with parts_for(engine, regions=regions) as parts:
            deadline = asyncio.get_running_loop().time() + WAIT_S
            numbers = []
            async for page in read_pages(replace(parts, reader=reader), document, OcrOptions(images="none"), deadline):
                numbers.append(page.result.page)
                assert (page.result.status, len(page.result.blocks)) == ("ok", 300)
            in_flight = parts.settings.pages_in_flight
    assert numbers == list(range(1, 101))
    assert reader.asked == 100 * sum(region.label not in ("seal", "chart", "image") for region in regions)
    assert document.most_live <= in_flight + 1
