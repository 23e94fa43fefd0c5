"""Regions and their readings to one page's result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.assembly.figures import with_figures
from gateway.assembly.images import box_key
from gateway.assembly.markdown import page_markdown
from gateway.assembly.spotting import joined_spots, parse_spots
from gateway.assembly.tables.html import table_to_html
from gateway.labels import is_picture, is_shown
from gateway.model import Block, DocumentStatus, OcrOptions, PageFailure, PageResult, Reading, Region, Spot


def assemble_page(
    page: int,
    width: int,
    height: int,
    dpi: int | None,
    regions: Sequence[Region],
    readings: Sequence[Reading],
    options: OcrOptions,
) -> PageResult:
    """The result of page number `page`; `regions` stand in reading order, each with the reading at the same place."""
    pairs = zip(regions, readings, strict=True)
    ids = {region.order: f"p{page}-b{at}" for at, region in enumerate(regions, 1)}
    blocks = [
        _block(f"p{page}-b{at}", region, reading, ids.get(region.group or 0))
        for at, (region, reading) in enumerate(pairs, 1)
    ]
    pictures = picture_keys(page, blocks, options)
    blocks = with_figures(regions, blocks, pictures)
    return PageResult(
        page=page,
        width=width,
        height=height,
        dpi=dpi,
        status=_status(blocks),
        markdown=_markdown(page, blocks, width, options),
        blocks=blocks,
        warnings=[
            *(_warning(page, block) for block in blocks if _is_loss(block)),
            *_empties(page, blocks, options),
            *_doubts(page, blocks, options.min_confidence or 0),
        ],
    )


def rewritten(page: PageResult, options: OcrOptions) -> PageResult:
    """The page with the Markdown of its blocks, which were changed since."""
    return page.model_copy(update={"markdown": _markdown(page.page, page.blocks, page.width, options)})


def assemble_failure(failure: PageFailure) -> PageResult:
    """The result of a page that gave no pixels."""
    warning = f"page {failure.number}: {failure.code}: {failure.detail}"
    return PageResult(page=failure.number, width=0, height=0, status="failed", markdown="", warnings=[warning])


def shown(blocks: Sequence[Block], options: OcrOptions) -> list[Block]:
    """The blocks that Markdown, HTML and plain text show; the JSON holds all."""
    return [block for block in blocks if is_shown(block.label, options)]


def _block(block_id: str, region: Region, reading: Reading, group_id: str | None) -> Block:
    spots = parse_spots(reading.text, region.bbox) if region.label == "spotting" else None
    return Block(
        id=block_id,
        label=region.label,
        bbox=region.bbox,
        polygon=region.polygon,
        order=region.order,
        content=_content(region.label, reading.text, spots),
        spots=spots,
        confidence=reading.confidence,
        status=reading.status,
        error=reading.error,
        group_id=group_id,
    )


def _markdown(page: int, blocks: Sequence[Block], width: int, options: OcrOptions) -> str:
    return page_markdown(
        shown(blocks, options),
        picture_keys(page, blocks, options),
        width,
        pretty=options.pretty,
        formula_numbers=options.formula_numbers,
    )


def _content(label: str, text: str, spots: Sequence[Spot] | None) -> str:
    if spots is not None:
        return joined_spots(spots)
    return table_to_html(text) or text if label == "table" else text


def picture_keys(page: int, blocks: Sequence[Block], options: OcrOptions) -> dict[str, str]:
    """Block id to the key of its picture, of the blocks that have one."""
    if options.images == "none":
        return {}
    return {block.id: box_key(page, block.label, block.bbox) for block in blocks if is_picture(block.label, options)}


def _is_loss(block: Block) -> bool:
    """A block skipped on purpose (a picture that nobody asked to read) carries no error and is no loss."""
    return block.status in ("failed", "truncated") or (block.status == "skipped" and block.error is not None)


def _warning(page: int, block: Block) -> str:
    reason = f": {block.error}" if block.error else ""
    return f"page {page}: block {block.id} ({block.label}) {block.status}{reason}"


def _empties(page: int, blocks: Sequence[Block], options: OcrOptions) -> Iterator[str]:
    """A sentence for each block that was read and holds nothing: blank paper, or a text that the VLM missed."""
    for block in blocks:
        has_own_text = block.group_id in (None, block.id) and not is_picture(block.label, options)
        if block.status == "ok" and not block.content and has_own_text:
            yield f"page {page}: block {block.id} ({block.label}) was read as empty"


def _doubts(page: int, blocks: Sequence[Block], min_confidence: float) -> Iterator[str]:
    """A sentence for each whole block whose confidence is known and below."""
    for block in blocks:
        if block.status == "ok" and block.confidence is not None and block.confidence < min_confidence:
            told = f"confidence {block.confidence:.2f} is below {min_confidence:g}"
            yield f"page {page}: block {block.id} ({block.label}) {told}"


def _status(blocks: Sequence[Block]) -> DocumentStatus:
    if not any(map(_is_loss, blocks)):
        return "ok"
    return "partial" if any(block.content for block in blocks) else "failed"
