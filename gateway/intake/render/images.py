"""Image files to RGB pages, with Pillow. Runs in worker processes only.

Of an animation (GIF, WebP, APNG) the first frame is the one page; of a TIFF every frame is a page.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO

import pi_heif

# Named so that they are loaded before the process is confined; `Image.open` would otherwise load all 40 plugins.
from PIL import (  # noqa: F401
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageChops,
    ImageFile,
    ImageFilter,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    TiffTags,
    WebPImagePlugin,
)

from gateway.errors import ServiceError
from gateway.intake.render.page_source import MAX_SIDE, FileView, Raster
from gateway.intake.sniff import FORMAT_NAMES

# Each thread of a decoder takes address space, which is limited, and one page at a time is decoded.
pi_heif.register_heif_opener(decode_threads=1)
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

Readable = IO[bytes] | io.RawIOBase

_STRIP_BYTES = 4 * 2**20
_SANE_DPI = range(36, 2401)
_COMMON_MAXIMA = (1, 255, 65535)
"""Values that stand for white in float and 32-bit images: normalised, 8 bits, 16 bits."""

_GROUNDS = (255, 96, 176, 0)
"""Greys to lay transparent pictures on, the first that will do. Layout takes print on black for a picture."""
_CONTRAST = 48
"""Levels of grey between print and ground."""
_SHOWN = 0.98
"""Of the pixels of print, the share that has to have that contrast."""
_CELLS = 10
"""Of how many cells a square picture has a row, when print that stands free is looked for."""
_SEEN = [0] * 128 + [255] * 128
"""Alpha to whether a pixel is seen."""
_OPAQUE, _OPEN = 250, 192
"""Of 255: a cell with more pixels seen is opaque, one with fewer stands free."""

_BITS_PER_SAMPLE = 258  # TIFF 6.0 tags
_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes each EXIF orientation upright (EXIF 2.32, tag 274)."""

MAX_FRAMES = 10_000
_TIFF_HEAD_BYTES = 16
_FIRST_FRAME_FIELD = {False: (4, "I"), True: (8, "Q")}
"""Byte position and struct code of a TIFF header's pointer to the first frame, by whether the file is a BigTIFF."""
_LAST_POSITION = 2**62  # what a BigTIFF may name beyond is no position for the system
_ENTRY_SIZES = {False: ("H", 12), True: ("Q", 20)}  # of a directory: its count's struct code, bytes of an entry


