"""Whether a page's text lines bear out what the layout model says, and how headings are set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import combinations, compress, pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Rectangle, area, clip, intersection_area, union
from gateway.layout.base import Detection
from gateway.model import BBox, Pixels
from textlines.glyphs import find_components
from textlines.paragraphs import paragraphs, rows

PICTURE, TABLE, FORMULA, LISTING = "image", "table", "display_formula", "algorithm"
MARGIN_LABELS = {"header", "footer"}

PROSE_ROWS = 6  # a paragraph of at least so many rows ...
PROSE_FILL = 0.8  # ... most of which reach over this share of its width ...
PROSE_WIDTH = 8  # ... and that is at least so many line heights wide is prose
PROSE_SHARE = 0.5  # share of a box's lines that are prose from which it is neither a table nor a picture
PICTURE_TEXT_DENSITY = 0.2  # a picture whose text lines cover more of it than this is text
PICTURE_TEXT_LINES = 6
TABLE_ROWS_WITH_CELLS = 0.3  # share of a table's rows that hold two cells or more
FORMULA_LINES = 6
MARGIN = 0.1  # headers and footers stand in this outer share of the page's height
MARGIN_ROWS = 2
HEADING_SIZE = 1.12  # a "header" this much larger than the page's other lines is a heading where it stands alone ...
LARGE_SIZE = 1.3  # ... and one this much larger anywhere
SMALL_SIZE, SMALL_FOOT = 0.92, 0.82  # running heads and feet are often set so much smaller than the text; notes less
CAPITAL, MANY_LETTERS = 0.9, 12  # quantile of the heights of so many letters that is a capital's; of fewer the highest
TELLING_LINES = 8  # so many lines of a text tell how large it is printed, where that is clear; each takes 0.2 ms
UNCLEAR = 0.2  # where sizes differ by so little from what decides, all lines are looked at
NUMBER_WIDTH, APART = 2.7, 3.0  # a page's number is so many line heights wide at most, and so far from what is beside
WORD_WIDTH = 3.5  # a title of one word is so many line heights wide at most
CLOSE = 0.3  # rows of one text stand so close, in line heights
FAR = 1.5  # who issues a form stands so near above its title, in line heights
NAME_SIZE = 2.0  # a newspaper's name is so much larger than the date below it
MIN_RUNNING_ROWS = 6  # a page of fewer rows, a notice or a memo, has no running head but a title
COVER_LINES, COVER_ROWS = 14, 3  # most lines of a cover, and so many rows of one text are prose ...
COVER_SIZE = 1.8  # ... and height of its largest line beside a line in the margin
CERTAIN = 0.8  # score from which a table or picture may hold some prose
INSIDE = 0.5  # a line belongs to the detection that holds this share of its area
TITLE, TEXT = "paragraph_title", "text"
LARGER, BOLDER = 1.15, 1.2
"""How much higher the lines of a heading are than the page's others, or how much thicker their strokes."""
PROMOTED, MIN_PROMOTED_OTHERS = 1.25, 3
"""How much larger a row of text is if it is a heading that the model took for text, and the fewest lines beside it."""
LARGER_CORE, CORE = 1.17, 0.45
"""The same of the rows of pixels that hold so much of the ink of the fullest one, as high as small letters: boxes are
loose, and higher around letters that reach up and down."""
MUCH_LARGER = 1.4
"""The same beside the lines that are none of a heading's, where they are fewer: a cover's subtitle, a page's number."""
CENTRED = 0.02
"""Share of the page's width by which the middle of a centred heading may be off; it ends so far from both edges."""
LONG_ROW, LONG_ROWS = 0.8, 0.6
"""Share of the page's longest line from which on one row is as long as prose; the second for several rows."""
MIN_HEIGHT = 6
MIN_LINES_TO_TELL = 2
"""A page's only line may be its heading."""


