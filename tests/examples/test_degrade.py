"""Skew and light: the truth's boxes must stay on what they name."""

from __future__ import annotations

import numpy as np
import pytest

from examples.degrade import photograph, scan
from examples.truth import BBox
from examples.typeset import Draw, Sheet
from tests.examples.test_typeset import stand_in


def _black(draw: Draw, box: BBox) -> None:
    left, top, right, bottom = box
    draw.rectangle((left, top, right - 1, bottom - 1), fill="#000000")


def _sheet() -> Sheet:
    sheet = Sheet(900, 700, stand_in, "en")
    sheet.picture("image", _black, (500, 100, 800, 160))
    return sheet


@pytest.mark.parametrize("degrees", [4.0, -3.0])
def test_photographed_block_lies_in_its_box(degrees: float) -> None:
    sheet = _sheet()
    photograph(sheet, degrees, seed=1)
    rows, cols = np.nonzero(np.asarray(sheet.image.convert("L")) < 90)
    ink = (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
    assert all(abs(own - drawn) <= 3 for own, drawn in zip(sheet.blocks[0].bbox, ink, strict=True))


def test_scan_is_black_and_white_with_dust() -> None:
    sheet = _sheet()
    scan(sheet, 0.0, seed=1)
    assert sheet.image.mode == "1"
    left, top, right, bottom = sheet.blocks[0].bbox
    dark = ~np.asarray(sheet.image)
    assert dark[top:bottom, left:right].all()
    assert 20 < dark.sum() - dark[top:bottom, left:right].sum() < 400
