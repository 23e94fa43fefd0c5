"""Pages of PDFs in PaddleX's units."""

from __future__ import annotations

import re

from gateway.api.paddlex.to_paddlex import in_paddlex_units, list_tables
from gateway.assembly.page import assemble_page, image_key
from gateway.model import Reading, Region, TableCell
from gateway.reading_options import OcrOptions
from gateway.recognized_page import RecognizedPage


def test_each_picture_keeps_its_own_bytes_where_one_gets_the_name_that_another_had() -> None:
    large, small = Region("image", (100, 100, 200, 200), 1), Region("image", (72, 72, 144, 144), 2)
    regions = [large, small]
    result = assemble_page(1, 400, 300, 200, regions, [Reading(), Reading()], OcrOptions())
    images = {image_key(1, large): b"large", image_key(1, small): b"small"}
    page = in_paddlex_units(RecognizedPage(result, images, regions))
    assert page.result.blocks[0].bbox == small.bbox
    shown = re.findall(r'src="([^"]+)"', page.result.markdown)
    assert [page.images[key] for key in shown] == [b"large", b"small"]


def test_places_of_cells_are_told_in_the_same_units() -> None:
    """A page that was read at 288 dpi."""
    cells = (TableCell(row=0, column=0, bbox=(20.0, 30.0, 101.0, 60.0), source="engine"),)
    reading, options = Reading("<fcel>Vessel<nl>", cells=cells), OcrOptions(cells="known")
    regions = [Region("table", (10, 20, 200, 100), 1)]
    result = assemble_page(1, 400, 300, 288, regions, [reading], options)
    page = in_paddlex_units(RecognizedPage(result, {}, regions))
    [table] = list_tables(page.result.blocks)
    assert table["cell_box_list"] == [[10.0, 15.0, 50.5, 30.0]]
    assert table["table_ocr_pred"] == {"rec_texts": ["Vessel"], "rec_boxes": [[10.0, 15.0, 50.5, 30.0]]}


def test_tables_without_places_are_not_listed() -> None:
    regions = [Region("table", (10, 20, 200, 100), 1)]
    result = assemble_page(1, 400, 300, 144, regions, [Reading("<fcel>Vessel<nl>")], OcrOptions(cells="known"))
    assert list_tables(result.blocks) == []
