"""A region's pixels as the engine gets them, and which of the page's text lines stand in them.

Nothing here raises for any box or outline that a detector may give.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray
from PIL import Image

from common.geometry import clip_nonempty, intersection_area
from gateway.imaging.block_merging import stack_crops
from gateway.imaging.capacity import TextCapacity, text_capacity
from gateway.imaging.png import encode_png
from gateway.imaging.table_images import mask_figures
from gateway.labels import is_formula
from gateway.model import BBox, Box, Pixels, Polygon, Region
from gateway.tasks import SPOTTING_ENLARGED_BELOW, RegionTask
from textlines.detection import TextLine as DetectedLine

PAPER = 200
"""Grey from which a pixel counts as paper once the crop's darkest is 0 and its lightest 255. PaddleOCR-VL's number."""
MIN_SIDE = 3
"""A crop whose ink is thinner, in pixels, stays whole. PaddleOCR-VL's number too."""
PATCH = 28
"""Both sides of what PaddleOCR-VL sees are multiples of this; its processor enlarges a thinner crop to it first."""
THIN_RATIO = 190
"""A thin crop up to this ratio is left to that. The processor's limit is 200; the rest is for rounding."""
MAX_RATIO = 100
"""Longest to shortest side. The processor's limit is 200; half of it, for rounding a side to 28 may halve it."""
MAX_STRIP = 32_000
"""A strip beyond `MAX_RATIO` is scaled to this length before it is padded: padding a longer one would fill memory."""
MAX_JPEG_SIDE = 65_500
SAMPLE_STEP = 16
"""Every so many pixels tell a picture in colour from one that may be grey."""
JPEG_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 90)
WHITE = 255
ENLARGED = 2
"""Times the pixels of a crop that is read a second time, for want of confidence."""
MIN_ENLARGED = 1.2
DATA_URL = "data:image/png;base64,"
ROUNDING = 1
"""Pixels by which the box of a region and that of the one line that it was made from may differ."""
BETTER = 1.2
"""Times of a line's area that another region holds, from which on the line is that one's."""


def crop_margin(pixels: Pixels) -> Pixels:
    """The crop without the paper around its ink."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    dark, light = float(grey.min()), float(grey.max())
    if dark == light:
        return pixels
    ink: NDArray[np.bool_] = np.floor((grey - dark) * (255 / (light - dark))) <= PAPER
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    inked = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inked if min(inked.shape[:2]) >= MIN_SIDE else pixels


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture stands on its page: the page's x is `x + scale_x` times the picture's, and y alike."""

    x: float = 0.0
    y: float = 0.0
    scale_x: float = 1.0
    scale_y: float = 1.0

    def restore(self, box: Box) -> Box:
        """A box of the picture, in pixels of the page to a tenth."""
        x1, y1, x2, y2 = box
        return (
            round(self.x + self.scale_x * x1, 1),
            round(self.y + self.scale_y * y1, 1),
            round(self.x + self.scale_x * x2, 1),
            round(self.y + self.scale_y * y2, 1),
        )

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A point of the page, in pixels of the picture to a tenth."""
        return round((x - self.x) / self.scale_x, 1), round((y - self.y) / self.scale_y, 1)

    def scaled(self, width: float, height: float) -> Placement:
        """Of the same picture with its sides multiplied."""
        return replace(self, scale_x=self.scale_x / width, scale_y=self.scale_y / height)

    def padded(self, left: int, top: int) -> Placement:
        """Of the same picture with so many more pixels on its left and its top."""
        return replace(self, x=self.x - left * self.scale_x, y=self.y - top * self.scale_y)


class CropLine(TypedDict):
    """A text line of a crop: its corners from the top left on, x and y in turn, in pixels of the crop. `leader`: where
    leading dots begin and end, shares of its length; `bar`: where a fraction's bar does, shares of its height."""

    corners: list[float]
    leader: tuple[float, float] | None
    bar: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Crop:
    """An encoded picture of one region; width and height in pixels. `capacity`: what the region could hold.

    `lines`: the text lines in it, where the layout has found them already.

    `placement`: where it stands on the page; None for a picture that is put together, trimmed or scaled for a VLM.

    `larger` is the PNG with up to `ENLARGED` times the pixels, where the picture was made smaller and the task may need
    a second look. `data_url` is made where the picture is, in a thread: it takes as long as the rest of a call.
    """

    data_url: str
    width: int
    height: int
    capacity: TextCapacity | None = None
    larger: bytes | None = None
    placement: Placement | None = None
    lines: Sequence[CropLine] | None = None

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
        pixels = stack_crops([one.bbox for one in together], [_cut(page, one) for one in together])
    elif fit:
        pixels = _prepare(pixels, page, region, partners)
    pixels = drop_colour(pixels)
    capacity = text_capacity(pixels.shape[1], pixels.shape[0])
    if not fit:
        guarded, placement = _guard(pixels, _place(page, region))
        return replace(encode(guarded), capacity=capacity, placement=None if region.group else placement)
    pixels = pixels if _is_enlarged_by_fit(pixels) else guard(pixels)
    return replace(encode(_fit_to_task(pixels, task)), capacity=capacity, larger=_larger(pixels, task))


