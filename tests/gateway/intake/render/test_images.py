from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gateway.errors import ServiceError
from gateway.intake.render.images import ImageSource
from gateway.model import Pixels
from tests.gateway.intake.files import (
    HEIC,
    RED,
    WHITE,
    encode,
    noise,
    picture,
    png_that_claims,
    view,
    white_is_zero_tiff,
)

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WebP": "image/webp",
    "BMP": "image/bmp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "JPEG2000": "image/jp2",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
ROOT = Path(__file__).parents[4]
LIMIT = 1_000_000
RAMP = np.linspace(0, 255, 256)
OVERHEAD = 30_000_000
"""Bytes: the strips in hand, and what modules take that load with the first picture."""
MEASURE = """
import os
from gateway.intake.render.images import ImageSource
from gateway.intake.render.page_source import FileView


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


before = peak()
source = ImageSource(FileView(os.dup(0)), "image/png", 10**8)
source.probe([1])
print(sum(map(len, source.page(1).strips)), peak() - before)
"""


def read(data: bytes, format: str, page: int = 1) -> Pixels:
    raster = ImageSource(view(data), MEDIA_TYPES[format], LIMIT).page(page)
    pixels = np.frombuffer(b"".join(raster.strips), np.uint8)
    return pixels.reshape(raster.height, raster.width, 3)


def round_trip(image: Image.Image, format: str, **options: object) -> Pixels:
    return read(encode(image, format, **options), format)


def close(pixels: Pixels, colour: tuple[int, int, int], tolerance: int = 6) -> bool:
    return bool(np.all(np.abs(pixels.astype(int) - colour) <= tolerance))


@pytest.mark.parametrize("format", sorted(MEDIA_TYPES))
def test_formats_keep_size_and_colours(format: str) -> None:
    pixels = read(HEIC, format) if format == "HEIF" else round_trip(picture(64, 48), format)
    assert pixels.shape == (48, 64, 3)
    assert close(pixels[20, 8], RED)
    assert close(pixels[20, 56], WHITE)


@pytest.mark.parametrize(("mode", "most"), [("1", 1), ("L", 1), ("RGB", 4), ("RGBA", 6), ("I;16", 2)])
def test_a_page_is_held_once(mode: str, most: int) -> None:
    """`most`: bytes for each pixel. Pillow takes four for RGB and one for grey, and two more tell what lies behind a
    transparent picture."""
    side = 5000
    with view(encode(Image.new(mode, (side, side)), "PNG")) as file:
        told = subprocess.run([sys.executable, "-c", MEASURE], stdin=file, capture_output=True, check=True, cwd=ROOT)
    size, taken = map(int, told.stdout.split())
    assert size == 3 * side**2
    assert taken < most * side**2 + OVERHEAD


def test_white_print_on_nothing_in_the_last_strip() -> None:
    image = Image.new("RGBA", (900, 2000), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((100, 1900, 800, 1920), fill="white")
    raster = ImageSource(view(encode(image, "PNG")), "image/png", 10**7).page(1)
    pixels = np.frombuffer(b"".join(raster.strips), np.uint8).reshape(2000, 900, 3)
    assert int(pixels[1910, 400, 0]) - int(pixels[10, 10, 0]) > 40


def test_page_of_several_strips() -> None:
    image = noise(900)
    source = ImageSource(view(encode(image, "PNG")), "image/png", LIMIT)
    assert b"".join(source.page(1).strips) == image.tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16", "CMYK", "YCbCr", "LAB", "PA", "F", "I"])
def test_white_and_black_by_mode(mode: str) -> None:
    if mode in ("I;16", "I", "F"):
        image = Image.new(mode, (20, 10), 1 if mode == "F" else 65535)
        image.paste(0, (0, 0, 10, 10))
    else:
        image = Image.new("RGB", (20, 10), "white")
        image.paste((0, 0, 0), (0, 0, 10, 10))
        if mode == "LAB":
            image = Image.merge("LAB", (image.convert("L"), *(Image.new("L", image.size, 128) for _ in "ab")))
        else:
            image = image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
    pixels = round_trip(image, "TIFF")
    assert close(pixels[5, 2], (0, 0, 0))
    assert close(pixels[5, 17], WHITE)


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_red_stays_red(format: str) -> None:
    image = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    assert close(round_trip(image, format), RED)


def test_adobe_jpeg_with_inverted_inks() -> None:
    data = encode(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG")
    assert b"Adobe" in data, "Pillow writes CMYK as Adobe does: inverted, with its marker"
    assert close(read(data, "JPEG"), RED)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_gradient_stays_a_gradient(format: str) -> None:
    image = Image.fromarray(np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0))
    assert np.abs(round_trip(image, format)[0, :, 0] - RAMP).max() <= 1


def test_big_endian_16_bit_gradient() -> None:
    values = np.linspace(0, 65535, 256).astype(">u2").tobytes()
    image = Image.frombytes("I;16B", (256, 1), values)
    assert np.abs(round_trip(image, "TIFF")[0, :, 0] - RAMP).max() <= 1


def test_16_bit_white_is_zero() -> None:
    data = white_is_zero_tiff(np.linspace(0, 65535, 256).astype("<u2").tobytes(), 256, 16)
    assert np.abs(read(data, "TIFF")[0, :, 0] - RAMP[::-1]).max() <= 1


def test_dark_16_bit_stays_dark() -> None:
    image = Image.fromarray(np.full((4, 4), 2570, np.uint16))
    assert close(round_trip(image, "PNG"), (10, 10, 10), 1)


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0, 1e6])
def test_float_gradient(top: float) -> None:
    image = Image.fromarray(np.linspace(0, top, 256, dtype=np.float32)[None].repeat(2, 0))
    assert np.abs(round_trip(image, "TIFF")[0, :, 0] - RAMP).max() <= 1


