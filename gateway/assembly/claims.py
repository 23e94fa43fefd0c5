"""What the text that was read claims of a page's text lines, by its places where a reading tells them, else by how much
ink its letters take elsewhere on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from common.geometry import Boxes, Rectangle, area
from gateway.assembly.alignment import measure_text
from gateway.labels import TITLE_LABELS, is_formula
from gateway.model import Block, InkedLine

INSIDE = 0.5
"""Share of a line that a block holds where the line is the block's."""
CLAIMED = 0.5
"""Share of a line's length that the places of a reading cover, at least, where the line was read."""
MARGIN = 0.2
"""White space at each end of a line as detectors box it, in its thickness: much of the box of a lone number."""
LEVEL = 0.5
"""Share of the lower of two boxes' heights that they have in common where they stand in one line."""
MIN_LETTERS, ALIKE = 40, 1.2
"""Letters of a block from which on their ink can be compared with that of others, whose lines are at most so many times
as high."""
MAX_PAIRS = 500_000
"""Of lines and boxes that are compared at once, for the memory that it takes."""
SHORT, MIN_MISSING = 0.92, 0.6
"""Share of its letters that a block has, at most, and part of a line that it lacks, at least, where it is called short:
fonts and words differ by less."""
_UNMEASURED = frozenset({"table", "chart", "seal", "spotting"}) | TITLE_LABELS
"""Whose ink is not of letters alone, or whose text is not what is printed; and titles, whose print is bolder."""

Places = Mapping[str, Sequence[Rectangle] | None]
"""Block id to the boxes of the lines that its reading tells; None or missing where it tells none."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What becomes of a line. `share`: of its ink that was read, 0 to 1. `holder`: the smallest block that it stands
    in. `is_told`: text of its place is shown, or a block says itself why there is none. `is_estimate`: its block has
    that share of its text, and nobody knows which of its lines.
    """

    line: InkedLine
    share: float
    holder: Block | None
    is_told: bool
    is_estimate: bool = False


def claim_lines(
    lines: Sequence[InkedLine], blocks: Sequence[Block], shown: Sequence[Block], places: Places
) -> list[Claim]:
    """The claims in the lines' order. `shown`: the blocks that Markdown shows.

    Blocks whose labels are left out count as long as others are shown.
    """
    shown_ids = {block.id for block in shown}
    shows_text = any(block.content.strip() for block in shown)
    firsts = {block.id: _find_first(block, blocks) for block in blocks}
    told = {block.id for block in blocks if _is_told(block, firsts[block.id], shown_ids, shows_text=shows_text)}
    holders = _find_holders(lines, blocks)
    estimates = _estimate_shares(lines, holders, firsts, places)
    boxes = [box for block in blocks if block.id in told for box in places.get(block.id) or ()]
    claims = []
    for line, own, covered in zip(lines, holders, _cover_lines(lines, boxes), strict=True):
        readers = [firsts[block.id] for block in own if block.id in told]
        shares = [_read_share(reader, covered, places, estimates) for reader in readers]
        share = max(shares, default=0.0)
        is_estimate = any(estimates.get(reader.id) == share for reader in readers)
        holder = min(own, key=lambda block: area(block.bbox), default=None)
        claims.append(Claim(line, share, holder, bool(readers), is_estimate))
    return claims


def _find_first(block: Block, blocks: Sequence[Block]) -> Block:
    """The block that holds the text of those that were read with it."""
    return next((other for other in blocks if other.id == block.group_id), block)


def _find_holders(lines: Sequence[InkedLine], blocks: Sequence[Block]) -> list[list[Block]]:
    """The blocks that each line stands in."""
    if not blocks:
        return [[] for _ in lines]
    inner, outer = _to_array([line.box for line in lines]), _to_array([block.bbox for block in blocks])
    shared = _overlap(inner, outer, 0) * _overlap(inner, outer, 1)
    areas = (inner[:, 2] - inner[:, 0]) * (inner[:, 3] - inner[:, 1])
    return [[blocks[at] for at in np.flatnonzero(row).tolist()] for row in shared >= INSIDE * areas[:, np.newaxis]]


def _is_told(block: Block, first: Block, shown_ids: Set[str], *, shows_text: bool) -> bool:
    if block.status in ("failed", "truncated") or block.error or block.continues:
        return True
    return bool(first.content.strip()) if block.id in shown_ids else shows_text


def _read_share(reader: Block, covered: float, places: Places, estimates: Mapping[str, float]) -> float:
    if not reader.content.strip():
        return 0.0
    if places.get(reader.id) is None:
        return estimates.get(reader.id, 1.0)
    return 1.0 if covered >= CLAIMED else covered


