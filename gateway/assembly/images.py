"""Names of the pictures that the Markdown refers to."""

from __future__ import annotations

from gateway.model import BBox, Region


def image_key(page_number: int, region: Region) -> str:
    """Key of the region's picture, unique in the document. PaddleOCR-VL's own keys lack the page and so collide."""
    return box_key(page_number, region.label, region.bbox)


def box_key(page_number: int, label: str, bbox: BBox) -> str:
    corners = "_".join(str(value) for value in bbox)
    return f"imgs/p{page_number}_img_in_{label}_box_{corners}.jpg"
