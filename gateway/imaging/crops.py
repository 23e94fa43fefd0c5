"""A region's pixels as the engine gets them. Nothing here raises for any box or outline that a detector may give."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray
from PIL import Image

from common.geometry import clip_nonempty
from gateway.imaging.block_merging import stacked
from gateway.imaging.capacity import Room, room_of
from gateway.imaging.png import png_of
from gateway.imaging.table_images import paint_tags
from gateway.labels import is_formula
from gateway.model import BBox, Pixels, Polygon, Region
from gateway.tasks import SPOTTING_ENLARGED_BELOW, RegionTask

PAPER = 200
"""Grey from which a pixel counts as paper once the crop's darkest is 0 and its lightest 255. PaddleOCR-VL's number."""
LEAST_SIDE = 3
"""A crop whose ink is thinner, in pixels, stays whole. PaddleOCR-VL's number too."""
PATCH = 28
"""Both sides of what PaddleOCR-VL sees are multiples of this; its processor enlarges a thinner crop to it first."""
THIN_RATIO = 190
"""A thin crop up to this ratio is left to that. The processor's limit is 200; the rest is for rounding."""
MAX_RATIO = 100
"""Longest to shortest side. The processor's limit is 200; half of it, for rounding a side to 28 may halve it."""
LONGEST_STRIP = 32_000
"""A strip beyond `MAX_RATIO` is scaled to this length before it is padded: padding a longer one would fill memory."""
LONGEST_JPEG_SIDE = 65_500
LOOKED_AT = 16
"""Every so many pixels tell a picture in colour from one that may be grey."""
JPEG_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 90)
WHITE = 255
ENLARGED = 2
"""Times the pixels of a crop that is read a second time, for want of confidence."""
LEAST_ENLARGED = 1.2
DATA_URL = "data:image/png;base64,"


