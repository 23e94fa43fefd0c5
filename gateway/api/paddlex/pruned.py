"""A page's blocks and regions as PaddleX's `prunedResult`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.assembly.markdown import block_markdown
from gateway.assembly.page import picture_keys, visible_blocks
from gateway.labels import LABELS
from gateway.model import BBox, Block, OcrOptions, Polygon, Region
from gateway.page import ReadPage

CLASS_IDS = {label: at for at, label in enumerate(sorted(LABELS))}
"""PP-DocLayout numbers its classes in the alphabet's order."""

UNORDERED_LABELS = frozenset(
    {
        "figure_title",
        "vision_footnote",
        "image",
        "chart",
        "table",
        "header",
        "header_image",
        "footer",
        "footer_image",
        "footnote",
        "aside_text",
    }
)
"""PaddleX gives these no number in the reading order, though they have their place in it."""

WHOLE_PAGE_LABELS = {"text": "ocr", "display_formula": "formula"}
"""What PaddleX calls the block of a page that was read whole; else it is the label."""
_CERTAIN = 1.0
"""Score of a region that no detector saw, as PaddleX has it for a whole page."""


def pruned_result(
    page: ReadPage,
    options: OcrOptions,
    settings: dict[str, Any],
    page_count: int | None,
    global_ids: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """`settings`: the page's `model_settings`; `page_count` None for a picture.

    `global_ids`: id of each of the document's blocks to its number, where the pages were restructured.
    """
    result = page.result
    pruned: dict[str, Any] = {
        "page_count": page_count,
        "width": result.width,
        "height": result.height,
        "model_settings": settings,
        "parsing_res_list": _blocks(page, options, settings),
    }
    if global_ids is not None:
        for block, entry in zip(result.blocks, pruned["parsing_res_list"], strict=True):
            entry |= numbers_in_document(block, global_ids)
    if options.orientation:
        pruned["doc_preprocessor_res"] = {
            "model_settings": {"use_doc_orientation_classify": True, "use_doc_unwarping": False},
            "angle": result.angle or 0,
        }
    if options.task == "spotting":
        pruned["spotting_res"] = _spots(result.blocks)
    if settings["use_layout_detection"]:
        pruned["layout_det_res"] = {"boxes": _boxes(page.detections, settings["return_layout_polygon_points"])}
    return pruned


def ordered(regions: Sequence[Region]) -> list[int | None]:
    """Each region's number in the reading order; None for labels that have none."""
    return numbered([region.label for region in regions], UNORDERED_LABELS)


def numbers_in_document(block: Block, global_ids: Mapping[str, int]) -> dict[str, int]:
    """`global_ids`: id of each of the document's blocks to its number."""
    return {
        "global_block_id": global_ids[block.id],
        "global_group_id": global_ids[block.continues or block.id],
    }


def _blocks(page: ReadPage, options: OcrOptions, settings: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = page.result.blocks
    orders = numbered([block.label for block in blocks], UNORDERED_LABELS | options.ignore_labels)
    contents = _formatted(page, options) if settings["format_block_content"] else {}
    places: dict[str | None, int] = {block.id: at for at, block in enumerate(blocks)}
    found = []
    for at, (block, order) in enumerate(zip(blocks, orders, strict=True)):
        entry: dict[str, Any] = {
            "block_label": _label(block, options),
            "block_content": contents.get(block.id, block.content),
            "block_bbox": list(block.bbox),
            "block_id": at,
            "block_order": order,
            "group_id": places.get(block.group_id, at),
        }
        if settings["use_layout_detection"] and settings["return_layout_polygon_points"]:
            entry["block_polygon_points"] = _corners(block.polygon, block.bbox)
        found.append(entry)
    return found


def _spots(blocks: Sequence[Block]) -> dict[str, Any]:
    """Texts with their places; a text without a place stands in the block's content only."""
    placed = [(spot.text, spot.polygon) for block in blocks for spot in block.spots or () if spot.polygon]
    return {
        "rec_polys": [[list(point) for point in polygon] for _, polygon in placed],
        "rec_texts": [text for text, _ in placed],
    }


def _formatted(page: ReadPage, options: OcrOptions) -> dict[str, str]:
    """Block id to its Markdown, of the blocks that the Markdown shows."""
    result = page.result
    keys = picture_keys(result.page, result.blocks, options)
    return {
        block.id: block_markdown(block, keys.get(block.id), result.width)
        for block in visible_blocks(result.blocks, options)
    }


def _label(block: Block, options: OcrOptions) -> str:
    """PaddleX names the block of a page that was read whole after the prompt."""
    return block.label if options.task == "document" else WHOLE_PAGE_LABELS.get(block.label, block.label)


def _boxes(regions: Sequence[Region], with_outlines: bool) -> list[dict[str, Any]]:
    boxes = []
    for region, order in zip(regions, ordered(regions), strict=True):
        box: dict[str, Any] = {
            "cls_id": CLASS_IDS.get(region.label, len(CLASS_IDS)),
            "label": region.label,
            "score": _CERTAIN if region.score is None else region.score,
            "coordinate": list(region.bbox),
            "order": order,
        }
        if with_outlines:
            box["polygon_points"] = _corners(region.polygon, region.bbox)
        boxes.append(box)
    return boxes


def _corners(polygon: Polygon | None, box: BBox) -> list[list[int]]:
    x1, y1, x2, y2 = box
    return [list(point) for point in polygon or ((x1, y1), (x2, y1), (x2, y2), (x1, y2))]


def numbered(labels: Sequence[str], without: frozenset[str]) -> list[int | None]:
    """A number for each label, from 1; None for those in `without`."""
    numbers = iter(range(1, len(labels) + 1))
    return [None if label in without else next(numbers) for label in labels]
