"""The real detection model on pages drawn here."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from textlines.detection import LineDetector, Pixels, detection_scale, restore_smears, upright_line
from textlines.glyphs import glyph_height

WORDS = "The harbour master counted seven quiet ships in the morning fog"


@pytest.fixture(scope="module")
def detector() -> LineDetector:
    return LineDetector()


def page(size: int, rows: int, width: int = 1200) -> Pixels:
    image = Image.new("RGB", (width, 100 + rows * size * 2), "white")
    draw = ImageDraw.Draw(image)
    for row in range(rows):
        draw.text((40, 50 + row * size * 2), WORDS, fill="black", font=ImageFont.load_default(size))
    return np.asarray(image)


@pytest.mark.parametrize("size", [11, 20, 36])
def test_every_line_is_found_where_it_is(detector: LineDetector, size: int) -> None:
    boxes = sorted(line.box for line in detector(page(size, 8)))
    assert len(boxes) == 8
    for row, (x1, y1, x2, y2) in enumerate(sorted(boxes, key=lambda box: box[1])):
        middle = 50 + row * size * 2 + size * 0.6
        assert y1 < middle < y2
        assert abs(x1 - 40) < size
        assert x2 - x1 > size * 0.4 * len(WORDS)


def test_lines_of_a_page_many_times_longer_than_wide_are_all_found(detector: LineDetector) -> None:
    long = page(24, 200, width=900)
    assert long.shape[0] > 10 * long.shape[1]
    middles = sorted((line.box[1] + line.box[3]) / 2 for line in detector(long))
    assert len(middles) == 200
    assert all(abs(middle - (50 + row * 48 + 15)) < 12 for row, middle in enumerate(middles))


def test_a_row_many_times_longer_than_high_is_covered_to_its_end(detector: LineDetector) -> None:
    row = np.hstack([page(24, 1)] * 8)
    covered = np.zeros(row.shape[1], dtype=bool)
    for line in detector(row):
        covered[line.box[0] : line.box[2]] = True
    ink = (row < 128).any(axis=(0, 2))
    assert (ink & covered).sum() > 0.95 * ink.sum()


@pytest.mark.parametrize("seed", [4, 5])
def test_specks_that_look_like_a_leader_keep_no_line_from_being_found(detector: LineDetector, seed: int) -> None:
    """Noise of these seeds has dots in a row within a line of text."""
    image = Image.new("RGB", (900, 400), "white")
    for row in range(8):
        text, corner = "Visitors may walk along the eastern pier", (60, 30 + 45 * row)
        ImageDraw.Draw(image).text(corner, text, fill="black", font=ImageFont.load_default(28))
    noise = np.random.default_rng(seed).normal(0, 20, (400, 900, 3))
    noisy = np.asarray((np.asarray(image) + noise).clip(0, 255), dtype=np.uint8)
    assert len(detector(noisy)) == 8


@pytest.mark.parametrize("shape", [(1, 30000), (30000, 3), (2, 5000), (1, 1), (5, 40)])
def test_the_thinnest_images_do_no_harm(detector: LineDetector, shape: tuple[int, int]) -> None:
    assert detector(np.full((*shape, 3), 255, dtype=np.uint8)) == []


def test_an_empty_page_has_no_lines(detector: LineDetector) -> None:
    assert detector(np.full((800, 600, 3), 255, dtype=np.uint8)) == []


def test_large_print_is_looked_at_smaller_and_small_print_is_not_enlarged_without_end() -> None:
    large, small = page(80, 4, width=3500), page(9, 20)
    assert glyph_height(large) > 4 * glyph_height(small)
    assert detection_scale(large, 320, glyph_height(large)) < 0.3
    assert 1 <= detection_scale(small, 320, glyph_height(small)) <= 2


def test_an_entry_of_contents_is_one_line_from_its_text_to_its_number(detector: LineDetector) -> None:
    image, font = Image.new("RGB", (1100, 480), "white"), ImageFont.load_default(28)
    draw = ImageDraw.Draw(image)
    starts = []
    for row, text in enumerate(("Quays and piers", "The weighing room", "Charges", "Rules for captains", "Index")):
        draw.text((60, 50 + 80 * row), text, fill="black", font=font)
        draw.text((1000, 50 + 80 * row), str(3 * row + 4), fill="black", font=font)
        starts.append(round(80 + draw.textlength(text, font)))
        for x in range(starts[-1], 970, 12):
            draw.ellipse((x, 74 + 80 * row, x + 3, 77 + 80 * row), fill="black")
    lines = sorted((line for line in detector(np.asarray(image)) if line.leader), key=lambda line: line.box[1])
    assert len(lines) == 5
    for line, start in zip(lines, starts, strict=True):
        assert line.leader
        x1, _, x2, _ = line.box
        assert x1 < 80
        assert x2 > 1010
        assert abs(x1 + line.leader[0] * (x2 - x1) - start) < 15
        assert abs(x1 + line.leader[1] * (x2 - x1) - 966) < 15


def test_lines_of_blurred_small_print(detector: LineDetector) -> None:
    """The model takes many rows of it for one line where it looks at them in their own size."""
    image = Image.new("RGB", (560, 760), "white")
    for row in range(70):
        text = "The harbour office opened its new weighing room on Monday and three clerks record each crate now"
        ImageDraw.Draw(image).text((10, 10 + 10 * row), text, fill="black", font=ImageFont.load_default(8))
    blurred = cv2.GaussianBlur(np.asarray(image), (0, 0), 1.3)
    assert len(detector(np.asarray(blurred, dtype=np.uint8))) > 60


def test_rows_of_columns_out_of_focus_stay_apart(detector: LineDetector) -> None:
    """Made sharp, they are found; as they are, the model sees a single line in them."""
    image = Image.new("RGB", (480, 740), "white")
    for column in range(2):
        for row in range(60):
            text, corner = WORDS[: 40 + row * 7 % 6], (10 + 240 * column, 10 + 12 * row)
            ImageDraw.Draw(image).text(corner, text, fill="black", font=ImageFont.load_default(9))
    blurred = cv2.GaussianBlur(np.asarray(image), (0, 0), 1.5)
    assert 108 <= len(detector(np.asarray(blurred, dtype=np.uint8))) <= 120


def test_rows_take_the_place_of_their_smear() -> None:
    """One of them alone does not: the others would be lost."""
    middles = np.array([(x, y) for y in (10, 30, 50, 70) for x in range(5, 400, 10)], dtype=np.float64)
    smear, rows = upright_line((0, 0, 400, 80)), [upright_line((0, y, 400, y + 16)) for y in (2, 22, 42, 62)]
    assert restore_smears(rows, [smear], middles) == rows
    assert restore_smears(rows[:1], [smear], middles) == [rows[0], smear]


def test_light_print_on_dark_is_found(detector: LineDetector) -> None:
    assert len(detector(255 - page(24, 6))) == 6
