"""How much of a page's text-like ink was read, and the lines that its result does not hold, as sentences: where they
stand, why, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.geometry import Box, area, union
from gateway.assembly.claims import Claim, Places, claim_lines
from gateway.labels import is_picture, is_shown
from gateway.model import BBox, Block, InkedLine
from gateway.reading_options import OcrOptions
from textlines.paragraphs import paragraphs

MAX_PLACES = 5
"""Places outside of all blocks that are named one by one."""
LOGO_AREA, LOGO_LINES = 0.04, 2
"""A picture that takes at most this share of the page and has so few lines is a logo."""
MIN_LOST_ROWS, MIN_LOST_SHARE = 2.0, 0.25
"""Of a block's rows of ink, what has to be missing of them for it to be told."""
_PICTURE_OPTIONS: Mapping[str, str] = {
    "chart": "`chart` (PaddleX: `useChartRecognition`)",
    "seal": "`seal` (PaddleX: `useSealRecognition`)",
}
_REREAD = "a larger or clearer picture of the page may help"
_IMAGE_OPTION = "`image_text` (PaddleX: `useOcrForImageBlock`)"


@dataclass(frozen=True, slots=True)
class InkAccount:
    """A page's text-like ink, how much of it was read, and a sentence for each place with text that was not."""

    ink: int = 0
    read: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """1 for a page without text."""
        return round(self.read / self.ink, 4) if self.ink else 1.0


def account_ink(
    page: int,
    size: tuple[int, int],
    blocks: Sequence[Block],
    shown: Sequence[Block],
    lines: Sequence[InkedLine],
    places: Places,
    options: OcrOptions,
) -> InkAccount:
    """`shown`: the blocks that Markdown shows; `lines`: the page's text lines; `places`: of the lines that were read.

    What a block's own status tells is not said again. A logo beside text is no text.
    """
    claims = claim_lines(lines, blocks, shown, places)
    shows_text = any(block.content.strip() for block in shown)
    logos = {
        block.id
        for block in blocks
        if shows_text and _is_logo(block, [claim.line.box for claim in _find_lost(claims, block)], size, options)
    }
    counted = [claim for claim in claims if claim.is_told or claim.holder is None or claim.holder.id not in logos]
    warnings = [
        sentence
        for block in blocks
        if block.id not in logos
        for sentence in _explain(page, size, block, [claim for claim in claims if claim.holder is block], options)
    ]
    outside = [claim.line.box for claim in claims if claim.holder is None]
    return InkAccount(
        ink=sum(claim.line.ink for claim in counted),
        read=round(sum(claim.share * claim.line.ink for claim in counted)),
        warnings=(*warnings, *_outside(page, size, outside)),
    )


def _find_lost(claims: Sequence[Claim], block: Block) -> list[Claim]:
    return [claim for claim in claims if claim.holder is block and not claim.is_told]


def _explain(
    page: int, size: tuple[int, int], block: Block, claims: Sequence[Claim], options: OcrOptions
) -> Iterator[str]:
    """Sentences on the block's lines: none of its text is shown, or what was read of it lacks them."""
    if lost := [claim.line.box for claim in claims if not claim.is_told]:
        yield f"page {page}: {_count(len(lost))} at {_place(union(lost), size)}, {_reason(block, options)}"
    missing = [claim for claim in claims if claim.is_told and claim.share < 1]
    if missing and _is_sure(claims) and block.status == "ok" and not block.error:
        count = max(round(sum(1 - claim.share for claim in missing)), 1)
        place = _place(union([claim.line.box for claim in missing]), size)
        about = "about " if any(claim.is_estimate for claim in missing) else ""
        name = f"block {block.id} ({block.label})"
        yield f"page {page}: {about}{_count(count)} at {place} in {name}, not in what was read of it; {_REREAD}"


def _is_sure(claims: Sequence[Claim]) -> bool:
    """Whether what a block lacks is told: of rows of ink, which may be parts of formulas or pictures, only much is."""
    lost = sum(1 - claim.share for claim in claims)
    is_much = lost >= MIN_LOST_ROWS and lost >= MIN_LOST_SHARE * len(claims)
    return is_much or not any(claim.line.is_row for claim in claims)


def _is_logo(block: Block, lines: Sequence[BBox], size: tuple[int, int], options: OcrOptions) -> bool:
    is_small = area(block.bbox) <= LOGO_AREA * size[0] * size[1]
    return is_picture(block.label, options) and is_small and len(lines) <= LOGO_LINES


def _reason(block: Block, options: OcrOptions) -> str:
    name = f"block {block.id} ({block.label})"
    if not is_shown(block.label, options):
        return f"in {name}, left out by its label; an empty `ignore_labels` (PaddleX: `markdownIgnoreLabels`) shows it"
    if is_picture(block.label, options):
        option = _PICTURE_OPTIONS.get(block.label, _IMAGE_OPTION)
        return f"in the picture of {name}, not read; {option} asks for it"
    return f"in {name}, not read, though that was tried; {_REREAD}"


def _outside(page: int, size: tuple[int, int], lines: Sequence[BBox]) -> list[str]:
    groups = [[lines[index] for index in group] for group in paragraphs(lines)]
    boxes = sorted(union(group) for group in groups)
    if not boxes:
        return []
    places = ", ".join(_place(box, size) for box in boxes[:MAX_PLACES])
    more = f" and {len(boxes) - MAX_PLACES} other places" if len(boxes) > MAX_PLACES else ""
    remedy = "`task=text` (PaddleX: `useLayoutDetection` false) reads the page as a whole"
    return [f"page {page}: {_count(len(lines))} at {places}{more}, in no block, not read; {remedy}"]


def _count(lines: int) -> str:
    return f"{lines} lines of text" if lines > 1 else "a line of text"


def _place(box: Box, size: tuple[int, int]) -> str:
    """The box with the size of the page image that it is told in: PaddleX's dialect has another one."""
    return f"({', '.join(map(str, box))}) of {size[0]}x{size[1]}"