def cut_picture(page: Pixels, bbox: BBox, max_side: int = MAX_JPEG_SIDE) -> bytes:
    """The box of the page as JPEG, for the client; scaled down where a side has more than `max_side` pixels."""
    x1, y1, x2, y2 = clip_nonempty(bbox, page.shape[1], page.shape[0])
    pixels = _limit_side(min(max_side, MAX_JPEG_SIDE), page[y1:y2, x1:x2])
    return _compress(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), JPEG_QUALITY)


def shrink(crop: Crop) -> Crop:
    """The same crop with half the pixels, for an engine that failed on it."""
    pixels = cv2.imdecode(np.frombuffer(crop.png, np.uint8), cv2.IMREAD_COLOR_RGB)
    size = (max(1, round(crop.width * math.sqrt(0.5))), max(1, round(crop.height * math.sqrt(0.5))))
    placement = (crop.placement or Placement()).scaled(size[0] / crop.width, size[1] / crop.height)
    smaller, placement = _guard(
        _as_pixels(cv2.resize(_as_pixels(pixels), size, interpolation=cv2.INTER_AREA)), placement
    )
    return replace(encode(smaller), capacity=crop.capacity, placement=placement if crop.placement else None)


def enlarge(crop: Crop, max_pixels: int) -> Crop | None:
    """The same crop with `ENLARGED` times the pixels, at most `max_pixels`; None where that is hardly more."""
    area = crop.width * crop.height
    wanted = min(ENLARGED * area, max_pixels)
    if wanted < MIN_ENLARGED * area:
        return None
    pixels = cv2.imdecode(np.frombuffer(crop.larger or crop.png, np.uint8), cv2.IMREAD_COLOR_RGB)
    return replace(encode(fit(_as_pixels(pixels), wanted, wanted)), capacity=crop.capacity)


def guard(pixels: Pixels) -> Pixels:
    """The same picture with white margins where it is too small or too thin for the engine."""
    return _guard(pixels, Placement())[0]


def _guard(pixels: Pixels, placement: Placement) -> tuple[Pixels, Placement]:
    """As `guard`, with the place of what comes of a picture that had a place."""
    height, width = pixels.shape[:2]
    if max(width, height) > MAX_RATIO * min(width, height):
        pixels = _limit_side(MAX_STRIP, pixels)
        placement = placement.scaled(pixels.shape[1] / width, pixels.shape[0] / height)
        height, width = pixels.shape[:2]
    more_width = max(PATCH, math.ceil(height / MAX_RATIO)) - width
    more_height = max(PATCH, math.ceil(width / MAX_RATIO)) - height
    if more_width <= 0 and more_height <= 0:
        return pixels, placement
    left, right = _halves(max(more_width, 0))
    top, bottom = _halves(max(more_height, 0))
    padded = np.pad(pixels, ((top, bottom), (left, right), (0, 0))[: pixels.ndim], constant_values=WHITE)
    return padded, placement.padded(left, top)


def _is_enlarged_by_fit(pixels: Pixels) -> bool:
    height, width = pixels.shape[:2]
    return bool(min(width, height) < PATCH and max(width, height) <= THIN_RATIO * min(width, height))


