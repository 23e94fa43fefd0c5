"""The bundled models on the example documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.geometry import area, intersection_area, union
from gateway.layout.base import Detection, LayoutDetector
from gateway.layout.bundled.rapid_model import take_typewriter
from gateway.layout.factory import create_layout
from gateway.model import PageImage, PageLayout, Region
from gateway.reading_options import LayoutOptions
from gateway.settings import Settings
from tests.support.examples import OMITTED_LABELS, TruthBlock, load_truth
from tests.textlines.test_typewriter import draw_page

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


@pytest.fixture
async def layout() -> AsyncIterator[LayoutDetector]:
    detector = create_layout(Settings(_env_file=None, layout_model="bundled"))
    assert detector.state == "not_initialized"
    await detector.start()
    yield detector
    await detector.close()


async def regions_of(layout: LayoutDetector, name: str) -> tuple[list[Region], list[TruthBlock]]:
    with Image.open(EXAMPLES / name) as image:
        page = PageImage(1, np.asarray(image.convert("RGB")))
    blocks = [block for block in load_truth()[name].pages[0].blocks if block.label not in OMITTED_LABELS]
    return list((await layout.detect(page, LayoutOptions())).regions), blocks


def holding(regions: list[Region], block: TruthBlock) -> list[Region]:
    """Regions that hold the middle of a block's first line."""
    x1, y1, x2, _ = block.bbox
    x, y = min((x1 + x2) / 2, x1 + 60), y1 + 10
    return [r for r in regions if r.bbox[0] <= x <= r.bbox[2] and r.bbox[1] <= y <= r.bbox[3]]


@pytest.mark.parametrize("name", ["article-en.png", "article-zh.png", "article-ru.png", "form-en.png", "slide-en.png"])
async def test_blocks_found_in_reading_order(layout: LayoutDetector, name: str) -> None:
    regions, blocks = await regions_of(layout, name)
    assert layout.state == "ready"
    assert [region.order for region in regions] == list(range(1, len(regions) + 1))
    found = [holding(regions, block) for block in blocks]
    assert all(found), [block.text[:40] for block, held in zip(blocks, found, strict=True) if not held]
    first = [min(region.order for region in held) for held in found]
    assert first == sorted(first)


@pytest.mark.parametrize("name", ["article-en.png", "article-zh.png", "article-ru.png"])
async def test_running_heads_are_none_of_the_text(layout: LayoutDetector, name: str) -> None:
    """They are set a little smaller than the text, and boxes of lines do not show it."""
    regions, _ = await regions_of(layout, name)
    (head,) = [block for block in load_truth()[name].pages[0].blocks if block.label == "header"]
    assert [region.label for region in holding(regions, head)] == ["header"]


async def test_labels_by_kind(layout: LayoutDetector) -> None:
    article, blocks = await regions_of(layout, "article-en.png")
    title = next(block for block in blocks if block.label == "doc_title")
    assert [region.label for region in holding(article, title)] == ["doc_title"]
    assert "image" in {region.label for region in article}
    table, blocks = await regions_of(layout, "table-en.png")
    wanted = next(block for block in blocks if block.label == "table")
    assert [region.label for region in holding(table, wanted)] == ["table"]


async def test_blank_page_without_regions(layout: LayoutDetector) -> None:
    page = PageImage(1, np.full((900, 600, 3), 255, dtype=np.uint8))
    assert await layout.detect(page, LayoutOptions()) == PageLayout([], [], lines=[], detected=[])


async def test_supported_and_unsupported_options(layout: LayoutDetector) -> None:
    with Image.open(EXAMPLES / "article-en.png") as image:
        page = PageImage(1, np.asarray(image.convert("RGB")))
    usual = (await layout.detect(page, LayoutOptions())).regions
    wider = (await layout.detect(page, LayoutOptions(stretch=(1.1, 1)))).regions
    assert wider[0].bbox[0] < usual[0].bbox[0]
    sure = (await layout.detect(page, LayoutOptions(threshold=1))).regions
    assert {region.score for region in sure} == {None}
    assert layout.list_unsupported(LayoutOptions(threshold=0.5, stretch=(2, 2), shape="rect")) == []
    assert layout.list_unsupported(LayoutOptions(nms=False, merge="large", shape="quad")) == [
        "nms",
        "merge",
        "shape",
    ]


TYPED = (
    *("port of arrival    Heron", "name of the host   quay", "level of the log   info", "hours of opening   24"),
    *("", "On scales and cranes", ""),
    *("weight of crates   31.5", "owner of the key   Marsk", "number of berths   7", "crane in service   no"),
)


@pytest.mark.parametrize(
    ("rows", "labels"),
    [(TYPED, ["algorithm", "paragraph_title", "algorithm"]), ([row for row in TYPED if row], ["algorithm"])],
)
def test_heading_among_typed_rows(rows: Sequence[str], labels: list[str]) -> None:
    """It stands apart, or is a row of the listing that the model mistakes."""
    pixels, boxes = draw_page([(row, True) for row in rows])
    lines = [box for box, row in zip(boxes, rows, strict=True) if row]
    heading = Detection("paragraph_title", 0.9, boxes[rows.index("On scales and cranes")])
    found = take_typewriter([heading], lines, pixels)
    assert [one.label for one in sorted(found, key=lambda one: one.box[1])] == labels


def test_detection_that_its_lines_contradict_cuts_no_listing() -> None:
    """The model takes a table drawn with bars for a formula, which has no seven lines."""
    pixels, lines = draw_page([(row, True) for row in TYPED[:4] * 2])
    mistaken = Detection("display_formula", 0.7, union(lines))
    (listing,) = take_typewriter([mistaken], lines, pixels)
    assert listing.label == "algorithm"
    assert intersection_area(listing.box, union(lines)) >= 0.9 * area(union(lines))


def test_a_text_that_reaches_over_a_listings_edge_leaves_no_empty_part() -> None:
    pixels, lines = draw_page([(row, True) for row in TYPED[:4] * 2])
    x1, y1, x2, _ = union(lines)
    found = take_typewriter([Detection("text", 0.7, (x1, y1 - 30, x2, y1 + 20))], lines, pixels)
    assert [one.label for one in found] == ["algorithm"]


@pytest.mark.parametrize("mark", [".", "_", "–"])
async def test_a_rule_of_dots_or_dashes_is_no_text(layout: LayoutDetector, mark: str) -> None:
    with Image.open(EXAMPLES / "article-en.png") as image:
        pixels = np.asarray(image.convert("RGB")).copy()
    height, width = pixels.shape[:2]
    box = (200, height - 160, width - 200, height - 126)
    step = {".": 12, "_": 1, "–": 20}[mark]
    for x in range(box[0] + 4, box[2] - 4, step):
        pixels[box[1] + 24 : box[1] + 27, x : x + max(3, step - 8)] = 0
    lines = [box, *((200, 300 + 40 * at, width - 200, 330 + 40 * at) for at in range(4))]
    found = await layout.detect(PageImage(1, pixels, lines=lines), LayoutOptions())
    assert not [region for region in found.regions if region.bbox[1] < box[1] + 20 < region.bbox[3]]
