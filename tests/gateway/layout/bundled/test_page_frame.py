"""Pages whose lines are inclined, run down the page, or lie over each other."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from gateway.layout.base import Detection
from gateway.layout.bundled.page_frame import lay_out
from gateway.model import Region
from textlines.detection import TextLine, upright_line
from textlines.frame import find_frame

WIDTH, HEIGHT = 1000, 1400


def turned(boxes: list[tuple[int, int, int, int]], degrees: float) -> list[TextLine]:
    matrix = np.vstack([cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), -degrees, 1.0), (0, 0, 1)])
    quads = np.array([upright_line(box).quad for box in boxes], dtype=np.float32)
    return [TextLine(quad, 1.0) for quad in cv2.perspectiveTransform(quads, matrix)]


def lay_out_page(found: list[Detection], lines: list[TextLine]) -> tuple[list[Region], list[Region]]:
    return lay_out(found, lines, find_frame(lines, WIDTH, HEIGHT), width=WIDTH, height=HEIGHT)


def holders(regions: list[Region], line: TextLine) -> list[Region]:
    x, y = line.quad.mean(axis=0)
    return [region for region in regions if _holds(region, float(x), float(y))]


def _holds(region: Region, x: float, y: float) -> bool:
    x1, y1, x2, y2 = region.bbox
    outline = np.array(region.polygon or ((x1, y1), (x2, y1), (x2, y2), (x1, y2)), dtype=np.float32)
    return cv2.pointPolygonTest(outline, (x, y), measureDist=False) >= 0


def test_paragraphs_of_a_turned_page_stay_whole_and_in_order() -> None:
    boxes = [(100, 300 + row * 36, 900, 328 + row * 36) for row in range(6)]
    boxes += [(100, 600 + row * 36, 900, 628 + row * 36) for row in range(6)]
    lines = turned(boxes, 4)
    regions, watermarks = lay_out_page([], lines)
    assert [region.label for region in regions] == ["text", "text"]
    assert watermarks == []
    for at, line in enumerate(lines):
        assert [region.order for region in holders(regions, line)] == [1 + at // 6]


def test_watermark_takes_no_text_with_it() -> None:
    text = [upright_line((100, 300 + row * 36, 900, 328 + row * 36)) for row in range(12)]
    mark = TextLine(np.array([(200, 800), (700, 300), (780, 380), (280, 880)], dtype=np.float32), 0.8)
    regions, watermarks = lay_out_page([], [*text, mark])
    assert [region.label for region in regions] == ["text"]
    assert [region.label for region in watermarks] == ["aside_text"]
    assert watermarks[0].polygon is not None


def rising(x: int, y: int) -> TextLine:
    """A slanted line with its foot at x, y."""
    quad = np.array([(x - 12, y - 12), (x + 58, y - 82), (x + 82, y - 58), (x + 12, y + 12)], dtype=np.float32)
    return TextLine(quad, 1.0)


def test_a_table_holds_its_slanted_heads_and_the_names_above_them() -> None:
    """The model has cut the table below its heads, and takes these for a formula."""
    columns = (400, 500, 600, 700)
    caption = [upright_line((100, 300 + row * 36, 900, 328 + row * 36)) for row in range(3)]
    names = [upright_line((x, 440, x + 90, 466)) for x in (430, 630)]
    heads = [rising(x, 545) for x in columns]
    rows = [upright_line((110, y, 300, y + 26)) for y in range(570, 900, 36)]
    cells = [upright_line((x - 30, y, x + 30, y + 26)) for x in columns for y in range(570, 900, 36)]
    table = Detection("table", 0.9, (100, 540, 760, 900))
    formula = Detection("display_formula", 0.5, (390, 430, 790, 560))
    regions, watermarks = lay_out_page([table, formula], [*caption, *names, *heads, *rows, *cells])
    assert watermarks == []
    assert "display_formula" not in [region.label for region in regions]
    for line in (*names, *heads):
        assert [region.label for region in holders(regions, line)] == ["table"]


def test_slanted_labels_below_a_table_are_none_of_its_heads() -> None:
    cells = [upright_line((x - 30, y, x + 30, y + 26)) for x in (200, 400, 600) for y in range(570, 760, 36)]
    labels = [rising(x, 990) for x in (200, 400, 600)]
    regions, _ = lay_out_page([Detection("table", 0.9, (150, 560, 650, 770))], [*cells, *labels])
    table = next(region for region in regions if region.label == "table")
    assert table.bbox[3] < 800


def test_contents_are_labelled_so() -> None:
    quads = [upright_line((100, 300 + row * 50, 900, 328 + row * 50)) for row in range(5)]
    entries = [TextLine(line.quad, 1.0, (0.4, 0.9)) for line in quads]
    found = [Detection("reference_content", 0.9, (90, 290, 910, 540))]
    regions, _ = lay_out_page(found, entries)
    assert [region.label for region in regions] == ["content"]


def test_a_vertical_title_on_the_right_comes_first() -> None:
    title = upright_line((850, 100, 920, 400))
    columns = [upright_line((x, 100, x + 40, 1000)) for x in (600, 660, 720)]
    regions, _ = lay_out_page([], [*columns, title])
    assert len(holders(regions, title)) == 1
    assert holders(regions, title)[0].order == 1
    assert {region.order for line in columns for region in holders(regions, line)} == {2}


def test_region_holds_the_whole_of_its_fractions() -> None:
    row, below = upright_line((100, 300, 400, 330)), upright_line((100, 420, 900, 450))
    fraction = replace(upright_line((410, 286, 440, 344)), bar=(0.48, 0.52))
    regions, _ = lay_out_page([Detection("text", 0.9, (95, 296, 450, 334))], [row, below, fraction])
    (region,) = holders(regions, row)
    assert holders(regions, fraction) == [region]
    assert region.bbox[1] <= 286
    assert region.bbox[3] >= 344
