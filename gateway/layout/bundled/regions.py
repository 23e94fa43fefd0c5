"""From what the models saw to the regions of a page: detections and text lines in, regions in reading order out.

Detections say what kind of content stands where; text lines say where text really is. A detection that its lines
contradict (a "figure" full of text, a "table" without columns) is dropped, and lines that no detection covers become
regions of their own, so that no text is lost. So do lines in a picture, which nobody reads: it stays beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Boxes, area, clip, intersection_area, union
from gateway.layout.base import Detection
from gateway.layout.bundled.line_owners import (
    PAGE_PICTURE,
    assign_lines,
    free_labelled,
    free_printed,
    free_smaller,
    trim_table,
)
from gateway.layout.bundled.plausibility import (
    FORMULA,
    INSIDE,
    LISTING,
    MARGIN_LABELS,
    PICTURE,
    TABLE,
    TEXT,
    TITLE,
    correct_labels,
    find_lines,
    is_plausible,
)
from gateway.layout.bundled.region_parts import (
    Part,
    find_middle,
    join_enclosed,
    join_ragged,
    join_wrapped,
    line_height,
    measure_height,
)
from gateway.model import BBox, Polygon, Region
from textlines.order import reading_order
from textlines.paragraphs import paragraphs, rows

COVERED = 0.6  # a detection whose area is covered by better ones to this share is dropped
SURE = 0.6  # score from which a detection is believed without text lines
PADDING = 0.15  # white space kept around text, in line heights: detectors cut ascenders
SCREEN = 0.6  # share of the page from which a picture is a screenshot or a poster, whose first line is no running head
MAX_NUMBER, NUMBER_MARGIN = 2.5, 0.08  # width of a page's number in its heights, the margin in heights of the page ...
MIN_PAGE_LINES = 4  # ... of a page with so many lines at least
BARE = 0.1  # share of a picture in a listing that lines of text hold at most
LARGER = 1.18  # height of a heading's rows beside those of the text below, in lines that no detection holds ...
MAX_HEADING_ROWS = 3  # ... and how many they are at most, always fewer than the text's
HIGHEST = 0.9  # quantile of the heights of the text's rows that those of its heading exceed
MIN_ARTICLE_ROWS = 4  # of a column that may begin with a heading: the first row of an address is higher by chance
HEADING_GAP, HEADING_WIDTH = 0.3, 0.9  # white space above a heading within a column, in line heights, and its width


MIN_FULL_ROWS = 12  # of a page whose margins hold none of its text
ASIDE, DOWN = 0.1, 2.0
"""Share of the page's width that is its outer margin; height of a line that runs down, in its width."""
FOOT_GAP = 0.75  # white space above a page's foot, in its line heights, at least
COLUMN_WIDTH = 8.0  # of texts side by side, in line heights: between narrower ones is no gutter
COLUMN_LABELS = frozenset({TEXT, "reference_content", "figure_title"})


def build_regions(detections: Sequence[Detection], lines: Sequence[BBox], width: int, height: int) -> list[Region]:
    """Regions of a page of `width` × `height` pixels, in reading order, boxes within the page."""
    believed = correct_labels(detections, lines)
    chosen = _drop_covered([detection for detection in believed if is_plausible(detection, lines, height)], lines)
    chosen = [trim_table(one, lines) for one in _free_margins(chosen, width * height)]
    owners = free_printed(assign_lines(lines, chosen), chosen, lines, width * height)
    owners = free_labelled(free_smaller(owners, chosen, lines), chosen, lines)
    parts: list[Part] = []
    for index, detection in enumerate(chosen):
        own = [line for line, owner in zip(lines, owners, strict=True) if owner == index]
        if own or _stands_alone(detection, lines):
            parts.extend(_split_detection(detection, own))
    parts = join_enclosed(parts)
    parts.extend(_group_text([line for line, owner in zip(lines, owners, strict=True) if owner is None], parts))
    parts = join_wrapped(join_ragged(parts))
    parts = _relabel_asides([_relabel_number(part, lines, height) for part in parts], width)
    return _order_parts(_promote_title(parts, height), width, height)


def _free_margins(detections: list[Detection], page_area: int) -> list[Detection]:
    """The detections, running heads as text where a picture is nearly all of the page: a screen has none."""
    is_screen = any(d.label == PICTURE and area(d.box) >= SCREEN * page_area for d in detections)
    return [replace(d, label=TEXT) if is_screen and d.label in MARGIN_LABELS else d for d in detections]


