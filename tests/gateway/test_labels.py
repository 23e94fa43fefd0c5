"""Which regions are read, which are pictures."""

from __future__ import annotations

import pytest

from gateway.assembly.images import image_key
from gateway.labels import is_picture, is_read
from gateway.model import OcrOptions, Region


@pytest.mark.parametrize(
    ("label", "options", "read", "picture"),
    [
        ("text", OcrOptions(), True, False),
        ("table", OcrOptions(), True, False),
        ("image", OcrOptions(), False, True),
        ("image", OcrOptions(image_text=True), True, True),
        ("header_image", OcrOptions(image_text=True), True, True),
        ("chart", OcrOptions(), False, True),
        ("chart", OcrOptions(chart=True), True, False),
        ("chart", OcrOptions(image_text=True), False, True),
        ("seal", OcrOptions(), False, True),
        ("seal", OcrOptions(seal=True), True, True),
        ("chart", OcrOptions(task="chart"), True, False),
        ("seal", OcrOptions(task="seal"), True, False),
    ],
)
def test_options_decide_what_is_read(label: str, options: OcrOptions, read: bool, picture: bool) -> None:
    assert (is_read(label, options), is_picture(label, options)) == (read, picture)


def test_the_same_box_on_two_pages_has_two_names() -> None:
    region = Region("image", (1, 2, 3, 4), 1)
    assert image_key(1, region) == "imgs/p1_img_in_image_box_1_2_3_4.jpg"
    assert image_key(2, region) != image_key(1, region)
