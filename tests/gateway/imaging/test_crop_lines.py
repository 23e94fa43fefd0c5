"""Which of a page's lines go with a crop, and where they stand in it."""

from __future__ import annotations

import numpy as np

from gateway.imaging.crop_lines import place_lines
from gateway.imaging.crops import cut_crop
from gateway.model import Region
from gateway.tasks import RegionTask
from textlines.detection import upright_line

PAGE = np.full((400, 600, 3), 255, dtype=np.uint8)
FIRST, SECOND, BELOW = (upright_line((60, y, 260, y + 20)) for y in (50, 90, 300))


def test_lines_of_the_region_stand_in_pixels_of_its_crop() -> None:
    region = Region("text", (50, 40, 300, 130), 1)
    crop = place_lines(cut_crop(PAGE, region, RegionTask(), fit=False), region, [FIRST, SECOND, BELOW])
    assert [line["corners"] for line in crop.lines or ()] == [
        [10, 10, 210, 10, 210, 30, 10, 30],
        [10, 50, 210, 50, 210, 70, 10, 70],
    ]


def test_lines_of_a_thin_crop_are_moved_with_its_margins() -> None:
    region = Region("text", (60, 50, 260, 60), 1)
    crop = place_lines(cut_crop(PAGE, region, RegionTask(), fit=False), region, [upright_line((60, 50, 260, 60))])
    assert crop.height > 10
    ((left, top, *_, bottom),) = (line["corners"] for line in crop.lines or ())
    assert (left, top, bottom) == (0, (crop.height - 10) // 2, (crop.height - 10) // 2 + 10)


def test_a_line_outside_of_the_outline_is_its_neighbours() -> None:
    outline = ((50, 40), (300, 40), (300, 80), (50, 80))
    region = Region("text", (50, 40, 300, 130), 1, polygon=outline)
    crop = place_lines(cut_crop(PAGE, region, RegionTask(), fit=False), region, [FIRST, SECOND])
    assert len(crop.lines or ()) == 1


def test_a_line_goes_with_the_region_that_holds_most_of_it() -> None:
    text, formula = Region("text", (50, 40, 300, 130), 1), Region("display_formula", (120, 85, 210, 200), 2)
    in_formula = upright_line((130, 150, 200, 170))
    lines = [
        place_lines(
            cut_crop(PAGE, region, RegionTask(), fit=False), region, [FIRST, SECOND, in_formula], (text, formula)
        )
        for region in (text, formula)
    ]
    assert [len(crop.lines or ()) for crop in lines] == [2, 1]


def test_the_engine_looks_itself_where_no_lines_are_known() -> None:
    region = Region("text", (50, 40, 300, 130), 1)
    plain = cut_crop(PAGE, region, RegionTask(), fit=False)
    assert place_lines(plain, region, None).lines is None
    assert place_lines(plain, region, [BELOW]).lines is None
    scaled = cut_crop(PAGE, region, RegionTask(), fit=True)
    assert place_lines(scaled, region, [FIRST]).lines is None