def fit_size(width: int, height: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
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


def _prepare(pixels: Pixels, page: Pixels, region: Region, partners: Sequence[Region]) -> Pixels:
    if is_formula(region.label):
        return crop_margin(pixels)
    if region.label == "table" and partners:
        return mask_figures(pixels, clip_nonempty(region.bbox, page.shape[1], page.shape[0])[:2], partners)
    return pixels


def _place(page: Pixels, region: Region) -> Placement:
    x1, y1, _, _ = clip_nonempty(region.bbox, page.shape[1], page.shape[0])
    return Placement(x1, y1)


def _cut(page: Pixels, region: Region) -> Pixels:
    x1, y1, x2, y2 = clip_nonempty(region.bbox, page.shape[1], page.shape[0])
    pixels = page[y1:y2, x1:x2]
    if region.polygon is None or len(region.polygon) < 3:
        return pixels
    inside = outline_mask(region.polygon, (x1, y1, x2, y2))
    return np.where(inside[:, :, np.newaxis], pixels, np.uint8(WHITE)) if inside.any() else pixels


def outline_mask(polygon: Polygon, box: BBox) -> Pixels:
    """Non-zero inside the polygon. Corners far outside the box are drawn in to it: OpenCV takes 32-bit numbers only."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    corners = np.array([(float(x) - x1, float(y) - y1) for x, y in polygon])
    near = np.clip(corners, (-width, -height), (2 * width, 2 * height)).round().astype(np.int32)
    mask = np.zeros((height, width), dtype=np.uint8)
    cv2.fillPoly(mask, [near], 1)
    return mask


def _fit_to_task(pixels: Pixels, task: RegionTask) -> Pixels:
    height, width = pixels.shape[:2]
    if task.is_spotting and max(width, height) < SPOTTING_ENLARGED_BELOW:
        pixels = _as_pixels(cv2.resize(pixels, (2 * width, 2 * height), interpolation=cv2.INTER_LANCZOS4))
    return fit(pixels, task.min_pixels, task.max_pixels)


def fit(pixels: Pixels, min_pixels: int, max_pixels: int) -> Pixels:
    """The picture in the size that PaddleOCR-VL's processor would scale it to."""
    height, width = pixels.shape[:2]
    size = fit_size(width, height, min_pixels, max_pixels)
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


def _limit_side(longest: int, pixels: Pixels) -> Pixels:
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
    return make_crop(encode_png(drop_colour(pixels)), width, height)


def make_crop(png: bytes, width: int, height: int) -> Crop:
    """The crop of a PNG; width and height in pixels."""
    return Crop(DATA_URL + base64.b64encode(png).decode("ascii"), width, height)


def drop_colour(pixels: Pixels) -> Pixels:
    """One channel where all three are alike, which is scaled and compressed in a third of the time."""
    if pixels.ndim == 2 or not _are_alike(pixels[::SAMPLE_STEP, ::SAMPLE_STEP]):
        return pixels
    # Put together again, one channel is compared in a third of the time that channels take within the picture.
    grey = cv2.extractChannel(pixels, 0)
    return _as_pixels(grey) if cv2.norm(cv2.merge((grey, grey, grey)), pixels, cv2.NORM_INF) == 0 else pixels


def _are_alike(pixels: Pixels) -> bool:
    """Whether the three channels are."""
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


def place_lines(
    crop: Crop, region: Region, lines: Sequence[DetectedLine] | None, others: Sequence[Region] = ()
) -> Crop:
    """The crop with those of the page's lines whose middle lies in its region, but for those of which one of the
    `others` holds more: regions are drawn with a margin, and a line is read once.

    Without lines, or for a picture that is put together or scaled for a VLM, the engine looks for them itself.
    """
    if lines is None or crop.placement is None:
        return crop
    own = [line for line in lines if is_inside(line.middle, region) and not _is_held_better(line, region, others)]
    return replace(crop, lines=[_place_line(line, crop.placement) for line in own]) if own else crop


def is_inside(point: tuple[float, float], region: Region) -> bool:
    x1, y1, x2, y2 = region.bbox
    if not (x1 <= point[0] < x2 and y1 <= point[1] < y2):
        return False
    if region.polygon is None or len(region.polygon) < 3:
        return True
    return cv2.pointPolygonTest(np.array(region.polygon, dtype=np.float32), point, measureDist=False) >= 0


def _is_held_better(line: DetectedLine, region: Region, others: Sequence[Region]) -> bool:
    """Whether another region holds more of it, or is nothing else: a watermark's piece between the lines of a text."""
    share = BETTER * intersection_area(line.box, region.bbox)
    return any(_is_alone(line, other) for other in others if other is not region) or any(
        intersection_area(line.box, other.bbox) > share and is_inside(line.middle, other)
        for other in others
        if other is not region
    )


def _is_alone(line: DetectedLine, region: Region) -> bool:
    return max(abs(one - other) for one, other in zip(line.box, region.bbox, strict=True)) <= ROUNDING


def _place_line(line: DetectedLine, placement: Placement) -> CropLine:
    corners = [value for x, y in line.quad.tolist() for value in placement.place(x, y)]
    return CropLine(corners=corners, leader=line.leader, bar=line.bar)
