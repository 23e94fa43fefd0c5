"""The text lines of a crop, where the layout has found those of the page: the engine need not look for them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from common.geometry import intersection_area
from gateway.imaging.crops import Crop, CropLine, Placement
from gateway.model import Region
from textlines.detection import TextLine as DetectedLine

BETTER = 1.2
"""Times of a line's area that another region holds, from which on the line is that one's."""


def place_lines(
    crop: Crop, region: Region, lines: Sequence[DetectedLine] | None, others: Sequence[Region] = ()
) -> Crop:
    """The crop with those of the page's lines whose middle lies in its region, but for those of which one of the
    `others` holds more: regions are drawn with a margin, and a line is read once.

    Without lines, or for a picture that is put together or scaled for a VLM, the engine looks for them itself.
    """
    if lines is None or crop.placement is None:
        return crop
    own = [line for line in lines if _is_inside(line, region) and not _is_held_better(line, region, others)]
    return replace(crop, lines=[_place(line, crop.placement) for line in own]) if own else crop


def _is_inside(line: DetectedLine, region: Region) -> bool:
    x, y = (float(value) for value in line.quad.mean(axis=0))
    x1, y1, x2, y2 = region.bbox
    if not (x1 <= x < x2 and y1 <= y < y2):
        return False
    if region.polygon is None or len(region.polygon) < 3:
        return True
    return cv2.pointPolygonTest(np.array(region.polygon, dtype=np.float32), (x, y), measureDist=False) >= 0


def _is_held_better(line: DetectedLine, region: Region, others: Sequence[Region]) -> bool:
    share = BETTER * intersection_area(line.box, region.bbox)
    return any(
        intersection_area(line.box, other.bbox) > share and _is_inside(line, other)
        for other in others
        if other is not region
    )


def _place(line: DetectedLine, placement: Placement) -> CropLine:
    corners = [value for x, y in line.quad.tolist() for value in placement.place(x, y)]
    return CropLine(corners=corners, leader=line.leader)