def test_float_image_with_nan() -> None:
    image = Image.fromarray(np.array([[0.0, 1.0, np.nan, np.inf]], np.float32))
    assert round_trip(image, "TIFF").shape == (1, 4, 3)


@pytest.mark.parametrize("format", ["PNG", "WebP", "TIFF"])
def test_transparency_becomes_white(format: str) -> None:
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 10, 10))
    options: dict[str, object] = {"lossless": True} if format == "WebP" else {}
    pixels = round_trip(image, format, **options)
    assert close(pixels[5, 2], RED)
    assert close(pixels[5, 17], WHITE)


def test_half_transparency() -> None:
    assert close(round_trip(Image.new("LA", (8, 8), (0, 128)), "PNG"), (127, 127, 127), 1)


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_transparent_palette_entry(format: str) -> None:
    image = Image.new("P", (20, 10), 1)
    image.putpalette([255, 0, 0, 0, 0, 0])
    image.paste(0, (0, 0, 10, 10))
    pixels = round_trip(image, format, transparency=1)
    assert close(pixels[5, 2], RED)
    assert close(pixels[5, 17], WHITE)


def test_16_bit_colour_key() -> None:
    image = Image.fromarray(np.full((4, 4), 65535, np.uint16))
    data = encode(image, "PNG", transparency=65535)
    assert close(read(data, "PNG"), WHITE)


CORNERS = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WebP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(format: str, orientation: int) -> None:
    image = Image.new("RGB", (64, 32), "white")
    image.paste(RED, (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = round_trip(image, format, exif=exif)
    assert pixels.shape == ((32, 64, 3) if orientation < 5 else (64, 32, 3))
    top, left = CORNERS[orientation][0] == "t", CORNERS[orientation][1] == "l"
    corner = pixels[4 if top else -5, 4 if left else -5]
    assert close(corner, RED, 60)
    assert close(pixels[-5 if top else 4, -5 if left else 4], WHITE, 60)


def test_broken_exif() -> None:
    data = encode(picture(), "JPEG", exif=b"Exif\0\0MM\0\x2a\0\0\xff\xff broken")
    assert read(data, "JPEG").shape == (30, 40, 3)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP"])
def test_named_dpi(format: str) -> None:
    source = ImageSource(view(encode(picture(), format, dpi=(300, 300))), MEDIA_TYPES[format], LIMIT)
    assert source.page(1).dpi == 300


@pytest.mark.parametrize("dpi", [None, (1, 1), (10_000, 10_000), (300, 100)])
def test_absurd_dpi_is_none(dpi: tuple[int, int] | None) -> None:
    options: dict[str, object] = {"dpi": dpi} if dpi else {}
    assert ImageSource(view(encode(picture(), "PNG", **options)), "image/png", LIMIT).page(1).dpi is None


def tiff_of(*frames: Image.Image, **options: object) -> bytes:
    return encode(frames[0], "TIFF", save_all=True, append_images=frames[1:], **options)


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"big_tiff": True}])
def test_tiff_frames_in_any_order(options: dict[str, object]) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    data = tiff_of(*(Image.new("RGB", (10 + at, 10), colour) for at, colour in enumerate(colours)), **options)
    source = ImageSource(view(data), "image/tiff", LIMIT)
    assert source.pages_total == 3
    for number in (3, 1, 2, 2):
        raster = source.page(number)
        assert raster.width == 9 + number
        assert b"".join(raster.strips)[:3] == bytes(colours[number - 1])


def test_frames_of_different_kinds() -> None:
    data = tiff_of(Image.new("1", (8, 8), 1), Image.new("CMYK", (8, 8), (0, 255, 255, 0)), Image.new("I;16", (8, 8), 0))
    assert [close(read(data, "TIFF", page), colour) for page, colour in enumerate([WHITE, RED, (0, 0, 0)], 1)] == [
        True
    ] * 3


