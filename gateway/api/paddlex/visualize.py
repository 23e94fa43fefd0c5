"""What an answer shows beside its Markdown: pages with their boxes drawn."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import cv2
import numpy as np

from common.geometry import clip_nonempty
from gateway.api.paddlex.to_paddlex import CLASS_IDS, number_regions
from gateway.assembly.clean import strip_controls
from gateway.imaging.crops import cut_picture
from gateway.imaging.orientation import rotate
from gateway.model import BBox, PageImage, PageResult, Pixels, Region

INPUT_IMAGE = "input_img"
LAYOUT_IMAGE = "layout_det_res"
PREPROCESSED_IMAGE = "preprocessed_img"
SPOTTING_IMAGE = "spotting_res_img"
LONGEST_SIDE = 2000
"""PaddleX makes larger pictures smaller (`max_output_img_size`)."""
_FILL = 0.2
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GOLDEN = (math.sqrt(5) - 1) / 2
"""Steps of this share of the colour wheel keep any number of colours apart."""
_RED = (255, 0, 0)
_WHITE = (255, 255, 255)
_LINE_SHARE = 0.8
"""Of a box's height, what the print in it takes."""
_LARGEST_PRINT = 200
_LONGEST_SPOT = 500
Corners: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int32]]
"""Shape (corners, 2)."""


def page_picture(page: PageImage, regions: Sequence[Region], dpi: int | None = None) -> Mapping[str, bytes]:
    """JPEG bytes of the page as it came and, where its orientation was looked at, of both ways side by side.

    `dpi`: the resolution that clients are told boxes at, so that these fit the picture; None: the page's own.
    """
    pixels = _scale_to_dpi(page, dpi)
    if page.angle is None:
        return {INPUT_IMAGE: _jpeg(pixels)}
    before = rotate(pixels, -page.angle)
    return {INPUT_IMAGE: _jpeg(before), PREPROCESSED_IMAGE: _jpeg(_shrink(_join_side_by_side(before, pixels)))}


def page_pictures(page: PageImage, regions: Sequence[Region], dpi: int | None = None) -> Mapping[str, bytes]:
    """The same, and the page with its layout."""
    drawn = draw_layout(_scale_to_dpi(page, dpi), page, regions)
    return {**page_picture(page, regions, dpi), LAYOUT_IMAGE: _jpeg(drawn)}


def draw_spotting(page: PageResult, picture: bytes) -> bytes:
    """JPEG bytes of the page's spotted texts: where they were seen, beside what was read there.

    `picture`: the page as it came, JPEG bytes.
    """
    seen = rotate(_decode_jpeg(picture), page.angle or 0)
    filled, written = seen.copy(), np.full_like(seen, _WHITE[0])
    scale = seen.shape[1] / max(page.width, 1)
    spots = [spot for block in page.blocks for spot in block.spots or () if spot.polygon]
    for at, spot in enumerate(spots):
        corners = np.asarray((np.array(spot.polygon) * scale).round(), dtype=np.int32)
        cv2.fillPoly(filled, [corners], _nth_colour(at))
        cv2.polylines(written, [corners], True, _nth_colour(at), 1, cv2.LINE_AA)
        _write_spot(written, spot.text, corners)
    marked = np.asarray(cv2.addWeighted(filled, 0.5, seen, 0.5, 0), dtype=np.uint8)
    return _jpeg(_shrink(_join_side_by_side(marked, written)))


def draw_layout(pixels: Pixels, page: PageImage, regions: Sequence[Region]) -> Pixels:
    """A copy of `pixels`, the page in any size, with each region's outline, label, score and place in the order."""
    canvas, filled = pixels.copy(), pixels.copy()
    scale = pixels.shape[1] / page.width
    thickness = max(1, round(max(pixels.shape[:2]) * 0.002))
    for region in regions:
        outline, colour = _outline(region, page, scale), _colour(region.label)
        cv2.fillPoly(filled, [outline], colour)
        cv2.polylines(canvas, [outline], True, colour, thickness, cv2.LINE_AA)
    canvas = np.asarray(cv2.addWeighted(filled, _FILL, canvas, 1 - _FILL, 0), dtype=np.uint8)
    for region, order in zip(regions, number_regions(regions), strict=True):
        _write_label(canvas, region, order, _box(region, page, scale))
    return canvas


