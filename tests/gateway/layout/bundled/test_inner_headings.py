"""Headings that a model left within a text."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gateway.layout.base import Detection
from gateway.layout.bundled.inner_headings import part_headings
from gateway.model import BBox, Pixels

GREEN = "#76b900"
Line = tuple[BBox, str, int]
"""Box, colour and width of the strokes."""


def row(top: int, right: int = 880, colour: str = "black", width: int = 3, left: int = 100) -> Line:
    return (left, top, right, top + 28), colour, width


def draw(lines: list[Line]) -> Pixels:
    image = Image.new("RGB", (1000, 900), "white")
    for (x1, y1, x2, y2), colour, width in lines:
        for x in range(x1, x2 - 10, 18):
            ImageDraw.Draw(image).line((x, y1 + 4, x + 6, y2 - 4), fill=colour, width=width)
    return np.asarray(image)


def labels(lines: list[Line]) -> list[str]:
    boxes = [box for box, _, _ in lines]
    whole = Detection("reference_content", 0.9, (90, boxes[0][1] - 6, 890, boxes[-1][3] + 6))
    return [part.label for part in part_headings([whole], boxes, draw(lines))]


def paragraph(top: int) -> list[Line]:
    return [row(top + 36 * at) for at in range(3)] + [row(top + 108, 600)]


@pytest.mark.parametrize("heading", [row(300, 380, width=6), row(300, 380, GREEN)], ids=["bold", "coloured"])
def test_a_row_above_a_paragraph_is_a_heading(heading: Line) -> None:
    lines = [*paragraph(100), heading, *paragraph(346)]
    assert labels(lines) == ["reference_content", "paragraph_title", "reference_content"]


def test_headings_may_follow_each_other() -> None:
    lines = [row(60, 380, GREEN), row(108, 420, width=6), *paragraph(150), *paragraph(300)]
    assert labels(lines) == ["paragraph_title", "paragraph_title", "reference_content"]


@pytest.mark.parametrize(
    "odd",
    [row(300, 380), row(300, 860, width=6), row(300, 880, width=6, left=400), row(244, 380, width=6)],
    ids=["plain", "long", "on the right", "without space above"],
)
def test_other_rows_stay_in_their_text(odd: Line) -> None:
    assert labels([*paragraph(100), odd, *paragraph(346)]) == ["reference_content"]


def test_bold_entries_of_a_list_are_no_headings() -> None:
    entries = [one for at in range(5) for one in (row(100 + 120 * at, 380, width=6), row(146 + 120 * at))]
    assert labels(entries) == ["reference_content"]
