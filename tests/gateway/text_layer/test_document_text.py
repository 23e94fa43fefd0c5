"""Text layers on their way through the pipeline, with a scripted engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gateway.layout.base import Detection
from gateway.layout.bundled.plausibility import correct_label
from gateway.model import BBox, PageImage, PageLayout, Pixels, Reading, Region
from gateway.pipeline import read_pages
from gateway.reading_options import OcrOptions
from gateway.recognized_page import RecognizedPage
from gateway.text_layer.document_text import DocumentText, PageText, find_offer, look_at_layer
from gateway.text_layer.font_evidence import FontEvidence
from gateway.text_layer.region_text import find_print
from tests.gateway.text_layer.pages import SCALE, layout_of, open_page, read_rows, read_sample, truth_of
from tests.support.fakes import FakeDocument, FakeLayout
from tests.support.parts import parts_for
from tests.support.stub_engine import Reply, StubEngine
from tests.support.text_layers import (
    ENGLISH,
    HEADING,
    HEIGHT,
    SECOND,
    LayerPage,
    draw_lines,
    hidden_layers,
    paragraph,
    usual_paragraphs,
    write_page,
)
from tests.support.waiting import WAIT_S

PAGE = write_page("usual", usual_paragraphs())
REGIONS = layout_of(PAGE).regions
IMAGE = open_page(PAGE)
SAMPLE = DocumentText().examine(IMAGE, layout_of(PAGE), look_at_layer(IMAGE), has_sample=True)
READ = read_rows(FontEvidence().choose_rows(SAMPLE.texts.values(), SAMPLE.rows), PAGE.lines)
TRUTHS = [truth_of(PAGE, at) for at in range(len(REGIONS))]


@dataclass
class LayerDocument(FakeDocument):
    """The same page so many times, with its text layer."""

    page: LayerPage = PAGE

    async def pages(self) -> AsyncIterator[PageImage]:
        image = open_page(self.page)
        for number in self.selected:
            yield replace(image, number=number)


async def read(
    stub: StubEngine,
    options: OcrOptions | None = None,
    document: FakeDocument | None = None,
    regions: Sequence[Region] = REGIONS,
) -> list[RecognizedPage]:
    async with parts_for(stub, FakeLayout(regions)) as parts:
        deadline = asyncio.get_running_loop().time() + WAIT_S
        pages = read_pages(parts, document or LayerDocument(), options or OcrOptions(), deadline)
        return [page async for page in pages]


def sources(page: RecognizedPage) -> list[str]:
    return [block.source for block in page.result.blocks]


async def test_one_call_proves_the_fonts_of_a_document(stub: StubEngine) -> None:
    stub.script.append(Reply(READ))
    first, second, third = await read(stub, document=LayerDocument(pages_total=3))
    for page in (first, second, third):
        assert [block.content for block in page.result.blocks] == TRUTHS
        assert sources(page) == ["text_layer"] * len(REGIONS)
        assert (page.result.status, page.result.warnings) == ("ok", [])
    assert len(stub.requests) == 1
    assert [page.usage.regions for page in (first, second, third)] == [1, 0, 0]


async def test_engine_reads_what_its_own_reading_contradicts(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply("qwrt zxcv bnmp lkjh gfds")
    [page] = await read(stub)
    assert sources(page) == ["engine"] * len(REGIONS)
    assert {block.content for block in page.result.blocks} == {"qwrt zxcv bnmp lkjh gfds"}
    assert len(stub.requests) == page.usage.regions <= len(REGIONS) + 2


async def test_engine_that_fails_proves_nothing(stub: StubEngine) -> None:
    stub.script.append(Reply(status=400))
    [page] = await read(stub)
    assert sources(page) == ["engine"] * len(REGIONS)
    assert page.result.status == "ok"


async def test_lines_that_no_model_reads_prove_nothing() -> None:
    """The others do: those of the same sample that were read."""

    async def read_latin(sample: Pixels, boxes: Sequence[BBox]) -> Reading:
        seen = read_sample(text, sample, boxes, PAGE.lines)
        latin = "\n".join(line for line in seen.splitlines() if line.isascii())
        return Reading(text=latin, status="truncated", is_refused=True)

    layer, layout = DocumentText(), layout_of(PAGE)
    text = layer.examine(IMAGE, layout, look_at_layer(IMAGE), has_sample=True)
    await layer.prove(text, read_latin)
    offers = [find_offer(text, region, ()) for region in layout.regions]
    taken = [offer is not None and layer.is_proved(offer) for offer in offers]
    assert taken == [truth.isascii() for truth in TRUTHS]


async def test_only_lines_that_no_other_page_has_proved_are_read() -> None:
    """Both pages were looked at before the first one's lines were read."""
    draw = partial(draw_lines, font="Helvetica")
    usual = [paragraph(ENGLISH, 130), paragraph(SECOND, 230)]
    more = write_page("more", [*usual, paragraph(["17: jazz, quartz, fjord, xylophone, K2"], 700)], draw)
    document, pages = DocumentText(), (write_page("usual", usual, draw), more)
    images = [open_page(page) for page in pages]
    layouts = [layout_of(page) for page in pages]
    texts = [
        document.examine(image, layout, look_at_layer(image), has_sample=True)
        for image, layout in zip(images, layouts, strict=True)
    ]
    samples = list[str]()

    async def read(text: PageText, sample: Pixels, boxes: Sequence[BBox]) -> Reading:
        samples.append(read_sample(text, sample, boxes, more.lines))
        return Reading(text=samples[-1])

    for text in texts:
        await document.prove(text, partial(read, text))
    assert len(samples) == 2
    assert "xylophone" in samples[1]
    assert len(samples[1].splitlines()) < 4 < len(samples[0].splitlines())
    offers = [find_offer(texts[1], region, ()) for region in layouts[1].regions]
    assert all(offer is not None and document.is_proved(offer) for offer in offers)


