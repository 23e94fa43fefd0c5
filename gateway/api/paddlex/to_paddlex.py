"""Our pages as PaddleX answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.assembly.markdown import format_blocks
from gateway.assembly.page import image_key, picture_keys, visible_blocks
from gateway.assembly.restructure import rename_images
from gateway.intake.sniff import PDF
from gateway.labels import LABELS
from gateway.model import BBox, Block, Document, Polygon, Region, Spot, TableCell
from gateway.reading_options import OcrOptions
from gateway.recognized_page import RecognizedPage
from gateway.tasks import PADDLEOCR_VL_DPI

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
    page: RecognizedPage,
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
    if tables := list_tables(result.blocks):
        pruned["table_res_list"] = tables
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


def list_tables(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """The tables whose cells have places, in the shape that PaddleX's pipelines for tables have; those for PaddleOCR-VL
    leave the list out. Boxes that are not known are left out of `cell_box_list`."""
    tables: list[dict[str, Any]] = []
    for block in blocks:
        placed = [cell for cell in block.cells or () if cell.bbox]
        if placed:
            texts = [cell for cell in placed if cell.text]
            tables.append(
                {
                    "cell_box_list": [list(cell.bbox or ()) for cell in placed],
                    "pred_html": block.content,
                    "table_ocr_pred": {
                        "rec_texts": [cell.text for cell in texts],
                        "rec_boxes": [list(cell.bbox or ()) for cell in texts],
                    },
                    "table_region_id": len(tables) + 1,
                }
            )
    return tables


def number_regions(regions: Sequence[Region]) -> list[int | None]:
    """Each region's number in the reading order; None for labels that have none."""
    return number_labels([region.label for region in regions], UNORDERED_LABELS)


def numbers_in_document(block: Block, global_ids: Mapping[str, int]) -> dict[str, int]:
    """`global_ids`: id of each of the document's blocks to its number."""
    return {
        "global_block_id": global_ids[block.id],
        "global_group_id": global_ids[block.continues or block.id],
    }


def _blocks(page: RecognizedPage, options: OcrOptions, settings: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = page.result.blocks
    orders = number_labels([block.label for block in blocks], UNORDERED_LABELS | options.ignore_labels)
    contents = _format_contents(page, options) if settings["format_block_content"] else {}
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


def _format_contents(page: RecognizedPage, options: OcrOptions) -> dict[str, str]:
    """Block id to its Markdown, of the blocks that the Markdown shows."""
    result = page.result
    keys = picture_keys(result.page, result.blocks, options)
    return format_blocks(visible_blocks(result.blocks, options), keys, result.width)


def _label(block: Block, options: OcrOptions) -> str:
    """PaddleX names the block of a page that was read whole after the prompt."""
    return block.label if options.task == "document" else WHOLE_PAGE_LABELS.get(block.label, block.label)


def _boxes(regions: Sequence[Region], with_outlines: bool) -> list[dict[str, Any]]:
    boxes = []
    for region, order in zip(regions, number_regions(regions), strict=True):
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


def number_labels(labels: Sequence[str], without: frozenset[str]) -> list[int | None]:
    """A number for each label, from 1; None for those in `without`."""
    numbers = iter(range(1, len(labels) + 1))
    return [None if label in without else next(numbers) for label in labels]


def told_dpi(document: Document) -> int | None:
    """Resolution at which boxes of the document's pages are told; None for pictures: in their own pixels."""
    return PADDLEOCR_VL_DPI if document.media_type == PDF else None


def in_paddlex_units(page: RecognizedPage) -> RecognizedPage:
    """A page of a PDF as if it had been rendered at 144 dpi: its size, boxes, outlines, and picture keys."""
    result = page.result
    if not result.dpi or result.dpi == PADDLEOCR_VL_DPI:
        return page
    scale = PADDLEOCR_VL_DPI / result.dpi
    regions = [_scale_region(region, scale) for region in page.regions]
    keys = {
        image_key(result.page, old): image_key(result.page, new) for old, new in zip(page.regions, regions, strict=True)
    }
    sized = result.model_copy(
        update={
            "width": round(result.width * scale),
            "height": round(result.height * scale),
            "dpi": PADDLEOCR_VL_DPI,
            "markdown": rename_images(result.markdown, keys),
            "blocks": [_scale_block(block, scale, keys) for block in result.blocks],
        }
    )
    images = {keys.get(key, key): data for key, data in page.images.items()}
    detections = [_scale_region(region, scale) for region in page.detections]
    return replace(page, result=sized, regions=regions, detections=detections, images=images)


def _scale_region(region: Region, scale: float) -> Region:
    return replace(region, bbox=_scale_box(region.bbox, scale), polygon=_scale_polygon(region.polygon, scale))


def _scale_block(block: Block, scale: float, keys: Mapping[str, str]) -> Block:
    update = {
        "bbox": _scale_box(block.bbox, scale),
        "polygon": _scale_polygon(block.polygon, scale),
        "spots": block.spots and [_scale_spot(spot, scale) for spot in block.spots],
        "cells": block.cells and [_scale_cell(cell, scale) for cell in block.cells],
        "content": rename_images(block.content, keys),
    }
    return block.model_copy(update=update)


def _scale_spot(spot: Spot, scale: float) -> Spot:
    return spot.model_copy(update={"polygon": _scale_polygon(spot.polygon, scale)})


def _scale_cell(cell: TableCell, scale: float) -> TableCell:
    bbox = cell.bbox and tuple(round(side * scale, 1) for side in cell.bbox)
    return cell.model_copy(update={"bbox": bbox})


def _scale_box(box: BBox, scale: float) -> BBox:
    x1, y1, x2, y2 = (round(value * scale) for value in box)
    return x1, y1, x2, y2


def _scale_polygon(polygon: Polygon | None, scale: float) -> Polygon | None:
    return polygon and tuple((round(x * scale), round(y * scale)) for x, y in polygon)
