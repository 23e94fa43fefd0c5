"""Pages of PDFs in PaddleX's units."""

from __future__ import annotations

import re

from gateway.api.paddlex.to_paddlex import in_paddlex_units
from gateway.assembly.page import assemble_page, image_key
from gateway.model import OcrOptions, Reading, Region
from gateway.recognized_page import ReadPage


def test_each_picture_keeps_its_own_bytes_where_one_gets_the_name_that_another_had() -> None:
    large, small = Region("image", (100, 100, 200, 200), 1), Region("image", (72, 72, 144, 144), 2)
    regions = [large, small]
    result = assemble_page(1, 400, 300, 200, regions, [Reading(), Reading()], OcrOptions())
    images = {image_key(1, large): b"large", image_key(1, small): b"small"}
    page = in_paddlex_units(ReadPage(result, images, regions))
    assert page.result.blocks[0].bbox == small.bbox
    shown = re.findall(r'src="([^"]+)"', page.result.markdown)
    assert [page.images[key] for key in shown] == [b"large", b"small"]