def correct_label(detection: Detection, page_lines: Sequence[BBox], titles: Sequence[BBox] = ()) -> Detection:
    """A header or footer that does not look like one is a heading, where it is set large, or text.

    Running heads are left out of the Markdown, and a model calls one what stands high or low on the page: titles and
    captions, a letter's date and who signs it, the only line. A page's number and small print tell them from these,
    and later that they repeat (`gateway.assembly.running_heads`).
    `titles`: lines of headings.
    """
    lines = find_lines(page_lines, detection)
    if detection.label not in MARGIN_LABELS or not lines:
        return detection
    others = [line for line in page_lines if not contains_line(detection, line)]
    if not others:
        return replace(detection, label=TEXT)
    is_head = detection.label == "header"
    is_titled = is_head and (_is_below_title(lines, others, titles) or _is_above_title(lines, others))
    if is_titled or (is_head and _goes_on_below(lines, others)) or _is_cover(lines, others):
        return replace(detection, label=TEXT)
    size = _height(lines) / _height(others)
    # Of what is no larger `promote_heads` has told by its print, which boxes do not show.
    if size <= HEADING_SIZE or (size <= LARGE_SIZE and _has_page_number(lines, others)):
        return detection
    return replace(detection, label=TITLE if is_head else TEXT)


def correct_labels(detections: Sequence[Detection], page_lines: Sequence[BBox]) -> list[Detection]:
    """As `correct_label`. On a full page no text stands above a running head: what a header above one looked like a
    line of text is a head too, as a publisher's stamp is."""
    titles = [line for one in detections if one.label == TITLE for line in find_lines(page_lines, one)]
    found = [correct_label(detection, page_lines, titles) for detection in detections]
    tops = [union(own)[1] for one in found if one.label == "header" and (own := find_lines(page_lines, one))]
    lowest = max(tops, default=0)
    if len(rows(page_lines)) < MIN_RUNNING_ROWS:
        return found

    def is_above(detection: Detection) -> bool:
        own = find_lines(page_lines, detection)
        return detection.label == TEXT and bool(own) and len(rows(own)) == 1 and union(own)[1] < lowest

    return [
        before if before.label == "header" and is_above(after) else after
        for before, after in zip(detections, found, strict=True)
    ]


def _is_below_title(lines: Sequence[BBox], others: Sequence[BBox], titles: Sequence[BBox]) -> bool:
    """Whether a heading or larger print stands above: no running head is below a title, as place and date of a contract
    are. Full pages may have a name in much larger print over theirs."""
    _, top, _, bottom = union(lines)
    above = [line for line in others if line[3] <= (top + bottom) / 2]
    size = max(map(_height_of, above), default=0) / _height(lines)
    is_titled = size > HEADING_SIZE or not set(titles).isdisjoint(above)
    return is_titled and (size < NAME_SIZE or len(rows(others)) < MIN_RUNNING_ROWS)


def _is_above_title(lines: Sequence[BBox], others: Sequence[BBox]) -> bool:
    """Whether it stands close above larger print on the same axis, as who issues a form does above its title."""
    own, height = union(lines), _height(lines)
    below = [line for line in others if line[1] > (own[1] + own[3]) / 2]
    nearest = min(below, key=lambda line: line[1], default=own)
    is_near = nearest[1] - own[3] <= FAR * height and len(rows(lines)) == 1
    is_centred = abs(own[0] + own[2] - nearest[0] - nearest[2]) <= height
    return is_near and is_centred and _height_of(nearest) > HEADING_SIZE * height


def _goes_on_below(lines: Sequence[BBox], others: Sequence[BBox]) -> bool:
    """Whether a row of the same columns stands as close below as in a text: the first of a column, as in contracts in
    two languages."""
    own, height = union(lines), _height(lines)
    below = [line for line in others if line[1] > (own[1] + own[3]) / 2 and line[0] < own[2] and line[2] > own[0]]
    return min((line[1] - own[3] for line in below), default=math.inf) < CLOSE * height


def _is_cover(lines: Sequence[BBox], others: Sequence[BBox]) -> bool:
    """Whether the other lines are a cover's: none of them is prose, and some are set in much larger print than `lines`.
    Only pages of a text have running heads, but for numbers."""
    if len(others) > COVER_LINES or max(map(_height_of, others)) < COVER_SIZE * _height(lines):
        return False
    own = union(lines)
    is_number = own[2] - own[0] <= NUMBER_WIDTH * (own[3] - own[1])
    return not is_number and all(len(rows([others[i] for i in group])) < COVER_ROWS for group in paragraphs(others))


