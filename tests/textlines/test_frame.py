"""Lines of turned pages, photos and vertical columns in the frame in which they are read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from textlines.detection import TextLine, upright_line
from textlines.frame import find_foot, find_frame, find_watermarks
from textlines.paragraphs import rows

WIDTH, HEIGHT = 1200, 1600
LEVEL = [(100, 200 + row * 40, 1000 if row % 4 else 700, 230 + row * 40) for row in range(16)]


def moved(matrix: NDArray[np.float64]) -> list[TextLine]:
    quads = np.array([upright_line(box).quad for box in LEVEL], dtype=np.float32)
    return [TextLine(quad, 1.0) for quad in cv2.perspectiveTransform(quads, matrix)]


def turned(degrees: float) -> list[TextLine]:
    """Clockwise around the page's middle."""
    return moved(np.vstack([cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), -degrees, 1.0), (0, 0, 1)]))


def photographed() -> list[TextLine]:
    page = np.array([(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)], dtype=np.float32)
    seen = np.array([(90, 80), (WIDTH - 30, 0), (WIDTH - 110, HEIGHT - 40), (0, HEIGHT)], dtype=np.float32)
    return moved(np.asarray(cv2.getPerspectiveTransform(page, seen), dtype=np.float64))


def rows_of(lines: list[TextLine]) -> list[list[int]]:
    frame = find_frame(lines, WIDTH, HEIGHT)
    return rows([frame.map_box(line) for line in lines])


@pytest.mark.parametrize("degrees", [-8, -4, -2, 2, 4, 8, 15])
def test_a_turned_page_keeps_its_rows(degrees: float) -> None:
    assert rows_of(turned(degrees)) == [[index] for index in range(len(LEVEL))]


def test_a_photo_keeps_its_rows() -> None:
    assert rows_of(photographed()) == [[index] for index in range(len(LEVEL))]


def test_a_level_page_is_left_as_it_is() -> None:
    lines = moved(np.eye(3))
    frame = find_frame(lines, WIDTH, HEIGHT)
    assert frame.is_upright
    assert [frame.map_box(line) for line in lines] == LEVEL


@pytest.mark.parametrize("lines", [turned(4), photographed()])
def test_boxes_come_back_to_where_the_lines_are(lines: list[TextLine]) -> None:
    frame = find_frame(lines, WIDTH, HEIGHT)
    for line in lines:
        x1, y1, x2, y2 = frame.map_box(line)
        ((x, y),) = frame.restore([((x1 + x2) / 2, (y1 + y2) / 2)])
        assert abs(x - line.quad[:, 0].mean()) <= 3
        assert abs(y - line.quad[:, 1].mean()) <= 3


def test_columns_are_read_from_right_to_left() -> None:
    columns = [upright_line((x, 100, x + 40, 900)) for x in (300, 500, 400)]
    frame = find_frame(columns, WIDTH, HEIGHT)
    assert frame.is_vertical
    assert rows([frame.map_box(line) for line in columns]) == [[1], [2], [0]]


def test_a_column_of_digits_is_not_vertical_text() -> None:
    digits = [upright_line((100, 100 + row * 40, 116, 130 + row * 40)) for row in range(9)]
    assert not find_frame(digits, WIDTH, HEIGHT).is_vertical


def test_a_slanted_line_over_others_is_a_watermark() -> None:
    quad = np.array([(200, 800), (800, 200), (900, 300), (300, 900)], dtype=np.float32)
    lines = [*moved(np.eye(3)), TextLine(quad, 1.0)]
    assert find_watermarks(lines, find_frame(lines, WIDTH, HEIGHT)) == {len(LEVEL)}


def test_a_slanted_sticker_beside_the_text_is_none() -> None:
    quad = np.array([(200, 1300), (500, 1200), (520, 1260), (220, 1360)], dtype=np.float32)
    lines = [*moved(np.eye(3)), TextLine(quad, 1.0)]
    assert find_watermarks(lines, find_frame(lines, WIDTH, HEIGHT)) == set()


def test_all_lines_of_a_turned_page_are_text() -> None:
    lines = turned(12)
    assert find_watermarks(lines, find_frame(lines, WIDTH, HEIGHT)) == set()


def slanted(x: int, y: int) -> TextLine:
    return TextLine(np.array([(x, y), (x + 104, y - 60), (x + 119, y - 34), (x + 15, y + 26)], dtype=np.float32), 1.0)


def test_a_watermark_repeated_between_lines_is_none_of_the_text() -> None:
    marks = [slanted(x, y) for x in (150, 600, 1050) for y in (460, 1000, 1400)]
    piece = TextLine(np.array([(900, 640), (950, 616), (960, 640), (910, 664)], dtype=np.float32), 1.0)
    lines = [*moved(np.eye(3)), *marks, piece]
    assert find_watermarks(lines, find_frame(lines, WIDTH, HEIGHT)) == set(range(len(LEVEL), len(lines)))


def test_a_watermark_repeated_on_a_turned_page_takes_no_text_with_it() -> None:
    """The page's lines run by ten degrees askew to its edges, the watermark's by twenty to them."""
    marks = [slanted(x, y) for x in (150, 600, 1050) for y in (460, 1000, 1400)]
    lines = [*turned(-10), *marks]
    assert find_watermarks(lines, find_frame(lines, WIDTH, HEIGHT)) == set(range(len(LEVEL), len(lines)))


def test_slanted_labels_in_a_row_are_text() -> None:
    """Below a chart; one of them reaches into a line."""
    labels = [slanted(x, 1000) for x in (150, 300, 450, 600, 750)]
    over = slanted(900, 820)
    lines = [*moved(np.eye(3)), *labels, over]
    assert find_watermarks(lines, find_frame(lines, WIDTH, HEIGHT)) <= {len(lines) - 1}


def head(x: int, y: int) -> TextLine:
    """A table's head that rises by 45 degrees from its foot at x, y."""
    quad = np.array([(x - 12, y - 12), (x + 58, y - 82), (x + 82, y - 58), (x + 12, y + 12)], dtype=np.float32)
    return TextLine(quad, 1.0)


def test_slanted_heads_lie_over_nothing_though_their_boxes_hold_other_text() -> None:
    names = [upright_line((x + 10, 905, x + 80, 935)) for x in (300, 400, 500)]
    cells = [upright_line((x - 24, y, x + 24, y + 30)) for x in (300, 400, 500) for y in (1010, 1042)]
    lines = [*moved(np.eye(3)), *names, *cells, *(head(x, 1000) for x in (300, 400, 500))]
    assert find_watermarks(lines, find_frame(lines, WIDTH, HEIGHT)) == set()


def test_a_slanted_line_stands_at_its_lower_end() -> None:
    rising, falling = head(300, 1000), TextLine(head(300, 1000).quad * (-1, 1) + (600, 0), 1.0)
    for line in (rising, falling):
        x1, y1, x2, y2 = find_foot(line)
        assert x1 <= 300 <= x2
        assert 990 <= y2 <= 1012
        assert y2 - y1 <= 40


def test_a_straightened_picture_shows_the_lines_where_the_frame_has_them() -> None:
    lines = photographed()
    page = np.full((HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    cv2.fillPoly(page, [line.quad.round().astype(np.int32) for line in lines], (0, 0, 0))
    frame = find_frame(lines, WIDTH, HEIGHT)
    level = frame.straighten(page)
    assert level.shape == page.shape
    for x1, y1, x2, y2 in (frame.map_box(line) for line in lines):
        assert (level[y1 + 6 : y2 - 6, x1 + 6 : x2 - 6] < 128).mean() > 0.95