def _drop_covered(detections: list[Detection], lines: Sequence[BBox]) -> list[Detection]:
    """Best first: listings before the picture that they stand in (a screen), tables and pictures before the text they
    hold, then by score."""
    kept: list[Detection] = []
    ranks = {LISTING: 2, TABLE: 1, PICTURE: 1}
    for detection in sorted(detections, key=lambda d: (ranks.get(d.label, 0), d.score), reverse=True):
        covered = sum(
            intersection_area(detection.box, other.box) for other in kept if not _is_inset(detection, other, lines)
        )
        if covered < COVERED * area(detection.box):
            kept.append(detection)
    return kept


def _is_inset(detection: Detection, listing: Detection, lines: Sequence[BBox]) -> bool:
    """Whether it is a picture among the rows of a listing, and neither the screen that shows them nor some of them."""
    if (detection.label, listing.label) != (PICTURE, LISTING):
        return False
    printed = sum(intersection_area(line, detection.box) for line in lines)
    is_screen = intersection_area(detection.box, listing.box) >= SCREEN * area(listing.box)
    return not is_screen and printed < BARE * area(detection.box)


def _stands_alone(detection: Detection, lines: Sequence[BBox]) -> bool:
    """Whether a detection without lines of its own is worth a look: a picture, or text that no line was found in."""
    return detection.label == PICTURE or (detection.score >= SURE and not find_lines(lines, detection))


def _split_detection(detection: Detection, lines: list[BBox]) -> list[Part]:
    """One part, or several where a box of text reaches over columns."""
    x1, y1, x2, y2 = (round(value) for value in detection.box)
    if detection.label in {PICTURE, TABLE, FORMULA, LISTING} or not lines:
        return [Part(detection.label, detection.score, union([(x1, y1, x2, y2), *lines]), tuple(lines))]
    columns = _columns(lines)
    if len(columns) == 1 or detection.label != TEXT:
        return [Part(detection.label, detection.score, union(column), tuple(column)) for column in columns]
    return [
        Part(label, detection.score, union(part), tuple(part))
        for column in columns
        for label, part in (_split_heading(column) if len(rows(column)) >= MIN_ARTICLE_ROWS else [(TEXT, column)])
        if part
    ]


def _columns(lines: list[BBox]) -> list[list[BBox]]:
    """Splits the lines of one detection only where they stand in columns; paragraphs under each other stay together."""
    groups = [[lines[i] for i in group] for group in paragraphs(lines)]
    boxes = [union(group) for group in groups]
    if not any(_are_columns(a, b) for a in boxes for b in boxes):
        return [lines]
    return [part for group in groups for part in _split_at_headings(group)]


def _split_at_headings(group: list[BBox]) -> list[list[BBox]]:
    """The rows of a column from each heading to the next, where a column holds several articles: short rows in larger
    print, with white space above."""
    table = [[group[i] for i in row] for row in rows(group)]
    boxes = [union(row) for row in table]
    usual = float(np.median([measure_height(box) for box in boxes]))
    width = max(box[2] for box in boxes) - min(box[0] for box in boxes)
    starts = [
        at
        for at, (above, box) in enumerate(pairwise(boxes), 1)
        if min(map(measure_height, table[at])) >= LARGER * usual
        and box[1] - above[3] > HEADING_GAP * usual
        and box[2] - box[0] < HEADING_WIDTH * width
    ]
    return [[line for row in table[start:end] for line in row] for start, end in pairwise([0, *starts, len(table)])]


def _are_columns(a: BBox, b: BBox) -> bool:
    shared = min(a[3], b[3]) - max(a[1], b[1])
    return a[2] <= b[0] and shared > INSIDE * min(a[3] - a[1], b[3] - b[1])


def _group_text(lines: list[BBox], others: Sequence[Part]) -> list[Part]:
    groups = [[lines[i] for i in group] for group in paragraphs(lines)]
    texts = [*others, *(Part(TEXT, None, union(group), tuple(group)) for group in groups)]
    wide = [part.box for part in texts if part.label in COLUMN_LABELS and _is_wide(part)]
    columns = np.asarray(wide, dtype=np.float64).reshape(-1, 4)
    return [
        Part(label, None, union(part), tuple(part))
        for whole in groups
        for group in _split_at_gutter(whole, columns)
        for label, part in _split_heading(group)
        if part
    ]


def _is_wide(part: Part) -> bool:
    return bool(part.lines) and part.box[2] - part.box[0] >= COLUMN_WIDTH * line_height(part)


def _split_at_gutter(group: list[BBox], columns: Boxes) -> list[list[BBox]]:
    """The lines of a group on each side of a gutter between texts side by side, where none of them crosses it: short
    lines below both columns, as the choices of two questions, look like one row."""
    by_left, edge = sorted(group), -math.inf
    for at, line in enumerate(by_left):
        if at > 0 and edge <= line[0] and _stand_below(by_left[:at], by_left[at:], columns):
            return [part for side in (by_left[:at], by_left[at:]) for part in _split_at_gutter(side, columns)]
        edge = max(edge, line[2])
    return [group]


