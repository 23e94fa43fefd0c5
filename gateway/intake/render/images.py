"""Image files to RGB pages, with Pillow. Runs in worker processes only.

Of an animation (GIF, WebP, APNG) the first frame is the one page; of a TIFF every frame is a page.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager

# Named so that they are loaded before the process is confined; `Image.open` would otherwise load all 40 plugins.
from PIL import (  # noqa: F401
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    TiffTags,
    WebPImagePlugin,
)

from gateway.errors import ServiceError
from gateway.intake.render import tiff
from gateway.intake.render.page_source import Raster
from gateway.intake.render.view import FileView
from gateway.intake.sniff import FORMAT_NAMES

_STRIP_BYTES = 4 * 2**20
_SANE_DPI = range(36, 2401)
_USUAL_TOPS = (1, 255, 65535)
"""Values that stand for white in float and 32-bit images: normalised, 8 bits, 16 bits."""

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


class ImageSource:
    """An image file as pages (a `PageSource`)."""

    def __init__(self, file: FileView, media_type: str, max_pixels: int) -> None:
        self._stream = file
        self._format = FORMAT_NAMES[media_type]
        self._max_pixels = max_pixels
        self._kept: tuple[int, Raster] | None = None
        self._frames: list[int] = []
        if media_type == "image/tiff":
            self._head = file.read(tiff.HEAD_BYTES)
            self._frames = tiff.frame_offsets(file)
            if not self._frames:
                raise self._damaged()

    @property
    def pages_total(self) -> int:
        return len(self._frames) or 1

    def probe(self, selected: Collection[int]) -> None:
        """Decodes the first good page and keeps it until it is asked for: damage shows in no other way."""
        first_error: ServiceError | None = None
        for number in selected:
            try:
                self._kept = (number, self._decode(number))
                return
            except ServiceError as error:
                first_error = first_error or error
        if first_error:
            raise first_error

    def page(self, number: int) -> Raster:
        kept, self._kept = self._kept, None
        if kept and kept[0] == number:
            return kept[1]
        return self._decode(number)

    def trim(self) -> None:
        self._kept = None

    def close(self) -> None:
        self._kept = None
        self._stream.close()

    def _decode(self, number: int) -> Raster:
        if self._frames:
            self._make_first(self._frames[number - 1])
        image = self._open()
        width, height = image.size
        if width * height > self._max_pixels:
            raise ServiceError(413, "image_too_large", self._too_large(f"{width} × {height} pixels"))
        dpi = named_dpi(image)
        with _pillow_limit(self._max_pixels):
            try:
                rgb = upright_rgb(image)
            except MemoryError:
                raise
            except Exception as error:
                raise _memory_or(error, self._damaged()) from error
        return Raster(rgb.width, rgb.height, dpi, Strips(rgb))

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
                raise ServiceError(413, "image_too_large", self._too_large("more pixels than that")) from error
            except Exception as error:
                raise self._damaged() from error

    def _make_first(self, offset: int) -> None:
        """Points the TIFF header at a frame, which saves the walk through all frames before it."""
        self._stream.head = tiff.pointed_at(self._head, offset)

    def _damaged(self) -> ServiceError:
        return ServiceError(
            400, "damaged_image", f"The {self._format} image is damaged or cut off: it can't be decoded."
        )

    def _too_large(self, size: str) -> str:
        return f"The {self._format} image is too large: {size}, the limit is {self._max_pixels} pixels."


class Strips:
    """A page's pixels in pieces of a few MB. `image` is RGB."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image

    def __iter__(self) -> Iterator[bytes]:
        width, height = self._image.size
        rows = max(1, _STRIP_BYTES // (width * 3))
        for top in range(0, height, rows):
            yield self._image.crop((0, top, width, min(height, top + rows))).tobytes()


def upright_rgb(image: Image.Image) -> Image.Image:
    """The image as a person sees it on white paper: mode RGB, turned as its EXIF orientation says."""
    image.load()
    turn = _TURNS.get(_orientation(image))
    if image.mode.startswith(("I", "F")):
        image = _grey(image)
    rgb = _on_white(image) if image.has_transparency_data else image.convert("RGB")
    return rgb.transpose(turn) if turn is not None else rgb


def named_dpi(image: Image.Image) -> int | None:
    """Dots per inch, if the file names one value for both axes that a scanner could have."""
    try:
        across, down = (float(value) for value in image.info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(across) or not math.isclose(across, down, rel_tol=0.01):
        return None
    dpi = round(across)
    return dpi if dpi in _SANE_DPI else None


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # Broken EXIF data is no reason to refuse good pixels; its readers raise whatever comes.
        return 1


def _grey(image: Image.Image) -> Image.Image:
    """8 bits from a mode that holds more."""
    tags = getattr(image, "tag_v2", {})  # TIFF only
    if image.mode.startswith("I;16"):
        bits = max(tags.get(_BITS_PER_SAMPLE, (16,)))
        grey = _stretch(image.convert("I"), 0, 2**bits - 1)
    else:
        grey = _stretch(image, *_value_range(image))
    grey.info.pop("transparency", None)  # a colour key that names one of the many values before
    return ImageOps.invert(grey) if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else grey


def _value_range(image: Image.Image) -> tuple[float, float]:
    """Black and white of a float or 32-bit image, which has no natural ones."""
    low, high = _extrema(image)
    if low < 0 or high > _USUAL_TOPS[-1]:
        return low, high
    tops = _USUAL_TOPS if image.mode == "F" else _USUAL_TOPS[1:]
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


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    page = Image.new("RGB", rgba.size, "white")
    page.paste(rgba, mask=rgba.getchannel("A"))
    return page


def _memory_or(error: Exception, otherwise: ServiceError) -> ServiceError | MemoryError:
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