def _write_spot(canvas: Pixels, text: str, corners: Corners) -> None:
    """The text inside its box, in a size that fits. OpenCV's own font knows the world's scripts.

    OpenCV crashes on half a character, so none may come here.
    """
    left, top, width, height = cv2.boundingRect(corners)
    line, font = " ".join(strip_controls(text).split())[:_LONGEST_SPOT], cv2.FontFace("sans")
    size = max(1, min(int(_LINE_SHARE * height), _LARGEST_PRINT))
    _, _, wide, _ = cv2.getTextSize((0, 0), line, (0, 0), font, size)
    size = max(1, int(size * min(1, width / max(wide, 1))))
    cv2.putText(canvas, line, (left, top + (height + size) // 2), (0, 0, 0), font, size)


def _write_label(canvas: Pixels, region: Region, order: int | None, box: BBox) -> None:
    size = max(0.3, canvas.shape[1] * 0.0006)
    text = region.label if region.score is None else f"{region.label} {region.score:.2f}"
    (width, height), base = cv2.getTextSize(text, _FONT, size, 1)
    left, bottom = box[0], max(box[1], height + base)
    cv2.rectangle(canvas, (left, bottom - height - base), (left + width, bottom), _colour(region.label), cv2.FILLED)
    cv2.putText(canvas, text, (left, bottom - base), _FONT, size, _WHITE, 1, cv2.LINE_AA)
    if order is not None:
        cv2.putText(canvas, str(order), (box[2], box[1]), _FONT, size, _RED, 1, cv2.LINE_AA)


def _outline(region: Region, page: PageImage, scale: float) -> Corners:
    """Corners on the canvas, shape (corners, 2), inside it: OpenCV takes 32-bit numbers only."""
    x1, y1, x2, y2 = clip_nonempty(region.bbox, page.width, page.height)
    corners = region.polygon or ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
    inside = np.clip(np.array(corners, dtype=np.float64), 0, (page.width - 1, page.height - 1))
    return np.asarray((inside * scale).round(), dtype=np.int32)


def _box(region: Region, page: PageImage, scale: float) -> BBox:
    x1, y1, x2, y2 = (int(value * scale) for value in clip_nonempty(region.bbox, page.width, page.height))
    return x1, y1, x2, y2


def _colour(label: str) -> tuple[int, int, int]:
    return _nth_colour(CLASS_IDS.get(label, len(CLASS_IDS)))


def _nth_colour(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.8, 0.9)
    return int(255 * red), int(255 * green), int(255 * blue)


def _join_side_by_side(left: Pixels, right: Pixels) -> Pixels:
    height = max(left.shape[0], right.shape[0])
    below = ((0, height - picture.shape[0]) for picture in (left, right))
    padded = [
        np.pad(picture, (rows, (0, 0), (0, 0)), constant_values=_WHITE[0])
        for picture, rows in zip((left, right), below, strict=True)
    ]
    return np.hstack(padded)


def _decode_jpeg(picture: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(pixels, dtype=np.uint8)


def _scale_to_dpi(page: PageImage, dpi: int | None) -> Pixels:
    scale = dpi / page.dpi if dpi and page.dpi else 1
    return _resize(page.pixels, min(scale, LONGEST_SIDE / max(page.width, page.height)))


def _shrink(pixels: Pixels) -> Pixels:
    return _resize(pixels, min(1, LONGEST_SIDE / max(pixels.shape[:2])))


def _resize(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return pixels
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=way), dtype=np.uint8)


def _jpeg(pixels: Pixels) -> bytes:
    height, width = pixels.shape[:2]
    return cut_picture(pixels, (0, 0, width, height))