def _has_page_number(lines: Sequence[BBox], others: Sequence[BBox]) -> bool:
    """Whether the lines are as narrow as a page's number, or one as narrow stands at an end of their row, apart from
    the rest or outside of the text's columns. What else stands beside each other there are places and dates, names and
    signatures."""
    own, height = union(lines), _height(lines)
    if own[2] - own[0] <= NUMBER_WIDTH * height:
        return True
    is_level = [min(line[3], own[3]) - max(line[1], own[1]) > height / 2 for line in others]
    row = sorted([*lines, *compress(others, is_level)])
    text = union([line for line, level in zip(others, is_level, strict=True) if not level] or others)
    gaps = [after[0] - before[2] for before, after in pairwise(row)]
    if not gaps:
        return False
    sides = ((row[0], gaps[0], row[0][2] <= text[0]), (row[-1], gaps[-1], row[-1][0] >= text[2]))
    return any(
        end[2] - end[0] <= NUMBER_WIDTH * height and (gap > APART * height or is_outside)
        for end, gap, is_outside in sides
    )


def is_plausible(detection: Detection, page_lines: Sequence[BBox], height: int) -> bool:
    """Whether a detection on a page of `height` pixels agrees with its lines: a picture full of prose does not."""
    lines = find_lines(page_lines, detection)
    prose = _prose_share(lines) if detection.label in {PICTURE, TABLE, FORMULA} else 0.0
    if prose > (PROSE_SHARE if detection.score >= CERTAIN else 0.0):
        return False
    if detection.label == PICTURE:
        return len(lines) < PICTURE_TEXT_LINES or _density(lines, detection.box) < PICTURE_TEXT_DENSITY
    if detection.label == TABLE:
        return _has_cells(lines)
    if detection.label == FORMULA:
        return len(lines) <= FORMULA_LINES
    if detection.label in MARGIN_LABELS:
        return _is_in_margin(detection, height) and len(rows(lines)) <= MARGIN_ROWS
    return True


def _prose_share(lines: list[BBox]) -> float:
    groups = [[lines[i] for i in group] for group in paragraphs(lines)]
    return sum(len(group) for group in groups if _is_paragraph(group)) / max(len(lines), 1)


def _is_paragraph(group: list[BBox]) -> bool:
    x1, _, x2, _ = union(group)
    text_widths = [sum(group[i][2] - group[i][0] for i in row) for row in rows(group)]
    line_height = _height(group)
    filled = float(np.median(text_widths)) >= PROSE_FILL * (x2 - x1)
    return len(text_widths) >= PROSE_ROWS and filled and x2 - x1 >= PROSE_WIDTH * line_height


def _height_of(line: BBox) -> int:
    return line[3] - line[1]


def _height(lines: Sequence[BBox]) -> float:
    return float(np.median([line[3] - line[1] for line in lines]))


def _has_cells(lines: list[BBox]) -> bool:
    table = rows(lines)
    with_cells = sum(len(row) > 1 for row in table)
    return len(table) > 1 and with_cells >= TABLE_ROWS_WITH_CELLS * len(table)


def _is_in_margin(detection: Detection, height: int) -> bool:
    middle = (detection.box[1] + detection.box[3]) / 2 / height
    return middle < MARGIN if detection.label == "header" else middle > 1 - MARGIN


def _density(lines: list[BBox], box: Rectangle) -> float:
    return sum(area(line) for line in lines) / max(area(box), 1.0)


def find_lines(lines: Sequence[BBox], detection: Detection) -> list[BBox]:
    return [line for line in lines if contains_line(detection, line)]


def contains_line(detection: Detection, line: BBox) -> bool:
    x1, y1, x2, y2 = detection.box
    centred = x1 < (line[0] + line[2]) / 2 < x2 and y1 < (line[1] + line[3]) / 2 < y2
    return centred or intersection_area(line, detection.box) > INSIDE * area(line)