async def test_letters_beside_a_misread_one_are_read_again() -> None:
    """In other lines of the page, where it has them."""
    document = DocumentText()
    text = document.examine(IMAGE, layout_of(PAGE), look_at_layer(IMAGE), has_sample=True)
    samples = list[str]()

    async def read(sample: Pixels, boxes: Sequence[BBox]) -> Reading:
        samples.append(read_sample(text, sample, boxes, PAGE.lines))
        return Reading(text=samples[0].replace("s", "") if len(samples) == 1 else samples[-1])

    await document.prove(text, read)
    assert len(samples) == 2
    assert not set(samples[0].splitlines()) & set(samples[1].splitlines())
    offers = [find_offer(text, region, ()) for region in REGIONS]
    assert any(offer is not None and document.is_proved(offer) for offer in offers)


async def test_never(stub: StubEngine) -> None:
    [page] = await read(stub, OcrOptions(text_layer="never"))
    assert sources(page) == ["engine"] * len(REGIONS)
    assert len(stub.requests) == len(REGIONS)


async def test_only_asks_nobody(stub: StubEngine) -> None:
    table = Region("table", (0, 900, 900, 1200), len(REGIONS) + 1)
    [page] = await read(stub, OcrOptions(text_layer="only"), regions=[*REGIONS, table])
    assert not stub.requests
    assert [block.content for block in page.result.blocks] == [*TRUTHS, ""]
    assert page.result.blocks[-1].status == "skipped"
    assert page.result.status == "partial"
    assert any("(table) skipped" in warning for warning in page.result.warnings)


@pytest.mark.parametrize("label", ["table", "display_formula", "chart", "vertical_text", "algorithm"])
async def test_other_regions_are_read_by_the_engine(stub: StubEngine, label: str) -> None:
    stub.answer = lambda request: Reply(READ if request.prompt == "OCR:" else "of the engine")
    [page] = await read(stub, OcrOptions(chart=True), regions=[replace(REGIONS[0], label=label), *REGIONS[1:]])
    assert page.result.blocks[0].source == "engine"


def test_rows_stand_where_the_page_shows_them() -> None:
    found = SAMPLE.texts[REGIONS[1].order].rows[0]
    x1, y1, x2, y2 = found.box
    line = PAGE.lines[1]
    assert x1 == pytest.approx(SCALE * line.x, abs=2)
    assert (y1 + y2) / 2 == pytest.approx(SCALE * (HEIGHT - line.baseline - 3), abs=6)
    assert found.text == line.text
    assert x2 < REGIONS[1].bbox[2]


def test_region_with_words_of_another_one_is_read_by_the_engine() -> None:
    """It reaches over the first line of the next one, whose words are none of its own, though people see them in it."""
    upper, lower = REGIONS[1], REGIONS[2]
    reaching = replace(upper, bbox=(0, upper.bbox[1], IMAGE.width, lower.bbox[1] + round(1.2 * SCALE * 11)))
    regions = [REGIONS[0], reaching, *REGIONS[2:]]
    layout = PageLayout(regions, regions, lines=())
    text = DocumentText().examine(IMAGE, layout, look_at_layer(IMAGE), has_sample=True)
    assert [region.order in text.texts for region in regions] == [True, False, *[True] * (len(REGIONS) - 2)]


