"""How much room a block's lines have on their page: its column's width, as a multiple of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.geometry import intersection_area
from gateway.assembly.text.line_breaks import is_wrapped
from gateway.labels import CAPTION_LABELS, TITLE_LABELS
from gateway.model import BBox, Block

TOLERANCE = 0.03
"""Share of the page's width by which the edges of one column may differ."""
MIN_MATE_LINES = 3
BESIDE = 0.2
"""Share of the lower block's height that stands level with the other one where they stand beside each other."""
_SINGLE = TITLE_LABELS | CAPTION_LABELS


def find_rooms(blocks: Sequence[Block], page_width: int) -> Mapping[str, float]:
    """Id of each block to the width that the page has for its lines, as a multiple of the block's own; at least 1."""
    boxes = [block.bbox for block in blocks]
    texts = [(block.bbox, _lines(block)) for block in blocks if block.content.strip() and block.label not in _SINGLE]
    return {block.id: _room(block.bbox, texts, boxes, page_width) for block in blocks if len(_lines(block)) > 1}


def _lines(block: Block) -> list[str]:
    return [line.strip() for line in block.content.splitlines() if line.strip()]


def _room(box: BBox, texts: Sequence[tuple[BBox, list[str]]], boxes: Sequence[BBox], page_width: int) -> float:
    tolerance = TOLERANCE * page_width
    if any(_is_mate(box, other, lines, tolerance) for other, lines in texts):
        return 1.0
    left, right = _limits(box, boxes, page_width)
    wider = [other for other, _ in texts if other[0] <= box[0] + tolerance and other[2] >= box[2] - tolerance]
    x1, _, x2, _ = max(wider, key=lambda other: other[2] - other[0], default=box)
    if x2 - x1 <= box[2] - box[0] + tolerance:
        margin = min(other[0] for other in boxes)
        x1, x2 = box[0], page_width - margin
    return max(1.0, (min(x2, right) - max(x1, left)) / max(box[2] - box[0], 1))


def _is_mate(box: BBox, other: BBox, lines: Sequence[str], tolerance: float) -> bool:
    """Whether `other` is prose in a column that is as wide as the box."""
    is_aligned = abs(other[0] - box[0]) <= tolerance and abs(other[2] - box[2]) <= tolerance
    return is_aligned and other != box and len(lines) >= MIN_MATE_LINES and is_wrapped(lines)


def _limits(box: BBox, boxes: Sequence[BBox], page_width: int) -> tuple[int, int]:
    """How far a line may reach to the left and to the right, for what stands there."""
    beside = [other for other in boxes if _is_beside(box, other)]
    left = max((other[2] for other in beside if other[2] <= (box[0] + box[2]) // 2), default=0)
    right = min((other[0] for other in beside if other[0] >= (box[0] + box[2]) // 2), default=page_width)
    return left, right


def _is_beside(box: BBox, other: BBox) -> bool:
    shared = min(box[3], other[3]) - max(box[1], other[1])
    is_level = shared > BESIDE * min(box[3] - box[1], other[3] - other[1])
    return is_level and other != box and not intersection_area(box, other)
