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
    own = [line for line in lines if is_inside(_middle(line), region) and not _is_held_better(line, region, others)]
    return replace(crop, lines=[_place(line, crop.placement) for line in own]) if own else crop


def is_inside(point: tuple[float, float], region: Region) -> bool:
    x1, y1, x2, y2 = region.bbox
    if not (x1 <= point[0] < x2 and y1 <= point[1] < y2):
        return False
    if region.polygon is None or len(region.polygon) < 3:
        return True
    return cv2.pointPolygonTest(np.array(region.polygon, dtype=np.float32), point, measureDist=False) >= 0


def _middle(line: DetectedLine) -> tuple[float, float]:
    x, y = line.quad.mean(axis=0).tolist()
    return x, y


def _is_held_better(line: DetectedLine, region: Region, others: Sequence[Region]) -> bool:
    share = BETTER * intersection_area(line.box, region.bbox)
    return any(
        intersection_area(line.box, other.bbox) > share and is_inside(_middle(line), other)
        for other in others
        if other is not region
    )


def _place(line: DetectedLine, placement: Placement) -> CropLine:
    corners = [value for x, y in line.quad.tolist() for value in placement.place(x, y)]
    return CropLine(corners=corners, leader=line.leader)
