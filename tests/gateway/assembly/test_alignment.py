"""Text that tells no places on lines whose words were drawn at known ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common.geometry import area, intersection_area
from gateway.assembly.alignment import LineInk, align_readings, align_text, find_line_inks
from gateway.model import BBox, Reading, Region
from gateway.reading_options import OcrOptions
from tests.support.script_pages import FONT

PARAGRAPH = [
    "The Arden is a short river. It rises in chalk hills,",
    "crosses eighteen kilometres of pasture and meets",
    "the sea at Millbrook. Because it is short, it answers",
    "quickly to rain: a storm in the hills reaches the",
    "lowest bridge in less than five hours. For most of the",
    "last century nobody measured it.",
]
SIZE, PITCH, LEFT = 20, 30, 40


def drawn(lines: Sequence[str]) -> tuple[list[LineInk], list[tuple[str, BBox]]]:
    """The lines as a detector gives them, somewhat larger than their ink, and each word with the box of its ink."""
    font = ImageFont.truetype(FONT, SIZE)
    image = Image.new("RGB", (700, PITCH * (len(lines) + 1)), "white")
    draw = ImageDraw.Draw(image)
    boxes: list[BBox] = []
    words: list[tuple[str, BBox]] = []
    for number, line in enumerate(lines):
        x, y = float(LEFT), number * PITCH + 10
        for word in line.split():
            draw.text((x, y), word, font=font, fill="black")
            words.append((word, tuple(map(round, draw.textbbox((x, y), word, font=font)))))  # type: ignore[arg-type]
            x += font.getlength(word + " ")
        boxes.append((LEFT - 4, y - 2, round(x) + 2, y + SIZE + 6))
    return find_line_inks(np.asarray(image), boxes), words


def assert_placed(lines: Sequence[str], text: str) -> None:
    inks, words = drawn(lines)
    aligned = align_text(text, inks)
    assert aligned is not None
    assert [line.text for line in aligned] == list(lines)
    assert {line.source for line in aligned} == {"aligned"}
    placed = [word for line in aligned for word in line.words]
    assert [word.text for word in placed] == [text for text, _ in words]
    overlaps = []
    for word, (_, box) in zip(placed, words, strict=True):
        common = intersection_area(word.bbox, box)
        overlaps.append(common / (area(word.bbox) + area(box) - common))
    assert np.median(overlaps) > 0.85
    assert min(overlaps) > 0.3


def test_running_text_falls_into_its_lines() -> None:
    assert_placed(PARAGRAPH, " ".join(PARAGRAPH))


def test_text_with_the_prints_own_breaks_falls_into_its_lines() -> None:
    assert_placed(PARAGRAPH, "\n".join(PARAGRAPH))


def test_text_that_lacks_a_line_gets_no_places() -> None:
    inks, _ = drawn(PARAGRAPH)
    assert align_text(" ".join(PARAGRAPH[:2] + PARAGRAPH[3:]), inks) is None


def test_other_text_gets_no_places() -> None:
    inks, _ = drawn(PARAGRAPH)
    other = "Quarterly figures were approved without a vote; internationalisation proceeds as planned in all regions. "
    assert align_text(3 * other, inks) is None


def test_more_lines_than_words_get_no_places() -> None:
    inks, _ = drawn(PARAGRAPH)
    assert align_text("two words", inks) is None
    assert align_text("", inks) is None
    assert align_text("text", []) is None


def test_lines_go_to_the_text_of_their_region() -> None:
    inks, _ = drawn(PARAGRAPH)
    regions = [
        Region("text", (0, 0, 700, 3 * PITCH), 1),
        Region("text", (0, 3 * PITCH, 700, 7 * PITCH), 2),
        Region("table", (0, 300, 10, 310), 3),
    ]
    readings = [Reading(text=" ".join(PARAGRAPH[:3])), Reading(text=" ".join(PARAGRAPH[3:])), Reading(text="x")]
    first, second, table = align_readings(regions, readings, inks, OcrOptions())
    assert [line.text for line in first.lines or ()] == PARAGRAPH[:3]
    assert [line.text for line in second.lines or ()] == PARAGRAPH[3:]
    assert table.lines is None


def test_a_group_read_in_one_call_has_the_lines_of_all_its_regions() -> None:
    inks, _ = drawn(PARAGRAPH)
    regions = [
        Region("text", (0, 0, 700, 3 * PITCH), 1, group=1),
        Region("text", (0, 3 * PITCH, 700, 7 * PITCH), 2, group=1),
    ]
    first, second = align_readings(regions, [Reading(text=" ".join(PARAGRAPH)), Reading()], inks, OcrOptions())
    assert [line.text for line in first.lines or ()] == PARAGRAPH
    assert second.lines is None