def demote_prose(detections: Sequence[Detection], lines: Sequence[BBox], pixels: Pixels) -> list[Detection]:
    """The detections, those of headings that are set like the page's other text as text. `lines`: the page's."""
    page = _Print(pixels)
    titled = {line for detection in detections if detection.label == TITLE for line in find_lines(lines, detection)}
    others = untitled = [line for line in lines if line not in titled]
    is_implausible = len(titled) > len(others) and len(lines) >= MIN_LINES_TO_TELL
    if is_implausible:
        others = _find_long(lines)
    if not others:
        return list(detections)

    def is_text(detection: Detection) -> bool:
        own = find_lines(lines, detection)
        if detection.label != TITLE or _are_much_larger(own, untitled):
            return False
        return _is_prose(own, others, lines, page, is_any=is_implausible)

    return [replace(one, label=TEXT) if is_text(one) else one for one in detections]


def promote_large(detections: Sequence[Detection], lines: Sequence[BBox], pixels: Pixels) -> list[Detection]:
    """The detections, a row or two of text in clearly larger print than the page's other lines as a heading."""
    page = _Print(pixels)

    def is_heading(detection: Detection) -> bool:
        if detection.label != TEXT:
            return False
        own, others = _part_lines(lines, detection)
        if not own or len(others) < MIN_PROMOTED_OTHERS or len(rows(own)) > MARGIN_ROWS:
            return False
        box = union(own)
        is_larger = _height(own) > PROMOTED * _height(others) and box[2] - box[0] > PROSE_WIDTH * _height(own)
        return is_larger and _core(own, page) > PROMOTED * _core(others, page)

    return [replace(one, label=TITLE) if is_heading(one) else one for one in detections]


def promote_heads(detections: Sequence[Detection], lines: Sequence[BBox], pixels: Pixels) -> list[Detection]:
    """The detections, headers and footers that are none as headings or text.

    Running heads and feet stand on a full page beside its number, or in smaller print. A letter's place and date stand
    as high, names and signatures as low. Where a word is as narrow as a page's number, its text tells which it is.
    """
    page = _Print(pixels)

    def find_label(detection: Detection) -> str:
        own, others = _part_lines(lines, detection)
        if detection.label not in MARGIN_LABELS or not own or not others:
            return detection.label
        is_header, is_full = detection.label == "header", len(rows(others)) >= MIN_RUNNING_ROWS
        is_small = _is_small(own, others, page, SMALL_SIZE if is_header else SMALL_FOOT)
        if is_header and not (is_small and is_full) and len(rows(own)) == 1 and not _shares_row(own, others):
            box, text = union(own), union(others)
            is_bold = not is_small and _weight(own, page) > BOLDER * _weight(others, page)
            is_aside = box[0] > (text[0] + text[2]) / 2
            is_word = not is_full and box[2] - box[0] <= WORD_WIDTH * _height(own)
            if (is_bold and not (is_full and is_aside)) or (is_word and not is_aside):
                return TITLE
            if not is_full:
                return TEXT
        return detection.label if is_small or _has_page_number(own, others) else TEXT

    return [replace(one, label=find_label(one)) for one in detections]


def _part_lines(lines: Sequence[BBox], detection: Detection) -> tuple[list[BBox], list[BBox]]:
    """The lines of a detection, and the others."""
    own = find_lines(lines, detection)
    held = set(own)
    return own, [line for line in lines if line not in held]


def _shares_row(own: Sequence[BBox], others: Sequence[BBox]) -> bool:
    """Whether another text stands in the row, as the page's number does beside a running head."""
    _, top, _, bottom = union(own)
    height = bottom - top
    is_beside = any(min(other[3], bottom) - max(other[1], top) > height / 2 for other in others)
    return is_beside or any(max(a[0], b[0]) - min(a[2], b[2]) > APART * height for a, b in combinations(own, 2))


