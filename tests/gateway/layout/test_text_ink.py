"""Text lines on pages, and what looks like some."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gateway.layout.text_ink import TextInk, is_text
from gateway.model import BBox, PageLayout, Pixels
from tests.support.script_pages import FONT
from textlines.glyphs import StrayInk

WORDS = ["The keeper of the lighthouse writes", "down each ship that passes before dawn."]
PLACE: BBox = (60, 60, 800, 160)


@pytest.fixture(scope="module")
def ink() -> TextInk:
    return TextInk()


def drawn(paper: str = "white", print_: str = "black") -> Pixels:
    page = Image.new("RGB", (900, 500), paper)
    font = ImageFont.truetype(str(FONT), 30)
    for row, words in enumerate(WORDS):
        ImageDraw.Draw(page).text((80, 70 + 44 * row), words, fill=print_, font=font)
    return np.asarray(page)


def rules() -> Pixels:
    page = Image.new("RGB", (900, 500), "white")
    for y in range(60, 440, 60):
        ImageDraw.Draw(page).line((40, y, 860, y), fill="black", width=3)
    return np.asarray(page)


def photo() -> Pixels:
    """Hills in haze, with grain."""
    x, y = np.meshgrid(np.arange(900), np.arange(500))
    hills = 120 + 60 * np.sin(x / 90) * np.cos(y / 70) + 30 * np.sin((x + y) / 23)
    grain = np.random.default_rng(7).normal(0, 14, (500, 900))
    return np.repeat(np.clip(hills + grain, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def find(ink: TextInk, pixels: Pixels, read: Sequence[BBox] = (), lines: Sequence[BBox] | None = None) -> list[BBox]:
    return ink.find_lines(pixels, PageLayout([], [], lines=lines), read, StrayInk(pixels))


@pytest.mark.parametrize(("paper", "print_"), [("white", "black"), ("#1d1f21", "#e0e0d0"), ("#204080", "white")])
def test_text_outside_of_regions_is_found(ink: TextInk, paper: str, print_: str) -> None:
    found = find(ink, drawn(paper, print_))
    assert len(found) == 2
    assert all(60 < (line[1] + line[3]) / 2 < 160 for line in found)


def test_text_in_regions_is_not_looked_for(ink: TextInk) -> None:
    assert find(ink, drawn(), read=[PLACE]) == []


@pytest.mark.parametrize(
    "page", [np.full((500, 900, 3), 255, np.uint8), rules(), photo()], ids=["blank", "rules", "photo"]
)
def test_pages_without_text(ink: TextInk, page: Pixels) -> None:
    assert find(ink, page) == []


def test_lines_of_the_layout_are_checked(ink: TextInk) -> None:
    lines: list[BBox] = [(78, 68, 700, 112), (78, 300, 700, 340)]
    assert find(ink, drawn(), lines=lines) == lines[:1]


def test_grain_is_no_text() -> None:
    assert not is_text(photo(), (100, 100, 500, 130))


def test_line_that_regions_leave_over_is_found(ink: TextInk) -> None:
    first: BBox = (60, 60, 800, 112)
    (line,) = find(ink, drawn(), read=[first])
    assert line[1] > 100