def _stand_below(left: Sequence[BBox], right: Sequence[BBox], columns: Boxes) -> bool:
    """Whether the lines stand below or above two texts side by side, whose gutter parts them and holds none of them."""
    x1, _, x2, _ = columns.T
    one, other = union(left), union(right)
    ends = columns[(x2 <= other[0]) & (x2 > left[-1][0]) & _share_columns(columns, one)]
    starts = columns[(x1 >= one[2]) & (x1 < min(line[2] for line in right)) & _share_columns(columns, other)]
    is_level = np.minimum(ends[:, None, 3], starts[:, 3]) > np.maximum(ends[:, None, 1], starts[:, 1])
    return bool((is_level & (ends[:, None, 2] < starts[:, 0])).any())


def _share_columns(boxes: Boxes, box: BBox) -> NDArray[np.bool_]:
    x1, _, x2, _ = boxes.T
    shared = np.minimum(x2, box[2]) - np.maximum(x1, box[0])
    result: NDArray[np.bool_] = 2 * shared > np.minimum(x2 - x1, box[2] - box[0])
    return result


def _split_heading(group: list[BBox]) -> list[tuple[str, list[BBox]]]:
    """The lines of a group by label: first rows that are set larger than those below are a heading."""
    table = [[group[i] for i in row] for row in rows(group)]
    heights = [
        min(measure_height(line) for line in row) for row in table
    ]  # a drop cap's row holds lines of usual height, too
    usual = float(np.median(heights))
    count = next((at for at, height in enumerate(heights) if height < LARGER * usual), len(table))
    if not 0 < count <= MAX_HEADING_ROWS or 2 * count >= len(table) or not _stand_out(table, heights, count):
        return [("text", group)]
    return [
        (TITLE, [line for row in table[:count] for line in row]),
        ("text", [x for row in table[count:] for x in row]),
    ]


def _stand_out(table: Sequence[Sequence[BBox]], heights: Sequence[int], count: int) -> bool:
    """Whether the first `count` rows are higher than nearly all others, and one ends elsewhere than rows that fill the
    column: boxes in noisy scans are higher by chance."""
    widths = [box[2] - box[0] for box in map(union, table)]
    usual = max(widths[count:])
    is_filled = all(HEADING_WIDTH * usual <= width <= usual / HEADING_WIDTH for width in widths[:count])
    return not is_filled and min(heights[:count]) > float(np.quantile(heights[count:], HIGHEST))


def _relabel_number(part: Part, lines: Sequence[BBox], height: int) -> Part:
    """A few glyphs alone in the upper or lower margin are the page's number."""
    x1, y1, x2, y2 = part.box
    is_short = x2 - x1 <= MAX_NUMBER * (y2 - y1)
    is_outside = min(y2, height - y1) < NUMBER_MARGIN * height
    is_likely = is_short and is_outside and len(part.lines) <= 1
    if part.score is not None or not is_likely or len(lines) < MIN_PAGE_LINES:
        return part
    others = (max(other[1] - y2, y1 - other[3], other[0] - x2, x1 - other[2]) for other in lines if other != part.box)
    distance = min(others, default=0)
    return Part("number", None, part.box, part.lines) if distance > y2 - y1 else part


def _relabel_asides(parts: list[Part], width: int) -> list[Part]:
    """The parts, texts that run down the outer margin of a full page as what stands beside its text: the stamp of an
    archive, the kind of a report on a coloured strip."""
    level = [line for part in parts for line in part.lines if not _runs_down(line)]
    if len(rows(level)) < MIN_FULL_ROWS:
        return parts
    left, right = (float(np.quantile([line[side] for line in level], share)) for side, share in ((0, 0.05), (2, 0.95)))

    def is_aside(part: Part) -> bool:
        x1, _, x2, _ = part.box
        is_outside = (x2 <= left and x1 < ASIDE * width) or (x1 >= right and x2 > (1 - ASIDE) * width)
        return part.label == TEXT and is_outside and bool(part.lines) and all(map(_runs_down, part.lines))

    return [replace(part, label="aside_text") if is_aside(part) else part for part in parts]


def _runs_down(line: BBox) -> bool:
    return line[3] - line[1] >= DOWN * (line[2] - line[0])


def _promote_title(parts: list[Part], height: int) -> list[Part]:
    """The heading with the largest print in the upper half becomes the document's title if it stands out."""
    sizes = [line_height(part) for part in parts if part.label == "text" and part.lines]
    titles = [part for part in parts if part.label == "paragraph_title" and part.box[1] < height / 2 and part.lines]
    if not sizes or not titles:
        return parts
    largest = max(titles, key=line_height)
    if line_height(largest) < 1.5 * float(np.median(sizes)):
        return parts
    title = Part("doc_title", largest.score, largest.box, largest.lines)
    return [title if part is largest else part for part in parts]


