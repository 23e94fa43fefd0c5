from __future__ import annotations

import pypdfium2 as pdfium

from benchmarks.load.page import boxes, document
from gateway.imaging.block_merging import merge_layout_blocks
from gateway.model import Region
from gateway.reading_options import OcrOptions
from gateway.tasks import task_for


def test_a_document_has_its_pages_and_print_on_each() -> None:
    pdf = pdfium.PdfDocument(document(10, quality=30))
    assert len(pdf) == 10
    for page in pdf:
        levels = page.render(scale=1).to_numpy()
        assert levels.min() < 100
        assert levels.mean() > 200
    pdf.close()


def test_every_region_of_the_page_is_one_call() -> None:
    options = OcrOptions()
    regions = [
        Region(label, (round(1190 * x1), round(1684 * y1), round(1190 * x2), round(1684 * y2)), order)
        for order, (label, x1, y1, x2, y2) in enumerate(boxes(), start=1)
    ]
    assert all(region.group is None for region in merge_layout_blocks(regions, options))
    assert all(task_for(region.label, options) for region in regions)
