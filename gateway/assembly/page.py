"""Regions and their readings to one page's result, and the keys of its pictures.

Two forms of answers to `Spotting:` are known: `text<|LOC_1|>…<|LOC_8|>` (PaddleOCR-VL 1.5 and 1.6), and the same
between `<|TEXT_START|>`, `<|TEXT_END|>`, `<|LOC_BEGIN|>` and `<|LOC_END|>`. Eight numbers are the x and y of four
corners, 0 to 1000 of the image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gateway.assembly.markdown import page_markdown
from gateway.assembly.page_numbers import ends_with_page_number, is_bare_number, is_page_number
from gateway.assembly.tables.cells import list_cells
from gateway.assembly.tables.html import restore_table_images, table_to_html
from gateway.assembly.text.titles import promote_sections
from gateway.assembly.unread import account_ink
from gateway.labels import ASIDE_LABELS, TEXT_FILE, is_picture, is_shown
from gateway.model import (
    BBox,
    Block,
    Box,
    DocumentStatus,
    InkedLine,
    PageFailure,
    PageResult,
    Reading,
    Region,
    Spot,
    TableCell,
    TextLine,
    TextPage,
    Usage,
)
from gateway.reading_options import OcrOptions

_SPOT_TAG = re.compile(r"<\|(?:TEXT_START|TEXT_END|LOC_BEGIN|LOC_END)\|>")
_SPOT_CORNERS = re.compile(r"((?:<\|LOC_\d{1,6}\|>\s*)+)")
_SPOT_NUMBER = re.compile(r"LOC_(\d{1,6})")
_SPOT_NUMBERS = 8
_SPOT_SCALE = 1000
_CAPTION = re.compile(
    r"""\s*(?:table|tab\.|figure|fig\.|listing|chart|plate|exhibit|tabelle|abb(?:ildung|\.)|listado|tableau|tabla
    |figura|tabela|tabulka|obr(?:ázek|\.)|rys(?:unek|\.)|таблица|табл\.|рис(?:унок|\.)|листинг|схема|表|图|圖|図)
    \s{0,3}(?:№\s?)?\d{1,3}(?:[.\-]\d{1,3})*\s?[.:：,—–\s]""",
    re.IGNORECASE | re.VERBOSE,
)
"""How captions begin in the languages that are read most."""
_DATED = re.compile(
    r"""(?:(?:г\.\s?)?[^\W\d_][^\W\d_.'’-]{0,24}(?:[\s-][^\W\d_]{1,16}){0,2}(?:,\s{1,3}|\s{1,3}(?=dn)))?  # a place
    (?:(?:den|the|le|dnia|dne|dn\.|il|el|a)\s{1,3})?
    (?:[«"“]?\d{1,2}(?:st|nd|rd|th|er|º|°)?[.»"”]?\s{0,3}(?:de\s{1,3})?[^\W\d_]{3,12}\.?,?\s{1,3}(?:del?\s{1,3})?\d{4}
    |[^\W\d_]{3,12}\s{1,3}\d{1,2}(?:st|nd|rd|th)?,\s{0,3}\d{4}
    |(?<=\s)\d{1,2}[./-]\s?\d{1,2}[./-]\s?\d{4}
    |(?:\d{4}|[〇○零一二三四五六七八九]{4})\s{0,2}年\s{0,2}(?:\d{1,2}|[一二三四五六七八九十]{1,2})\s{0,2}月
     \s{0,2}(?:\d{1,2}|[一二三四五六七八九十廿卅]{1,3})\s{0,2}日)
    \s{0,3}(?:г(?:\.|ода?)?|r\.?|roku)?\.?""",
    re.VERBOSE,
)
"""Place and date of a letter: a day alone in figures is rather when a page was printed."""
_NUMBER_MARGIN = 0.1
"""Share of a page's height, above and below, in which the middle of a number alone tells that it is the page's: that in
which the bundled layout model looks for headers."""
_NUMBER_HEIGHT = 0.04
"""Largest height of such a number's box, which is loose, as a share of the page's: those of chapters are set larger."""
_CENTRED, _NUMBER_WIDTH = 0.015, 0.1
"""Share of the page's width by which a number in the middle may be off, and of the text's that it is wide at most."""
_PROSE = 200
"""Characters of a block that is a text: below a few words a number may be anything."""
_DEFAULT_IGNORED = OcrOptions().ignore_labels


def assemble_page(
    page: int,
    width: int,
    height: int,
    dpi: int | None,
    regions: Sequence[Region],
    readings: Sequence[Reading],
    options: OcrOptions,
    lines: Sequence[InkedLine] | None = None,
) -> PageResult:
    """The result of page number `page`; `regions` stand in reading order, each with the reading at the same place.

    `lines`: the text lines that stand on the page; the result names those that it lacks. None: nobody looked.
    """
    pairs = zip(regions, readings, strict=True)
    ids = {region.order: f"p{page}-b{number}" for number, region in enumerate(regions, 1)}
    blocks = [
        _block(f"p{page}-b{number}", region, reading, ids.get(region.group or 0), options)
        for number, (region, reading) in enumerate(pairs, 1)
    ]
    numbered = _relabel_beside_number([_relabel_number(block, height) for block in _relabel_dates(blocks)], height)
    blocks = promote_sections(_relabel_last_number(numbered, width))
    pictures = picture_keys(page, blocks, options)
    blocks = restore_table_images(regions, blocks, pictures)
    if options.cells != "none":
        grids = {f"p{page}-b{number}": reading.cells for number, reading in enumerate(readings, 1)}
        blocks = [_add_cells(block, grids.get(block.id)) for block in blocks]
    places = {f"p{page}-b{number}": _list_places(reading) for number, reading in enumerate(readings, 1)}
    shown = visible_blocks(blocks, options)
    account = account_ink(page, (width, height), blocks, shown, lines or (), places, options)
    return PageResult(
        page=page,
        width=width,
        height=height,
        dpi=dpi,
        status=_status(blocks, lacks_text=bool(account.warnings)),
        markdown=_markdown(page, blocks, width, options),
        blocks=blocks,
        usage=Usage(ink=account.ink, ink_read=account.share if lines is not None else None),
        warnings=[
            *(_loss_warning(page, block) for block in blocks if _is_loss(block)),
            *_empty_warnings(page, blocks, options),
            *account.warnings,
            *_confidence_warnings(page, blocks, options.min_confidence or 0),
        ],
    )


def _relabel_number(block: Block, height: int) -> Block:
    """A heading at a page's edge that is only a number is the page's, and so is a text that says so by its form."""
    is_heading = block.label == "paragraph_title"
    if not _is_edge_row(block, height) or not (is_heading or block.label == "text"):
        return block
    is_number = is_page_number(block.content) or (is_heading and is_bare_number(block.content))
    return block.model_copy(update={"label": "number"}) if is_number else block


def _relabel_dates(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, dates alone in the row of a header as text: letters have them, in print of any size. Later pages with
    the same show that it is a running head (`gateway.assembly.running_heads`)."""
    edge = [block for block in blocks if block.label in ("header", "number")]

    def is_alone(block: Block) -> bool:
        middle = (block.bbox[1] + block.bbox[3]) / 2
        return not any(other is not block and other.bbox[1] < middle < other.bbox[3] for other in edge)

    return [
        block.model_copy(update={"label": "text"})
        if block.label == "header" and _DATED.fullmatch(block.content.strip()) and is_alone(block)
        else block
        for block in blocks
    ]


def _relabel_beside_number(blocks: Sequence[Block], height: int) -> list[Block]:
    """The blocks, texts at a page's edge that end with "page 3 of 12" or stand beside it as running heads and feet."""
    numbers = [block.bbox for block in blocks if block.label == "number" and is_page_number(block.content)]

    def is_running(block: Block) -> bool:
        if block.label != "text" or not _is_edge_row(block, height):
            return False
        middle = (block.bbox[1] + block.bbox[3]) / 2
        return any(y1 < middle < y2 for _, y1, _, y2 in numbers) or ends_with_page_number(block.content)

    return [
        block.model_copy(update={"label": "header" if 2 * block.bbox[1] < height else "footer"})
        if is_running(block)
        else block
        for block in blocks
    ]


def _is_edge_row(block: Block, height: int) -> bool:
    middle = (block.bbox[1] + block.bbox[3]) / 2
    is_small = block.bbox[3] - block.bbox[1] <= _NUMBER_HEIGHT * height
    return is_small and min(middle, height - middle) < _NUMBER_MARGIN * height and "\n" not in block.content.strip()


def _relabel_last_number(blocks: Sequence[Block], width: int) -> list[Block]:
    """The blocks, a bare number in the middle below a text as the page's, wherever on the page the text ends."""
    result = list(blocks)
    shown = [at for at, block in enumerate(blocks) if block.label not in ASIDE_LABELS]
    if not shown or not any(len(block.content) >= _PROSE for block in blocks):
        return result
    last = max(shown, key=lambda at: blocks[at].bbox[1])
    block, others = blocks[last], [blocks[at].bbox for at in shown if at != last]
    x1, y1, x2, y2 = block.bbox
    is_alone = all(y1 - bottom >= y2 - y1 for _, _, _, bottom in others)
    left, right = min((box[0] for box in others), default=0), max((box[2] for box in others), default=0)
    is_centred = abs(x1 + x2 - left - right) <= 2 * _CENTRED * width and x2 - x1 <= _NUMBER_WIDTH * (right - left)
    if block.label in ("text", "paragraph_title") and is_alone and is_centred and is_bare_number(block.content):
        result[last] = block.model_copy(update={"label": "number"})
    return result


def rerender(page: PageResult, options: OcrOptions) -> PageResult:
    """The page with the Markdown of its blocks, which were changed since."""
    return page.model_copy(update={"markdown": _markdown(page.page, page.blocks, page.width, options)})


def assemble_failure(failure: PageFailure) -> PageResult:
    """The result of a page that gave no pixels."""
    warning = f"page {failure.number}: {failure.code}: {failure.detail}"
    return PageResult(page=failure.number, width=0, height=0, status="failed", markdown="", warnings=[warning])


def assemble_text(page: TextPage) -> PageResult:
    """The result of a page that was text already. It has no pixels: its size is 1 × 1, and its text fills it."""
    block = Block(id=f"p{page.number}-b1", label=TEXT_FILE, bbox=(0, 0, 1, 1), order=1, content=page.text)
    usage = Usage(pages=1)
    return PageResult(page=page.number, width=1, height=1, markdown=page.text, blocks=[block], usage=usage)


def visible_blocks(blocks: Sequence[Block], options: OcrOptions) -> list[Block]:
    """The blocks that Markdown, HTML and plain text show of one page; the JSON holds all.

    The labels that are left out by default never take a page's only text: a notice of one line, or a line over a
    picture, may look like a running head. Nor do they take the caption of a table or a figure.
    """
    is_default = options.ignore_labels == _DEFAULT_IGNORED
    shown = [block for block in blocks if is_shown(block.label, options) or (is_default and _is_caption(block))]
    has_text = any(block.content.strip() or block.continues for block in shown)
    if has_text or not is_default:
        return shown
    return [block for block in blocks if block.content.strip() or is_shown(block.label, options)]


def _is_caption(block: Block) -> bool:
    return block.label in ("header", "footer") and bool(_CAPTION.match(block.content))


def picture_keys(page: int, blocks: Sequence[Block], options: OcrOptions) -> dict[str, str]:
    """Block id to the key of its picture, of the blocks that have one."""
    if options.images == "none":
        return {}
    return {block.id: image_key(page, block) for block in blocks if is_picture(block.label, options)}


def image_key(page: int, source: Region | Block) -> str:
    """Key of a region's picture, unique in the document. PaddleOCR-VL's own keys lack the page and so collide."""
    corners = "_".join(str(value) for value in source.bbox)
    return f"imgs/p{page}_img_in_{source.label}_box_{corners}.jpg"


def page_image_key(page: int) -> str:
    """Key of the picture of a whole page."""
    return f"imgs/p{page}_page.jpg"


def parse_spots(text: str, bbox: BBox) -> list[Spot]:
    """The texts of an answer in its order, corners in pixels of the page that `bbox` lies on, never outside of `bbox`.

    A text with fewer than eight numbers, as the last one of an answer that was cut off, has no polygon.
    """
    parts = _SPOT_CORNERS.split(_SPOT_TAG.sub("", text))
    texts, places = parts[::2], [*parts[1::2], ""]
    return [_spot(words, corners, bbox) for words, corners in zip(texts, places, strict=True) if words.strip()]


def _block(block_id: str, region: Region, reading: Reading, group_id: str | None, options: OcrOptions) -> Block:
    spots = parse_spots(reading.text, region.bbox) if region.label == "spotting" else None
    return Block(
        id=block_id,
        label=region.label,
        bbox=region.bbox,
        polygon=region.polygon,
        order=region.order,
        content=_content(region.label, reading.text, spots),
        spots=spots,
        lines=_shown_lines(reading.lines, options),
        confidence=reading.confidence,
        status=reading.status,
        error=reading.error,
        source=reading.source,
        engine=reading.engine,
        group_id=group_id,
    )


def _add_cells(block: Block, grid: Sequence[TableCell] | None) -> Block:
    cells = list_cells(block.content, grid) if block.label == "table" else None
    return block.model_copy(update={"cells": cells}) if cells else block


def _list_places(reading: Reading) -> list[Box] | None:
    return None if reading.lines is None else [line.bbox for line in reading.lines]


def _markdown(page: int, blocks: Sequence[Block], width: int, options: OcrOptions) -> str:
    return page_markdown(
        visible_blocks(blocks, options),
        picture_keys(page, blocks, options),
        width,
        pretty=options.pretty,
        formula_numbers=options.formula_numbers,
    )


def _shown_lines(lines: Sequence[TextLine] | None, options: OcrOptions) -> list[TextLine] | None:
    if lines is None or not options.lines:
        return None
    return [line if options.words else line.model_copy(update={"words": []}) for line in lines]


def _content(label: str, text: str, spots: Sequence[Spot] | None) -> str:
    if spots is not None:
        return "\n\n".join(spot.text for spot in spots)
    return table_to_html(text) or text if label == "table" else text


def _spot(text: str, corners: str, bbox: BBox) -> Spot:
    numbers = [min(int(number), _SPOT_SCALE) for number in _SPOT_NUMBER.findall(corners)[:_SPOT_NUMBERS]]
    if len(numbers) < _SPOT_NUMBERS:
        return Spot(text=text.strip())
    x1, y1, x2, y2 = bbox
    xs = [x1 + round(number / _SPOT_SCALE * (x2 - x1)) for number in numbers[::2]]
    ys = [y1 + round(number / _SPOT_SCALE * (y2 - y1)) for number in numbers[1::2]]
    return Spot(text=text.strip(), polygon=tuple(zip(xs, ys, strict=True)))


def _is_loss(block: Block) -> bool:
    """A block skipped on purpose (a picture that nobody asked to read) carries no error and is no loss."""
    return block.status in ("failed", "truncated") or (block.status == "skipped" and block.error is not None)


def _loss_warning(page: int, block: Block) -> str:
    reason = f": {block.error}" if block.error else ""
    return f"page {page}: block {block.id} ({block.label}) {block.status}{reason}"


def _empty_warnings(page: int, blocks: Sequence[Block], options: OcrOptions) -> Iterator[str]:
    """A sentence for each block that was read and holds nothing: blank paper, or a text that the VLM missed."""
    for block in blocks:
        has_own_text = block.group_id in (None, block.id) and not is_picture(block.label, options)
        if block.status == "ok" and not block.content and has_own_text:
            yield f"page {page}: block {block.id} ({block.label}) was read as empty"


def _confidence_warnings(page: int, blocks: Sequence[Block], min_confidence: float) -> Iterator[str]:
    """A sentence for each whole block whose confidence is known and below."""
    for block in blocks:
        if block.status == "ok" and block.confidence is not None and block.confidence < min_confidence:
            reason = f"confidence {block.confidence:.2f} is below {min_confidence:g}"
            yield f"page {page}: block {block.id} ({block.label}) {reason}"


def _status(blocks: Sequence[Block], *, lacks_text: bool) -> DocumentStatus:
    if not any(map(_is_loss, blocks)):
        return "partial" if lacks_text else "ok"
    return "partial" if any(block.content for block in blocks) else "failed"