class ImageSource:
    """An image file as pages (a `PageSource`)."""

    def __init__(self, file: FileView, media_type: str, max_pixels: int) -> None:
        self._stream = file
        self._format = FORMAT_NAMES[media_type]
        self._max_pixels = max_pixels
        self._probed: tuple[int, Raster] | None = None
        self._frames: list[int] = []
        if media_type == "image/tiff":
            self._head = file.read(_TIFF_HEAD_BYTES)
            self._frames = find_frames(file)
            if not self._frames:
                raise self._decode_error()

    @property
    def pages_total(self) -> int:
        return len(self._frames) or 1

    def probe(self, selected: Collection[int]) -> None:
        """Decodes the first good page and keeps it until it is asked for: damage shows in no other way."""
        first_error: ServiceError | None = None
        for number in selected:
            try:
                self._probed = (number, self._decode(number))
                return
            except ServiceError as error:
                first_error = first_error or error
        if first_error:
            raise first_error

    def page(self, number: int) -> Raster:
        probed, self._probed = self._probed, None
        if probed and probed[0] == number:
            return probed[1]
        return self._decode(number)

    def trim(self) -> None:
        self._probed = None

    def close(self) -> None:
        self._probed = None
        self._stream.close()

    def _decode(self, number: int) -> Raster:
        if self._frames:
            self._select_frame(self._frames[number - 1])
        image = self._open()
        width, height = image.size
        if width * height > self._max_pixels or max(width, height) > MAX_SIDE:
            raise ServiceError(413, "image_too_large", self._explain_size(f"{width} × {height} pixels"))
        dpi = read_dpi(image)
        with _pillow_limit(self._max_pixels):
            try:
                strips = make_strips(image)
            except MemoryError:
                raise
            except Exception as error:
                raise _classify(error, self._decode_error()) from error
        return Raster(*strips.size, dpi, strips)

    def _open(self) -> ImageFile.ImageFile:
        # WebP's decoder takes memory for the whole canvas when it opens, so there Pillow has to check; it speaks up
        # beyond twice its limit. Everywhere else the size is read first, to be named in the error.
        with _pillow_limit(self._max_pixels // 2 if self._format == "WebP" else None):
            try:
                self._stream.seek(0)
                return Image.open(self._stream, formats=[self._format])
            except MemoryError:
                raise
            except Image.DecompressionBombError as error:
                raise ServiceError(413, "image_too_large", self._explain_size("more pixels than that")) from error
            except Exception as error:
                raise self._decode_error() from error

    def _select_frame(self, offset: int) -> None:
        """Points the TIFF header at a frame, which saves the walk through all frames before it."""
        self._stream.head = _point_at(self._head, offset)

    def _decode_error(self) -> ServiceError:
        return ServiceError(
            400, "damaged_image", f"The {self._format} image is damaged or cut off: it can't be decoded."
        )

    def _explain_size(self, size: str) -> str:
        limit = f"{self._max_pixels} pixels, {MAX_SIDE} on a side"
        return f"The {self._format} image is too large: {size}, the limit is {limit}."


Convert = Callable[[Image.Image], Image.Image]
"""Makes any part of an image RGB."""


class Strips:
    """A page's pixels in pieces of a few MB, which are made RGB one by one: Pillow takes four bytes for a pixel of RGB,
    of grey one, and `convert` would hold both. Raises what `convert` raises for the image."""

    def __init__(self, image: Image.Image, convert: Convert) -> None:
        self.size = image.size
        self._image = image
        self._convert = convert
        convert(image.crop((0, 0, 1, 1)))

    def __iter__(self) -> Iterator[bytes]:
        for part in _cut_strips(self._image):
            yield self._convert(part).tobytes()


def _cut_strips(image: Image.Image) -> Iterator[Image.Image]:
    width, height = image.size
    rows = max(1, _STRIP_BYTES // (width * 3))
    for top in range(0, height, rows):
        yield image.crop((0, top, width, min(height, top + rows)))


def _byte_order(head: bytes) -> str:
    return "<" if head[:2] == b"II" else ">"


def _is_big(head: bytes) -> bool:
    return 43 in head[2:4]


def _point_at(head: bytes, offset: int) -> bytes:
    """A TIFF file's first _TIFF_HEAD_BYTES, with the frame at `offset` as its first."""
    position, code = _FIRST_FRAME_FIELD[_is_big(head)]
    field = struct.pack(_byte_order(head) + code, offset)
    return head[:position] + field + head[position + len(field) :]


def find_frames(file: Readable) -> list[int]:
    """Byte offset of each frame's directory, in order; the last may lie outside a file that was cut off.

    Ends at a directory that was seen before. Raises ServiceError 413 `too_many_pages` beyond MAX_FRAMES.
    """
    file.seek(0)
    head = file.read(4)
    order, big = _byte_order(head), _is_big(head)
    position, pointer = _FIRST_FRAME_FIELD[big]
    offsets: dict[int, None] = {}
    offset = _unpack(file, position, order + pointer)
    while offset and offset not in offsets:
        if len(offsets) == MAX_FRAMES:
            raise ServiceError(413, "too_many_pages", f"The TIFF file has more than {MAX_FRAMES} pages.")
        offsets[offset] = None
        code, entry_size = _ENTRY_SIZES[big]
        entries = _unpack(file, offset, order + code)
        offset = _unpack(file, offset + struct.calcsize(order + code) + entries * entry_size, order + pointer)
    return list(offsets)


def _unpack(file: Readable, position: int, code: str) -> int:
    """The number at a position; 0 where the file has ended."""
    if position > _LAST_POSITION:
        return 0
    file.seek(position)
    data = file.read(struct.calcsize(code))
    return int(struct.unpack(code, data)[0]) if len(data) == struct.calcsize(code) else 0


def make_strips(image: Image.Image) -> Strips:
    """The image as a person sees it: RGB, on white or what shows its print, turned as its EXIF orientation says."""
    image.load()
    turn = _TURNS.get(_read_orientation(image))
    convert = _choose_conversion(image)
    return Strips(image if turn is None else image.transpose(turn), convert)


def _choose_conversion(image: Image.Image) -> Convert:
    """For parts of the image, however it is turned; the image is not kept."""
    if image.mode.startswith(("I", "F")):
        return _choose_grey(image)
    if image.has_transparency_data:
        return partial(_flatten, ground=_choose_ground(image))
    return _drop_nothing


def _drop_nothing(part: Image.Image) -> Image.Image:
    return part if part.mode == "RGB" else part.convert("RGB")


def read_dpi(image: Image.Image) -> int | None:
    """Dots per inch, if the file names one value for both axes that a scanner could have."""
    try:
        across, down = (float(value) for value in image.info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(across) or not math.isclose(across, down, rel_tol=0.01):
        return None
    dpi = round(across)
    return dpi if dpi in _SANE_DPI else None


def _read_orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # Broken EXIF data is no reason to refuse good pixels; its readers raise whatever comes.
        return 1


def _choose_grey(image: Image.Image) -> Convert:
    """8 bits from a mode that holds more."""
    tags = getattr(image, "tag_v2", {})  # TIFF only
    is_16 = image.mode.startswith("I;16")
    low, high = (0.0, 2.0 ** max(tags.get(_BITS_PER_SAMPLE, (16,))) - 1) if is_16 else _value_range(image)
    is_inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO

    def convert(part: Image.Image) -> Image.Image:
        grey = _stretch(part.convert("I") if is_16 else part, low, high)
        grey.info.pop("transparency", None)  # a colour key that names one of the many values before
        return (ImageOps.invert(grey) if is_inverted else grey).convert("RGB")

    return convert


def _value_range(image: Image.Image) -> tuple[float, float]:
    """Black and white of a float or 32-bit image, which has no natural ones."""
    low, high = _extrema(image)
    if low < 0 or high > _COMMON_MAXIMA[-1]:
        return low, high
    tops = _COMMON_MAXIMA if image.mode == "F" else _COMMON_MAXIMA[1:]
    return 0, next(top for top in tops if high <= top)


def _extrema(image: Image.Image) -> tuple[float, float]:
    extrema = image.getextrema()
    low, high = float(extrema[0]), float(extrema[1])  # type: ignore[arg-type]  # one band: two numbers
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (0.0, 1.0)


def _stretch(image: Image.Image, low: float, high: float) -> Image.Image:
    """Grey, 8 bits: `low` becomes black, `high` white, values beyond are clipped."""
    scale = 255 / (high - low) if high > low else 0.0
    # Pillow's linear `point` on wide modes; half a step, because the conversion cuts off.
    return image.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


def _flatten(part: Image.Image, ground: int) -> Image.Image:
    rgba = part.convert("RGBA")
    page = Image.new("RGB", rgba.size, (ground, ground, ground))
    page.paste(rgba, mask=rgba.getchannel("A"))
    return page


def _choose_ground(image: Image.Image) -> int:
    """The grey that lies behind a transparent picture: white, unless print that stands free would not show on it.

    On white, pale print is lost; an opaque page with white paper is not, whatever surrounds it.
    """
    free = _find_free_cells(image)
    levels, top = [0] * 256, 0
    for part in _cut_strips(image):
        rgba = part.convert("RGBA")
        rows = (top * free.height / image.height, (top + part.height) * free.height / image.height)
        are_free = free.resize(part.size, Image.Resampling.NEAREST, box=(0, rows[0], free.width, rows[1]))
        print_mask = ImageChops.darker(rgba.getchannel("A").point(_SEEN), are_free)
        levels = [sum(pair) for pair in zip(levels, rgba.convert("L").histogram(print_mask), strict=True)]
        top += part.height
    total = sum(levels)
    shown = {
        ground: sum(levels[: max(ground - _CONTRAST, 0)]) + sum(levels[ground + _CONTRAST :]) for ground in _GROUNDS
    }
    return next(
        (ground for ground in _GROUNDS if shown[ground] >= _SHOWN * total), max(_GROUNDS, key=shown.__getitem__)
    )


def _find_free_cells(image: Image.Image) -> Image.Image:
    """A small mask of the parts that have transparency around what is seen, away from large opaque parts."""
    side = max(1, round(math.sqrt(image.width * image.height) / _CELLS))
    cells = math.ceil(image.width / side), math.ceil(image.height / side)
    seen, top = Image.new("L", image.size), 0
    for part in _cut_strips(image):
        seen.paste(part.convert("RGBA").getchannel("A").point(_SEEN), (0, top))
        top += part.height
    cover = seen.resize(cells, Image.Resampling.BOX)
    opaque = cover.point([0] * _OPAQUE + [255] * (256 - _OPAQUE)).filter(ImageFilter.MaxFilter(3))
    return ImageChops.subtract(cover.point([255] * _OPEN + [0] * (256 - _OPEN)), opaque)


def _classify(error: Exception, otherwise: ServiceError) -> ServiceError | MemoryError:
    """Pillow's codecs report a failed allocation as OSError."""
    return MemoryError() if "memory" in str(error) else otherwise


@contextmanager
def _pillow_limit(pixels: int | None) -> Iterator[None]:
    """Pillow raises beyond twice this limit, in tiles too; what it only warns of still gives pixels."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
