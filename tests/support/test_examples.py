"""The committed examples are those of their truth. Tests and benchmarks rely on both."""

from __future__ import annotations

import pypdfium2 as pdfium
from PIL import Image

from tests.support.examples import EXAMPLES, TruthFile, load_truth


def page_sizes(file: TruthFile) -> list[tuple[int, int]]:
    """Pixels of each page, a PDF's at the resolution of its truth."""
    if file.path.suffix != ".pdf":
        with Image.open(file.path) as image:
            return [image.size]
    with pdfium.PdfDocument(file.path) as document:
        sizes = [page.get_size() for page in document]
    scales = [page.dpi / 72 for page in file.pages]
    return [(round(width * scale), round(height * scale)) for (width, height), scale in zip(sizes, scales, strict=True)]


def test_truth_names_every_example() -> None:
    files = {path.name for path in EXAMPLES.iterdir() if path.suffix in {".png", ".jpg", ".pdf"}}
    assert files == set(load_truth())


def test_pages_have_the_size_of_their_truth() -> None:
    for file in load_truth().values():
        assert page_sizes(file) == [(page.width, page.height) for page in file.pages]


def test_blocks_lie_on_their_page() -> None:
    for file in load_truth().values():
        for page in file.pages:
            for left, top, right, bottom in (block.bbox for block in page.blocks):
                assert 0 <= left < right <= page.width
                assert 0 <= top < bottom <= page.height
