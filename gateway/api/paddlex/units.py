"""PaddleX's units: PDF pages are pixels at 144 dpi there, which clients rely on to place boxes on the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.assembly.page import image_key
from gateway.assembly.restructure import rename_images
from gateway.intake.sniff import PDF
from gateway.model import BBox, Block, Document, Polygon, Region, Spot
from gateway.page import ReadPage
from gateway.tasks import PADDLEOCR_VL_DPI


def told_dpi(document: Document) -> int | None:
    """Resolution at which boxes of the document's pages are told; None for pictures: in their own pixels."""
    return PADDLEOCR_VL_DPI if document.media_type == PDF else None


def in_paddlex_units(page: ReadPage) -> ReadPage:
    """A page of a PDF as if it had been rendered at 144 dpi: its size, boxes, outlines, and picture keys."""
    result = page.result
    if not result.dpi or result.dpi == PADDLEOCR_VL_DPI:
        return page
    scale = PADDLEOCR_VL_DPI / result.dpi
    regions = [_scaled_region(region, scale) for region in page.regions]
    keys = {
        image_key(result.page, old): image_key(result.page, new) for old, new in zip(page.regions, regions, strict=True)
    }
    sized = result.model_copy(
        update={
            "width": round(result.width * scale),
            "height": round(result.height * scale),
            "dpi": PADDLEOCR_VL_DPI,
            "markdown": rename_images(result.markdown, keys),
            "blocks": [_scaled_block(block, scale, keys) for block in result.blocks],
        }
    )
    images = {keys.get(key, key): data for key, data in page.images.items()}
    detections = [_scaled_region(region, scale) for region in page.detections]
    return replace(page, result=sized, regions=regions, detections=detections, images=images)


def _scaled_region(region: Region, scale: float) -> Region:
    return replace(region, bbox=_scaled_box(region.bbox, scale), polygon=_scaled_polygon(region.polygon, scale))


def _scaled_block(block: Block, scale: float, keys: Mapping[str, str]) -> Block:
    update = {
        "bbox": _scaled_box(block.bbox, scale),
        "polygon": _scaled_polygon(block.polygon, scale),
        "spots": block.spots and [_scaled_spot(spot, scale) for spot in block.spots],
        "content": rename_images(block.content, keys),
    }
    return block.model_copy(update=update)


def _scaled_spot(spot: Spot, scale: float) -> Spot:
    return spot.model_copy(update={"polygon": _scaled_polygon(spot.polygon, scale)})


def _scaled_box(box: BBox, scale: float) -> BBox:
    x1, y1, x2, y2 = (round(value * scale) for value in box)
    return x1, y1, x2, y2


def _scaled_polygon(polygon: Polygon | None, scale: float) -> Polygon | None:
    return polygon and tuple((round(x * scale), round(y * scale)) for x, y in polygon)