@pytest.mark.parametrize("format", ["GIF", "WebP", "PNG"])
def test_animation_gives_first_frame(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "white", "black")]
    source = ImageSource(
        view(encode(frames[0], format, save_all=True, append_images=frames[1:])), MEDIA_TYPES[format], LIMIT
    )
    assert source.pages_total == 1
    assert close(np.frombuffer(b"".join(source.page(1).strips), np.uint8).reshape(-1, 3), RED)


@pytest.mark.parametrize("format", sorted(MEDIA_TYPES))
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_truncated_file(format: str, kept: float) -> None:
    data = HEIC if format == "HEIF" else encode(noise(), format)
    with pytest.raises(ServiceError) as caught:
        read(data[: int(len(data) * kept)], format)
    assert (caught.value.status, caught.value.code) == (400, "damaged_image")
    assert format in caught.value.detail


def test_tiff_without_directory() -> None:
    with pytest.raises(ServiceError) as caught:
        ImageSource(view(b"II*\0\0\0\0\0"), "image/tiff", LIMIT)
    assert caught.value.code == "damaged_image"


def test_only_the_sniffed_format_is_opened() -> None:
    with pytest.raises(ServiceError) as caught:
        read(encode(picture(), "GIF"), "PNG")
    assert caught.value.code == "damaged_image"


@pytest.mark.parametrize("side", [1100, 30_000])
def test_pixel_limit_before_decoding(side: int) -> None:
    with pytest.raises(ServiceError) as caught:
        read(png_that_claims(side, side), "PNG")
    assert (caught.value.status, caught.value.code) == (413, "image_too_large")
    assert f"{side} × {side}" in caught.value.detail
    assert str(LIMIT) in caught.value.detail


@pytest.mark.parametrize("format", ["WebP", "JPEG", "GIF", "BMP", "TIFF"])
def test_pixel_limit_by_format(format: str) -> None:
    with pytest.raises(ServiceError) as caught:
        read(encode(Image.new("RGB", (1100, 1000)), format), format)
    assert caught.value.code == "image_too_large"


def test_exact_pixel_limit() -> None:
    for format in ("PNG", "WebP"):
        assert round_trip(Image.new("RGB", (1000, 1000)), format).shape == (1000, 1000, 3)


def test_gif_frame_larger_than_screen() -> None:
    data = bytearray(encode(Image.new("L", (8, 8)), "GIF"))
    at = data.index(b"\x2c")
    data[at + 5 : at + 9] = struct.pack("<HH", 60_000, 60_000)
    with pytest.raises(ServiceError) as caught:
        read(bytes(data), "GIF")
    assert caught.value.status in (400, 413)


def test_probe_decodes() -> None:
    data = encode(noise(), "PNG")
    source = ImageSource(view(data[: len(data) // 2]), "image/png", LIMIT)
    with pytest.raises(ServiceError) as caught:
        source.probe((1,))
    assert caught.value.code == "damaged_image"


def test_probe_needs_one_good_frame() -> None:
    data = tiff_of(Image.new("RGB", (1100, 1100)), picture())
    source = ImageSource(view(data), "image/tiff", LIMIT)
    source.probe((1, 2))
    assert source.page(2).width == 40
    with pytest.raises(ServiceError) as caught:
        source.probe((1,))
    assert caught.value.code == "image_too_large"


def words_on_nothing(*colours: str) -> Image.Image:
    """A line of print in each colour on transparency."""
    image = Image.new("RGBA", (300, 60 * len(colours)))
    for row, colour in enumerate(colours):
        ImageDraw.Draw(image).text((20, 60 * row + 10), "pale words", colour, ImageFont.load_default(30))
    return image


@pytest.mark.parametrize("format", ["PNG", "WebP", "TIFF", "GIF"])
@pytest.mark.parametrize("colours", [("white",), ("#ffff80",), ("white", "black"), ("#d0d0d0", "#202020"), ("black",)])
def test_print_on_transparency_is_seen(format: str, colours: tuple[str, ...]) -> None:
    pixels = round_trip(words_on_nothing(*colours), format).astype(int)
    for row in range(len(colours)):
        line = pixels[60 * row : 60 * row + 60]
        assert np.percentile(np.abs(line - line[0, 0]).max(axis=2), 97) > 60


@pytest.mark.parametrize("mode", ["LA", "P"])
def test_pale_print_in_other_modes_is_seen(mode: str) -> None:
    data = encode(words_on_nothing("white").convert(mode), "PNG")
    assert np.ptp(read(data, "PNG").astype(int)) > 60


@pytest.mark.parametrize("margin", [10, 60])
def test_opaque_paper_stays_on_white(margin: int) -> None:
    image = Image.new("RGBA", (400, 400))
    draw = ImageDraw.Draw(image)
    draw.rectangle((margin, margin, 399 - margin, 399 - margin), "white")
    draw.text((100, 100), "words", "black", ImageFont.load_default(40))
    assert close(round_trip(image, "PNG")[:5], WHITE)
