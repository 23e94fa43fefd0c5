"""Which regions are read, which are pictures."""

from __future__ import annotations

import pytest

from gateway.labels import is_picture, is_read
from gateway.reading_options import OcrOptions


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
def test_options_for_labels(label: str, options: OcrOptions, read: bool, picture: bool) -> None:
    assert (is_read(label, options), is_picture(label, options)) == (read, picture)
