"""Crops as the engine gets them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.imaging.capacity import text_capacity
from gateway.imaging.crops import Crop, crop_margin, cut_crop, cut_picture, encode, enlarge, place_lines, shrink
from gateway.model import Pixels, Region
from gateway.tasks import RegionTask
from tests.support.fakes import blank
from textlines.detection import upright_line

SPOTTING = RegionTask(prompt="Spotting:", max_pixels=1_605_632)
COORDINATE = st.integers(-50, 500) | st.integers(-(2**40), 2**40)
BOX = st.tuples(COORDINATE, COORDINATE, COORDINATE, COORDINATE)
POLYGON = st.none() | st.lists(st.tuples(COORDINATE, COORDINATE), max_size=6).map(tuple)


def opened(crop: Crop) -> Pixels:
    with Image.open(BytesIO(crop.png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def red_page(width: int = 200, height: int = 100) -> Pixels:
    page = blank(width, height)
    page[:] = (200, 10, 30)
    return page


@settings(deadline=None)
@given(
    page=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    bbox=BOX,
    polygon=POLYGON,
    fit=st.booleans(),
    task=st.sampled_from([RegionTask(), SPOTTING, RegionTask(min_pixels=1, max_pixels=784)]),
)
def test_any_region_of_any_page_is_a_crop_that_the_engine_takes(
    page: tuple[int, int],
    bbox: tuple[int, int, int, int],
    polygon: tuple[tuple[int, int], ...] | None,
    fit: bool,
    task: RegionTask,
) -> None:
    crop = cut_crop(red_page(*page), Region("text", bbox, 1, polygon=polygon), task, fit=fit)
    height, width = opened(crop).shape[:2]
    assert (width, height) == (crop.width, crop.height)
    assert min(width, height) >= 28
    assert max(width, height) <= 200 * min(width, height)


@pytest.mark.parametrize("size", [(20_000, 3), (3, 20_000), (100_000, 2), (20_000, 110)])
@pytest.mark.parametrize("fit", [True, False])
def test_long_strips_stay_inside_the_ratio_and_do_not_fill_memory(size: tuple[int, int], fit: bool) -> None:
    crop = cut_crop(red_page(*size), Region("text", (0, 0, *size), 1), RegionTask(), fit=fit)
    assert max(crop.width, crop.height) <= 200 * min(crop.width, crop.height)
    assert crop.width * crop.height <= 12_000_000


def test_a_crop_keeps_colours_and_resolution_where_the_engine_wants_them() -> None:
    page = blank(200, 100)
    page[20:60, 30:130] = (200, 10, 30)
    pixels = opened(cut_crop(page, Region("text", (30, 20, 130, 60), 1), RegionTask(), fit=False))
    assert pixels.shape == (40, 100, 3)
    assert (pixels == (200, 10, 30)).all()


def test_a_small_crop_is_padded_with_white_around_it() -> None:
    pixels = opened(cut_crop(red_page(), Region("text", (0, 0, 10, 4), 1), RegionTask(), fit=False))
    assert pixels.shape == (28, 28, 3)
    assert (pixels[0] == 255).all()
    assert (pixels[-1] == 255).all()
    assert (pixels == (200, 10, 30)).all(axis=2).sum() == 10 * 4


def test_what_is_outside_the_outline_is_white() -> None:
    triangle = ((10, 10), (90, 10), (10, 90))
    region = Region("text", (10, 10, 91, 91), 1, polygon=triangle)
    pixels = opened(cut_crop(red_page(200, 100), region, RegionTask(), fit=False))
    assert (pixels[5, 5] == (200, 10, 30)).all()
    assert (pixels[70, 70] == 255).all()


def test_cutting_leaves_the_page_as_it_was() -> None:
    page = red_page()
    cut_crop(page, Region("text", (0, 0, 50, 50), 1, polygon=((0, 0), (50, 0), (0, 50))), RegionTask(), fit=True)
    assert (page == red_page()).all()


@pytest.mark.parametrize("size", [(100, 40), (3000, 2000), (1500, 1100)])
def test_a_fitted_crop_is_inside_the_budget_in_steps_of_28(size: tuple[int, int]) -> None:
    crop = cut_crop(blank(*size), Region("text", (0, 0, *size), 1), RegionTask(), fit=True)
    assert 112_896 <= crop.width * crop.height <= 1_003_520
    assert (crop.width % 28, crop.height % 28) == (0, 0)
    assert crop.width / crop.height == pytest.approx(size[0] / size[1], rel=0.15)


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        *(((801, 401), 406), ((1001, 1002), 1225), ((1013, 991), 1260), ((330, 341), 144), ((335, 335), 144)),
        *(((323, 349), 144), ((303, 303), 169), ((40, 30), 154), ((1190, 1684), 1260), ((980, 28), 213)),
        *(((2800, 28), 240), ((604, 151), 175), ((600, 190), 147), ((1400, 716), 1250), ((3000, 2000), 1247)),
    ],
)
def test_a_crop_is_as_many_tokens_as_paddlex_makes_of_it(size: tuple[int, int], tokens: int) -> None:
    """Counted by PaddleX's own processor for its pipeline's budget; a server whose budget is larger rounds to 28."""
    crop = cut_crop(blank(*size), Region("text", (0, 0, *size), 1), RegionTask(), fit=True)
    assert round(crop.width / 28) * round(crop.height / 28) == tokens


def test_a_crop_inside_the_budget_is_left_alone() -> None:
    crop = cut_crop(blank(801, 401), Region("text", (0, 0, 801, 401), 1), RegionTask(), fit=True)
    assert (crop.width, crop.height) == (801, 401)


def test_small_images_for_spotting_are_doubled() -> None:
    crop = cut_crop(blank(500, 400), Region("spotting", (0, 0, 500, 400), 1), SPOTTING, fit=True)
    assert (crop.width, crop.height) == (1000, 800)


def test_a_shrunk_crop_has_about_half_the_pixels_and_the_same_picture() -> None:
    crop = cut_crop(red_page(400, 300), Region("text", (0, 0, 400, 300), 1), RegionTask(), fit=False)
    smaller = shrink(crop)
    assert smaller.width * smaller.height == pytest.approx(400 * 300 / 2, rel=0.02)
    assert (opened(smaller) == (200, 10, 30)).all()


def test_a_shrunk_crop_is_still_big_enough() -> None:
    smaller = shrink(cut_crop(blank(30, 30), Region("text", (0, 0, 30, 30), 1), RegionTask(), fit=False))
    assert min(smaller.width, smaller.height) >= 28


def test_a_data_url_holds_the_picture() -> None:
    crop = cut_crop(red_page(), Region("text", (0, 0, 60, 50), 1), RegionTask(), fit=False)
    assert crop.data_url.startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize("channels", [1, 3])
def test_encoding_loses_nothing_and_grey_takes_one_channel(channels: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 130, channels), dtype=np.uint8)
    pixels = np.ascontiguousarray(np.broadcast_to(noise, (90, 130, 3)))
    crop = encode(pixels)
    assert (opened(crop) == pixels).all()
    with Image.open(BytesIO(crop.png)) as image:
        assert (image.size, len(image.getbands())) == ((130, 90), channels)


@pytest.mark.parametrize("task", [RegionTask(), RegionTask(min_pixels=1, max_pixels=9408)], ids=["larger", "smaller"])
def test_grey_print_is_scaled_as_if_it_had_colours(task: RegionTask) -> None:
    grey = np.random.default_rng(2).integers(0, 256, (100, 180, 1), dtype=np.uint8)
    page = np.ascontiguousarray(np.broadcast_to(grey, (100, 180, 3)))
    coloured = page.copy()
    coloured[0, 0] = (255, 0, 0)
    region = Region("text", (0, 0, 180, 100), 1)
    one, three = (opened(cut_crop(pixels, region, task, fit=True)) for pixels in (page, coloured))
    away = one.shape[0] // 5
    assert one.shape == three.shape != page.shape
    assert (one[away:, away:] == three[away:, away:]).all()


def test_one_coloured_pixel_is_kept() -> None:
    page = blank(100, 80)
    page[41, 37] = (255, 254, 255)
    assert (opened(encode(page)) == page).all()


@pytest.mark.parametrize("bbox", [(20, 10, 120, 60), (-10, -10, 1000, 1000), (150, 90, 20, 10)])
def test_a_picture_is_a_jpeg_of_the_box_inside_the_page(bbox: tuple[int, int, int, int]) -> None:
    with Image.open(BytesIO(cut_picture(red_page(), bbox))) as image:
        assert image.format == "JPEG"
        assert image.size in {(100, 50), (200, 100), (130, 80)}
        red, green, blue = (int(value) for value in np.asarray(image)[5, 5])
    assert abs(red - 200) < 6
    assert green < 20
    assert blue < 40


def test_a_picture_longer_than_jpeg_allows_is_made_smaller() -> None:
    with Image.open(BytesIO(cut_picture(blank(70_000, 4), (0, 0, 70_000, 4)))) as image:
        assert image.width <= 65_535


def test_formulas_are_trimmed_to_their_ink_for_paddleocr_vl_only() -> None:
    page = blank(400, 300)
    page[100:140, 150:250] = 0
    region, task = Region("display_formula", (50, 50, 350, 250), 1), RegionTask(min_pixels=1)
    assert (cut_crop(page, region, task, fit=False).width, cut_crop(page, region, task, fit=False).height) == (300, 200)
    assert (cut_crop(page, region, task, fit=True).width, cut_crop(page, region, task, fit=True).height) == (100, 40)


def test_a_second_look_at_what_was_made_smaller_has_the_pages_own_detail() -> None:
    page = blank(2000, 1400)
    page[::2] = 0  # lines that vanish where the picture is made smaller
    region, budget = Region("text", (0, 0, 2000, 1400), 1), 28 * 28 * 1280
    first = cut_crop(page, region, RegionTask(max_pixels=budget, min_confidence=0.5), fit=True)
    second = enlarge(first, 10**7)
    assert second is not None
    assert second.width * second.height == pytest.approx(2 * budget, rel=0.1)
    assert cut_crop(page, region, RegionTask(max_pixels=budget), fit=True).larger is None


def test_a_second_look_at_a_small_crop_has_twice_its_pixels_up_to_what_the_engine_takes() -> None:
    crop = cut_crop(blank(560, 280), Region("text", (0, 0, 560, 280), 1), RegionTask(), fit=True)
    second = enlarge(crop, 10**7)
    assert second is not None
    assert second.width * second.height == pytest.approx(2 * 560 * 280, rel=0.15)
    assert second.capacity == crop.capacity
    assert enlarge(crop, 560 * 280) is None


def test_the_room_of_a_crop_is_that_on_the_page_however_it_is_scaled() -> None:
    region = Region("text", (0, 0, 300, 30), 1)
    small, large = (
        cut_crop(blank(400, 300), region, RegionTask(min_pixels=pixels), fit=True) for pixels in (784, 10**6)
    )
    assert large.width > small.width
    assert large.capacity == small.capacity == text_capacity(300, 30)


def test_paper_around_the_ink_is_cut_off() -> None:
    page = blank(200, 120)
    page[30:80, 50:150] = 0
    assert crop_margin(page).shape == (50, 100, 3)
    assert (crop_margin(page) == 0).all()


def test_grey_print_on_grey_paper_is_ink() -> None:
    page = blank(200, 120, 210)
    page[30:80, 50:150] = 150
    assert crop_margin(page).shape == (50, 100, 3)


@pytest.mark.parametrize("page", [blank(50, 40), blank(50, 40, 0)])
def test_a_plain_crop_stays(page: Pixels) -> None:
    assert crop_margin(page).shape == (40, 50, 3)


@pytest.mark.parametrize("ink", [(2, 30), (30, 2)])
def test_a_crop_with_hardly_any_ink_stays(ink: tuple[int, int]) -> None:
    page = blank(60, 40)
    page[5 : 5 + ink[1], 5 : 5 + ink[0]] = 0
    assert crop_margin(page).shape == (40, 60, 3)


@given(
    *(st.integers(1, 80), st.integers(1, 80)),
    *(st.integers(0, 79), st.integers(0, 79), st.integers(1, 80), st.integers(1, 80)),
)
def test_no_ink_is_lost(width: int, height: int, x: int, y: int, ink_width: int, ink_height: int) -> None:
    page = blank(width, height)
    page[y : y + ink_height, x : x + ink_width] = 0
    assert (crop_margin(page) == 0).sum() == (page == 0).sum()


@pytest.mark.parametrize(
    ("size", "bbox"),
    [
        ((400, 300), (100, 50, 300, 200)),
        ((400, 300), (390, 290, 400, 300)),
        ((9000, 60), (0, 10, 9000, 22)),
        ((60, 50_000), (20, 100, 40, 49_000)),
    ],
)
@pytest.mark.parametrize("shrunk", [False, True])
def test_a_crop_knows_where_it_stands(size: tuple[int, int], bbox: tuple[int, int, int, int], shrunk: bool) -> None:
    """Whatever margins and scales it got: a mark's box in the crop leads back to the mark on the page."""
    page = blank(*size)
    x1, y1, x2, y2 = bbox
    mark = (x1 + (x2 - x1) // 4, y1 + (y2 - y1) // 4, x2 - (x2 - x1) // 4, y2 - (y2 - y1) // 4)
    page[mark[1] : mark[3], mark[0] : mark[2]] = 0
    crop = cut_crop(page, Region("text", bbox, 1), RegionTask(), fit=False)
    crop = shrink(crop) if shrunk else crop
    rows, columns = np.nonzero(opened(crop)[:, :, 0] < 128)
    assert crop.placement is not None
    found = crop.placement.restore((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    tolerance = max(1.0, *(2.0 * scale for scale in (crop.placement.scale_x, crop.placement.scale_y)))
    assert found == pytest.approx(mark, abs=tolerance)


def test_crops_that_are_put_together_stand_nowhere() -> None:
    one, other = Region("text", (0, 0, 90, 40), 1, group=1), Region("text", (100, 0, 190, 40), 2, group=1)
    assert cut_crop(red_page(), one, RegionTask(), fit=True, partners=[other]).placement is None


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