def trimmed(pixels: Pixels) -> Pixels:
    """The crop without the paper around its ink."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    dark, light = float(grey.min()), float(grey.max())
    if dark == light:
        return pixels
    ink: NDArray[np.bool_] = np.floor((grey - dark) * (255 / (light - dark))) <= PAPER
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    inked = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inked if min(inked.shape[:2]) >= LEAST_SIDE else pixels


@dataclass(frozen=True, slots=True)
class Crop:
    """An encoded picture of one region; width and height in pixels. `room`: what the region could hold.

    `larger` is the PNG with up to `ENLARGED` times the pixels, where the picture was made smaller and the task may need
    a second look. `data_url` is made where the picture is, in a thread: it takes as long as the rest of a call.
    """

    data_url: str
    width: int
    height: int
    room: Room | None = None
    larger: bytes | None = None

    @property
    def png(self) -> bytes:
        return base64.b64decode(self.data_url.removeprefix(DATA_URL))


def cut_crop(page: Pixels, region: Region, task: RegionTask, *, fit: bool, partners: Sequence[Region] = ()) -> Crop:
    """The region of the page as PNG, white outside its outline, never thinner than the engine can take.

    `partners` are the other regions of its group, to be read in the same call, or the pictures inside a table. `fit`
    makes the crop what PaddleOCR-VL's pipeline sends: formulas trimmed, pictures in tables painted over, all scaled
    into the task's pixel budget. Without it the crop is the page's part as it is.
    """
    pixels = _cut(page, region)
    if region.group is not None:
        together = [region, *partners]
        pixels = stacked([one.bbox for one in together], [_cut(page, one) for one in together])
    elif fit:
        pixels = _prepared(pixels, page, region, partners)
    pixels = without_colour(pixels)
    room = room_of(pixels.shape[1], pixels.shape[0])
    if not fit:
        return replace(encode(guard(pixels)), room=room)
    pixels = pixels if _is_enlarged_by_fit(pixels) else guard(pixels)
    return replace(encode(_fitted(pixels, task)), room=room, larger=_larger(pixels, task))


def cut_picture(page: Pixels, bbox: BBox) -> bytes:
    """The box of the page as JPEG, for the client."""
    x1, y1, x2, y2 = clip_nonempty(bbox, page.shape[1], page.shape[0])
    pixels = _no_longer_than(LONGEST_JPEG_SIDE, page[y1:y2, x1:x2])
    return _compress(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), JPEG_QUALITY)


def shrink(crop: Crop) -> Crop:
    """The same crop with half the pixels, for an engine that failed on it."""
    pixels = cv2.imdecode(np.frombuffer(crop.png, np.uint8), cv2.IMREAD_COLOR_RGB)
    size = (max(1, round(crop.width * math.sqrt(0.5))), max(1, round(crop.height * math.sqrt(0.5))))
    smaller = guard(_as_pixels(cv2.resize(_as_pixels(pixels), size, interpolation=cv2.INTER_AREA)))
    return replace(encode(smaller), room=crop.room)


def enlarged(crop: Crop, most_pixels: int) -> Crop | None:
    """The same crop with `ENLARGED` times the pixels, at most `most_pixels`; None where that is hardly more."""
    area = crop.width * crop.height
    wanted = min(ENLARGED * area, most_pixels)
    if wanted < LEAST_ENLARGED * area:
        return None
    pixels = cv2.imdecode(np.frombuffer(crop.larger or crop.png, np.uint8), cv2.IMREAD_COLOR_RGB)
    return replace(encode(fit(_as_pixels(pixels), wanted, wanted)), room=crop.room)


def guard(pixels: Pixels) -> Pixels:
    """The same picture with white margins where it is too small or too thin for the engine."""
    height, width = pixels.shape[:2]
    if max(width, height) > MAX_RATIO * min(width, height):
        pixels = _no_longer_than(LONGEST_STRIP, pixels)
        height, width = pixels.shape[:2]
    more_width = max(PATCH, math.ceil(height / MAX_RATIO)) - width
    more_height = max(PATCH, math.ceil(width / MAX_RATIO)) - height
    if more_width <= 0 and more_height <= 0:
        return pixels
    left, right = _halves(max(more_width, 0))
    top, bottom = _halves(max(more_height, 0))
    return np.pad(pixels, ((top, bottom), (left, right), (0, 0))[: pixels.ndim], constant_values=WHITE)


def _is_enlarged_by_fit(pixels: Pixels) -> bool:
    height, width = pixels.shape[:2]
    return bool(min(width, height) < PATCH and max(width, height) <= THIN_RATIO * min(width, height))


def fitted_size(width: int, height: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """A size that PaddleOCR-VL's processor makes as many tokens of as it would with this budget for itself.

    It rounds both sides to multiples of 28 in any case. A picture that is inside the budget then stays as it is, so
    that it is resampled once; any other gets the processor's own size. A side below 28 is first made 28.
    """
    if height < PATCH:
        width, height = round(width * PATCH / height), PATCH
    if width < PATCH:
        width, height = PATCH, round(height * PATCH / width)
    rounded = round(width / PATCH) * round(height / PATCH) * PATCH**2
    if min_pixels <= rounded <= max_pixels:
        return width, height
    if rounded > max_pixels:
        beta = math.sqrt(width * height / max_pixels)
        steps = math.floor(width / beta / PATCH), math.floor(height / beta / PATCH)
    else:
        beta = math.sqrt(min_pixels / (width * height))
        steps = math.ceil(width * beta / PATCH), math.ceil(height * beta / PATCH)
    return max(1, steps[0]) * PATCH, max(1, steps[1]) * PATCH


def _prepared(pixels: Pixels, page: Pixels, region: Region, partners: Sequence[Region]) -> Pixels:
    if is_formula(region.label):
        return trimmed(pixels)
    if region.label == "table" and partners:
        return paint_tags(pixels, clip_nonempty(region.bbox, page.shape[1], page.shape[0])[:2], partners)
    return pixels


def _cut(page: Pixels, region: Region) -> Pixels:
    x1, y1, x2, y2 = clip_nonempty(region.bbox, page.shape[1], page.shape[0])
    pixels = page[y1:y2, x1:x2]
    if region.polygon is None or len(region.polygon) < 3:
        return pixels
    inside = _outline_mask(region.polygon, (x1, y1, x2, y2))
    return np.where(inside[:, :, np.newaxis], pixels, np.uint8(WHITE)) if inside.any() else pixels


def _outline_mask(polygon: Polygon, box: BBox) -> Pixels:
    """Non-zero inside the polygon. Corners far outside the box are drawn in to it: OpenCV takes 32-bit numbers only."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    corners = np.array([(float(x) - x1, float(y) - y1) for x, y in polygon])
    near = np.clip(corners, (-width, -height), (2 * width, 2 * height)).round().astype(np.int32)
    mask = np.zeros((height, width), dtype=np.uint8)
    cv2.fillPoly(mask, [near], 1)
    return mask