def _order_parts(parts: list[Part], width: int, height: int) -> list[Region]:
    feet, rest = _find_feet(parts, height)
    parts = [*sorted(rest, key=lambda part: not _is_page(part, width * height)), *feet]
    pages, end = sum(_is_page(part, width * height) for part in rest), len(rest)
    text = (pages + index for index in reading_order([part.box for part in parts[pages:end]]))
    order = [*range(pages), *text, *range(end, len(parts))]
    boxes = [_trim_box(_pad_box(part, width, height), at, parts) for at, part in enumerate(parts)]
    return [
        Region(parts[at].label, boxes[at], place, parts[at].score, _outline(parts[at], parts))
        for place, at in enumerate(order, start=1)
    ]


def _trim_box(box: BBox, at: int, parts: Sequence[Part]) -> BBox:
    """The box of a part up to half-way to the rows of others above and below it, which would else be read twice."""
    own = parts[at].lines
    if not own or parts[at].label in {PICTURE, TABLE, FORMULA}:
        return box
    others = [other.lines for place, other in enumerate(parts) if place != at and other.label != PICTURE]
    x1, top, x2, bottom = union(own)
    foreign = np.asarray([line for lines in others for line in lines], dtype=np.float64).reshape(-1, 4)
    foreign = foreign[_share_columns(foreign, (x1, top, x2, bottom))]
    middle = foreign[:, [1, 3]].mean(axis=1)
    first, last = min(map(find_middle, own)), max(map(find_middle, own))
    above = foreign[(middle < top) & (foreign[:, 3] < first), 3]
    below = foreign[(middle > bottom) & (foreign[:, 1] > last), 1]
    y1 = max([box[1], *((top + above) / 2).astype(int).tolist()])
    y2 = min([box[3], *((bottom + below) / 2).astype(int).tolist()])
    return box[0], y1, box[2], y2


def _find_feet(parts: Sequence[Part], height: int) -> tuple[list[Part], list[Part]]:
    """Single rows in the lower margin that white space parts from all else, row by row, and the other parts.

    They are no end of the column above them, and are read last.
    """
    feet = [part for part in parts if _is_foot(part, height)]
    rest = [part for part in parts if not _is_foot(part, height)]
    bottom = max((part.box[3] for part in rest), default=0)
    if not all(part.box[1] - bottom > FOOT_GAP * line_height(part) for part in feet):
        return [], list(parts)
    return [feet[index] for row in rows([part.box for part in feet]) for index in row], rest


def _is_foot(part: Part, height: int) -> bool:
    return part.box[1] >= (1 - NUMBER_MARGIN) * height and len(rows(part.lines)) == 1


def _is_page(part: Part, page_area: int) -> bool:
    """Whether the part is a picture that is the page. It comes first: what is printed in it is not beside it."""
    return part.label == PICTURE and area(part.box) >= PAGE_PICTURE * page_area


def _outline(part: Part, parts: list[Part]) -> Polygon | None:
    """Steps around the part's rows where its box holds text of another part, which would else be read twice."""
    foreign = (line for other in parts if other is not part for line in other.lines)
    if part.label in {PICTURE, TABLE, FORMULA} or not any(_is_mostly_inside(line, part.box) for line in foreign):
        return None
    margin = round(PADDING * line_height(part)) + 1
    bands = _bands([union([part.lines[i] for i in row]) for row in rows(part.lines)], margin)
    right = [(x, y) for _, top, edge, bottom in bands for x, y in ((edge, top), (edge, bottom))]
    left = [(x, y) for edge, top, _, bottom in bands for x, y in ((edge, top), (edge, bottom))]
    return tuple((max(0, x), max(0, y)) for x, y in [*right, *reversed(left)])


def _bands(boxes: list[BBox], margin: int) -> list[BBox]:
    """Rows of text as bands that meet half-way between the rows, widened by `margin`."""
    tops = [boxes[0][1] - margin, *((above[3] + below[1]) // 2 for above, below in pairwise(boxes))]
    bottoms = [*tops[1:], boxes[-1][3] + margin]
    return [
        (x1 - margin, top, x2 + margin, bottom)
        for (x1, _, x2, _), top, bottom in zip(boxes, tops, bottoms, strict=True)
    ]


def _is_mostly_inside(line: BBox, box: BBox) -> bool:
    return intersection_area(line, box) > INSIDE * area(line)


def _pad_box(part: Part, width: int, height: int) -> BBox:
    margin = round(PADDING * line_height(part)) + 1 if part.lines else 0
    x1, y1, x2, y2 = part.box
    return clip((x1 - margin, y1 - margin, x2 + margin, y2 + margin), width, height)