def _cover_lines(lines: Sequence[InkedLine], boxes: Sequence[Rectangle]) -> list[float]:
    """Share of each line's length that boxes of its level cover. Heights say little: detectors draw theirs wide."""
    inner, outer = _to_array([line.box for line in lines]), _to_array(boxes)
    is_upright = inner[:, 3] - inner[:, 1] > inner[:, 2] - inner[:, 0]
    step = max(MAX_PAIRS // max(len(outer), 1), 1)
    shares: list[float] = []
    for start in range(0, len(inner), step):
        part = inner[start : start + step]
        covered = np.where(
            is_upright[start : start + step], _measure_cover(part, outer, 1), _measure_cover(part, outer, 0)
        )
        shares += covered.tolist()
    return shares


def _measure_cover(lines: Boxes, boxes: Boxes, along: int) -> Boxes:
    """The same for lines that run along the axis `along`."""
    across = 1 - along
    heights = boxes[:, across + 2] - boxes[:, across], (lines[:, across + 2] - lines[:, across])[:, np.newaxis]
    is_level = _overlap(lines, boxes, across) >= LEVEL * np.minimum(*heights)
    margins = MARGIN * np.minimum(lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1])
    cores = lines.copy()
    cores[:, along] += margins
    cores[:, along + 2] -= margins
    lengths = np.maximum(cores[:, along + 2] - cores[:, along], 1)
    result: Boxes = np.minimum((_overlap(cores, boxes, along) * is_level).sum(axis=1) / lengths, 1.0)
    return result


def _overlap(one: Boxes, other: Boxes, axis: int) -> Boxes:
    """Length that each two boxes have in common along an axis, shape (one, other)."""
    first = np.maximum(one[:, np.newaxis, axis], other[np.newaxis, :, axis])
    last = np.minimum(one[:, np.newaxis, axis + 2], other[np.newaxis, :, axis + 2])
    result: Boxes = np.maximum(last - first, 0.0)
    return result


def _to_array(boxes: Sequence[Rectangle]) -> Boxes:
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


@dataclass(frozen=True, slots=True)
class _Print:
    """The print of a block: ink and letters, the height of its lines, and how many they are."""

    ink: int
    letters: float
    height: float
    lines: int

    @property
    def unit(self) -> float:
        """Ink of a letter."""
        return self.ink / self.letters


def _estimate_shares(
    lines: Sequence[InkedLine],
    holders: Sequence[Sequence[Block]],
    firsts: Mapping[str, Block],
    places: Places,
) -> dict[str, float]:
    """Block id to the share of its lines' ink that its letters can have taken; of those whose reading tells no places
    and which are short of text for certain."""
    own: dict[str, list[InkedLine]] = {}
    for line, blocks in zip(lines, holders, strict=True):
        for first in {firsts[block.id].id: firsts[block.id] for block in blocks}.values():
            own.setdefault(first.id, []).append(line)
    texts = {first.id: first for first in firsts.values()}
    prints = {key: _measure_print(texts[key], found) for key, found in own.items() if _is_measured(texts[key])}
    result: dict[str, float] = {}
    for key, printed in prints.items():
        if places.get(key) is None:
            share = _compare_print(printed, [other for name, other in prints.items() if name != key])
            result |= {} if share is None else {key: share}
    return result


def _is_measured(block: Block) -> bool:
    return bool(block.content.strip()) and not (is_formula(block.label) or block.label in _UNMEASURED)


def _measure_print(block: Block, lines: Sequence[InkedLine]) -> _Print:
    height = float(np.median([min(box[3] - box[1], box[2] - box[0]) for box, *_ in lines]))
    return _Print(sum(line.ink for line in lines), max(measure_text(block.content), 1.0), max(height, 1.0), len(lines))


def _compare_print(printed: _Print, others: Sequence[_Print]) -> float | None:
    """The share of its letters that the print has, if that is too few beside the others."""
    peers = [
        other
        for other in others
        if other.letters >= MIN_LETTERS
        and max(other.height, printed.height) <= ALIKE * min(other.height, printed.height)
    ]
    if not peers or not printed.ink:
        return None
    usual = _weighted_median([peer.unit for peer in peers], [peer.letters for peer in peers])
    share = usual / printed.unit
    is_short = share <= SHORT and (1 - share) * printed.lines >= MIN_MISSING
    return share if is_short and printed.letters >= MIN_LETTERS * share else None


def _weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    order = np.argsort(values)
    grown = np.cumsum(np.array(weights)[order])
    return float(np.array(values)[order][np.searchsorted(grown, grown[-1] / 2)])