def _fitted(pixels: Pixels, task: RegionTask) -> Pixels:
    height, width = pixels.shape[:2]
    if task.is_spotting and max(width, height) < SPOTTING_ENLARGED_BELOW:
        pixels = _as_pixels(cv2.resize(pixels, (2 * width, 2 * height), interpolation=cv2.INTER_LANCZOS4))
    return fit(pixels, task.min_pixels, task.max_pixels)


def fit(pixels: Pixels, min_pixels: int, max_pixels: int) -> Pixels:
    """The picture in the size that PaddleOCR-VL's processor would scale it to."""
    height, width = pixels.shape[:2]
    size = fitted_size(width, height, min_pixels, max_pixels)
    if size == (width, height):
        return pixels
    if size[0] * size[1] < width * height:
        return _as_pixels(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    # Not OpenCV's, whose kernel is sharper than the processor's and puts a fringe around enlarged print.
    return _as_pixels(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _larger(pixels: Pixels, task: RegionTask) -> bytes | None:
    if task.min_confidence is None or pixels.shape[0] * pixels.shape[1] <= task.max_pixels:
        return None
    return encode(fit(pixels, task.min_pixels, ENLARGED * task.max_pixels)).png


def _no_longer_than(longest: int, pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    if max(width, height) <= longest:
        return pixels
    scale = longest / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _as_pixels(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _halves(total: int) -> tuple[int, int]:
    return total // 2, total - total // 2


def encode(pixels: Pixels) -> Crop:
    """As PNG: on one channel where all three are alike."""
    height, width = pixels.shape[:2]
    return crop_of(png_of(without_colour(pixels)), width, height)


def crop_of(png: bytes, width: int, height: int) -> Crop:
    """The crop of a PNG; width and height in pixels."""
    return Crop(DATA_URL + base64.b64encode(png).decode("ascii"), width, height)


def without_colour(pixels: Pixels) -> Pixels:
    """One channel where all three are alike, which is scaled and compressed in a third of the time."""
    if pixels.ndim == 2 or not (_is_grey(pixels[::LOOKED_AT, ::LOOKED_AT]) and _is_grey(pixels)):
        return pixels
    return np.ascontiguousarray(pixels[:, :, 0])


def _is_grey(pixels: Pixels) -> bool:
    red, green, blue = pixels[:, :, 0], pixels[:, :, 1], pixels[:, :, 2]
    return np.array_equal(red, green) and np.array_equal(green, blue)


def _compress(suffix: str, pixels: MatLike, parameters: tuple[int, ...]) -> bytes:
    """`pixels` in OpenCV's order of channels."""
    written, data = cv2.imencode(suffix, pixels, parameters)
    if not written:
        raise ValueError(f"OpenCV could not encode a picture of shape {pixels.shape} as {suffix}")
    return data.tobytes()


def _as_pixels(image: object) -> Pixels:
    return np.asarray(image, dtype=np.uint8)