def _is_small(own: Sequence[BBox], others: Sequence[BBox], page: _Print, share: float) -> bool:
    """Whether the print is below that share of the others', by its capitals and figures, which are as high as letters
    that reach up or down. Boxes of lines are loose."""
    height = _capital(own, page)
    limit = share * _capital(others[:: max(1, len(others) // TELLING_LINES)], page)
    if abs(height - limit) < UNCLEAR * limit:
        limit = share * _capital(others, page)
    return 0 < height < limit


def _are_much_larger(own: Sequence[BBox], others: Sequence[BBox]) -> bool:
    return bool(own and others) and _height(own) > MUCH_LARGER * _height(others)


def _find_long(lines: Sequence[BBox]) -> list[BBox]:
    """The longer half of the lines: text, where a model takes most of a page for headings."""
    return sorted(lines, key=lambda line: line[0] - line[2])[: (len(lines) + 1) // 2]


def _is_prose(
    own: Sequence[BBox], others: Sequence[BBox], lines: Sequence[BBox], page: _Print, *, is_any: bool
) -> bool:
    """`is_any`: whether short rows may be prose as well as long ones."""
    if not own:
        return False
    widths = [box[2] - box[0] for box in (union([own[i] for i in row]) for row in rows(own))]
    longest = max(line[2] - line[0] for line in lines)
    is_long = is_any or max(widths) >= (LONG_ROW if len(widths) == 1 else LONG_ROWS) * longest
    return is_long and not (
        (_height(own) > LARGER * _height(others) and _core(own, page) > LARGER_CORE * _core(others, page))
        or _is_centred(union(own), union(list(lines)))
        or _weight(own, page) > BOLDER * _weight(others, page)
    )


def _is_centred(box: BBox, text: BBox) -> bool:
    left, right, width = box[0] - text[0], text[2] - box[2], text[2] - text[0]
    return min(left, right) > CENTRED * width and abs(left - right) <= 2 * CENTRED * width


def _weight(lines: Sequence[BBox], page: _Print) -> float:
    """Thickness of the strokes as a share of the lines' height: twice the ink by its edge."""
    return float(np.median([page.stroke(line) / (line[3] - line[1]) for line in lines]))


def _capital(lines: Sequence[BBox], page: _Print) -> float:
    """Height of capitals in pixels."""
    return float(np.median([page.capital(line) for line in lines]))


def _core(lines: Sequence[BBox], page: _Print) -> float:
    """Height of small letters in pixels."""
    return float(np.median([page.core(line) for line in lines]))


class _Print:
    """What the lines of a page's picture look like; each is looked at once."""

    def __init__(self, pixels: Pixels) -> None:
        self.capital = cache(partial(_capital_height, pixels))
        self.core = cache(partial(_core_rows, pixels))
        self.stroke = cache(partial(_stroke, pixels))


def _core_rows(pixels: Pixels, line: BBox) -> int:
    rows_of_ink = _ink_of(pixels, line).sum(axis=1, dtype=np.int64)
    return int((rows_of_ink >= CORE * rows_of_ink.max(initial=1)).sum())


def _capital_height(pixels: Pixels, line: BBox) -> float:
    heights = find_components(_ink_of(pixels, line))[:, cv2.CC_STAT_HEIGHT]
    return float(np.quantile(heights, CAPITAL if len(heights) >= MANY_LETTERS else 1.0)) if len(heights) else 0.0


def _stroke(pixels: Pixels, line: BBox) -> float:
    ink = _ink_of(pixels, line)
    if not ink.size:
        return 0.0
    edge = int(ink.sum()) - int(cv2.erode(ink, np.ones((3, 3), dtype=np.uint8)).sum())
    return 2 * int(ink.sum()) / max(edge, 1)


def measure_stroke(line: BBox, pixels: Pixels) -> float:
    """Thickness of a line's strokes as a share of its height."""
    return _stroke(pixels, line) / max(line[3] - line[1], 1)


def measure_ink_height(line: BBox, pixels: Pixels) -> float:
    """Share of a line's height that its print takes; 0 where there is none."""
    across = np.flatnonzero(_ink_of(pixels, line).any(axis=1))
    return float(np.ptp(across) + 1) / (line[3] - line[1]) if len(across) else 0.0


def _ink_of(pixels: Pixels, line: BBox) -> NDArray[np.uint8]:
    """1 where the line's print is; empty of a line too low to tell."""
    x1, y1, x2, y2 = clip(line, pixels.shape[1], pixels.shape[0])
    if min(x2 - x1, y2 - y1) < MIN_HEIGHT:
        return np.empty((0, 0), dtype=np.uint8)
    gray = cv2.cvtColor(np.ascontiguousarray(pixels[y1:y2, x1:x2]), cv2.COLOR_RGB2GRAY)
    _, binary = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    ink: NDArray[np.uint8] = np.asarray(binary, dtype=np.uint8)
    return 1 - ink if 2 * int(ink.sum()) > ink.size else ink