async def test_hidden_text_is_named_and_left_out(stub: StubEngine) -> None:
    page = next(page for page in hidden_layers() if "white on white" in page.name)
    [read_page] = await read(stub, document=LayerDocument(page=page), regions=layout_of(page).regions)
    assert "reading room" not in read_page.result.model_dump_json()
    assert any("can't be seen" in warning for warning in read_page.result.warnings)


@pytest.mark.parametrize(("size", "label"), [(11.0, "header"), (13.0, "paragraph_title")])
def test_a_title_on_top_of_the_page_is_told_from_a_running_head_by_its_size(size: float, label: str) -> None:
    """The model calls either a header; their lines come from the text layer."""
    page = write_page("titled", [paragraph([HEADING], 60, size), paragraph(ENGLISH, 130), paragraph(SECOND, 230)])
    lines = look_at_layer(open_page(page)).lines
    assert lines is not None
    top = min(lines, key=lambda line: line[1])
    assert correct_label(Detection("header", 0.9, top), lines).label == label


def test_row_of_dots_is_a_line_without_text() -> None:
    """Nobody is told that it was not read."""
    page = write_page("dots", [paragraph(ENGLISH, 130), paragraph([". " * 40], 230), paragraph(SECOND, 260)])
    seen = look_at_layer(open_page(page))
    assert seen.lines is not None
    assert seen.texts is not None
    [dots] = set(seen.lines) - set(seen.texts)
    assert dots[1] < SCALE * 230 < dots[3] + 2 * SCALE


def test_text_that_the_layer_lacks_is_print_between_large_frames() -> None:
    """Fields of a form: their frames are higher than letters and as many, their values no part of the page's text."""
    image = Image.new("RGB", (800, 1000), "white")
    draw = ImageDraw.Draw(image)
    for top in range(40, 900, 140):
        draw.rectangle((300, top, 460, top + 110), outline="black", width=2)
    draw.text((310, 80), "Kestrel", fill="black", font=ImageFont.load_default(32))
    words = look_at_layer(IMAGE).words
    assert [box for box in find_print(np.asarray(image), words) if 300 < box[0] < 460 and 70 < box[1] < 130]


PROGRAM = (
    "gate = 'north'   # 7 berths",
    "",
    "def tide(hour):",
    "    level = read(hour)",
    "    if level < 2:",
    "        warn(level)",
    "    return level",
)


def listing_page(font: str) -> LayerPage:
    lines = [line for line in paragraph(PROGRAM, 130) if line.text]
    return write_page("listing", [lines], partial(draw_lines, font=font))


async def test_listing_in_typewriter_print_keeps_its_columns(stub: StubEngine) -> None:
    page = listing_page("Courier")
    regions = [replace(region, label="algorithm") for region in layout_of(page).regions]
    [found] = await read(stub, OcrOptions(text_layer="only"), document=LayerDocument(page=page), regions=regions)
    assert [(block.source, block.content) for block in found.result.blocks] == [("text_layer", "\n".join(PROGRAM))]


async def test_listing_in_other_print_is_read_by_the_engine(stub: StubEngine) -> None:
    page = listing_page("Helvetica")
    regions = [replace(region, label="algorithm") for region in layout_of(page).regions]
    [found] = await read(stub, document=LayerDocument(page=page), regions=regions)
    assert [block.source for block in found.result.blocks] == ["engine"]


def test_print_of_the_layer_that_is_no_word_keeps_its_words_from_being_all_lines() -> None:
    """A title whose font maps its letters to spaces is seen, and no line of the layer has it."""
    title = (slice(20, 120), slice(200, 1000))
    assert IMAGE.layer is not None
    pixels, ink = IMAGE.pixels.copy(), IMAGE.layer.ink.copy()
    pixels[title], ink[title] = 0, True
    titled = replace(IMAGE, pixels=pixels, layer=replace(IMAGE.layer, ink=ink))
    assert look_at_layer(IMAGE).lines is not None
    assert look_at_layer(titled).lines is None


def test_a_line_of_one_sign_is_text() -> None:
    page = write_page("numbered", [*usual_paragraphs(), paragraph(["7"], HEIGHT - 40)])
    seen, usual = look_at_layer(open_page(page)), look_at_layer(IMAGE)
    assert seen.texts is not None
    assert usual.texts is not None
    assert len(seen.texts) == len(usual.texts) + 1
