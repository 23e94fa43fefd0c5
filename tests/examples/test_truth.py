"""The committed examples and their truth agree with each other. Needs no fonts."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from itertools import product

import numpy as np
import pypdfium2 as pdfium
import pytest
from PIL import Image

from examples.truth import EXAMPLES, TruthBlock, TruthFile, TruthPage, load_truth

# PaddleOCR-VL's layout labels.
LABELS = frozenset(
    [
        "abstract",
        "algorithm",
        "aside_text",
        "chart",
        "content",
        "display_formula",
        "doc_title",
        "figure_title",
        "footer",
        "footer_image",
        "footnote",
        "formula_number",
        "header",
        "header_image",
        "image",
        "inline_formula",
        "number",
        "paragraph_title",
        "reference",
        "reference_content",
        "seal",
        "table",
        "text",
        "vertical_text",
        "vision_footnote",
    ]
)
TRUTH = load_truth()
PAGES = [pytest.param(page, id=f"{file.name}-p{page.page}") for file in TRUTH.values() for page in file.pages]
PICTURES = [pytest.param(file, id=file.name) for file in TRUTH.values() if file.path.suffix != ".pdf"]
PDFS = [pytest.param(file, id=file.name) for file in TRUTH.values() if file.path.suffix == ".pdf"]
TABLES = [
    pytest.param(block, id=f"{file.name}-p{page.page}")
    for file in TRUTH.values()
    for page in file.pages
    for block in page.blocks
    if block.label == "table"
]


class _Cells(HTMLParser):
    """Reads a table's HTML back: (row, rowspan, colspan, text) of each cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.row = -1
        self.cells: list[tuple[int, int, int, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.row += tag == "tr"
        if tag == "td":
            spans = dict(attrs)
            self.cells.append((self.row, int(spans.get("rowspan") or 1), int(spans.get("colspan") or 1), ""))

    def handle_data(self, data: str) -> None:
        *span, text = self.cells[-1]
        self.cells[-1] = (span[0], span[1], span[2], text + data)


def test_truth_names_every_example_and_no_other() -> None:
    files = {path.name for path in EXAMPLES.iterdir() if path.suffix in {".png", ".jpg", ".pdf"}}
    assert files == set(TRUTH)


def test_examples_are_small() -> None:
    assert sum(file.path.stat().st_size for file in TRUTH.values()) < 1_200_000


@pytest.mark.parametrize("kind", ["article", "table"])
def test_kind_is_there_in_three_languages(kind: str) -> None:
    languages = {page.language for file in TRUTH.values() if file.name.startswith(kind) for page in file.pages}
    assert languages == {"en", "zh", "ru"}


@pytest.mark.parametrize("file", PICTURES)
def test_picture_has_the_size_and_resolution_of_its_truth(file: TruthFile) -> None:
    [page] = file.pages
    with Image.open(file.path) as image:
        assert (image.size, Image.MIME[image.format or ""]) == ((page.width, page.height), file.media_type)
        assert round(image.info["dpi"][0]) == page.dpi


@pytest.mark.parametrize("file", PDFS)
def test_pdf_has_the_pages_of_its_truth_and_no_text_layer(file: TruthFile) -> None:
    with pdfium.PdfDocument(file.path) as document:
        assert len(document) == len(file.pages) >= 3
        assert [page.get_textpage().count_chars() for page in document] == [0] * len(document)
        for page, truth in zip(document, file.pages, strict=True):
            width, height = (round(points * truth.dpi / 72) for points in page.get_size())
            assert (width, height) == (truth.width, truth.height)


def test_pdf_holds_three_languages() -> None:
    assert {page.language for page in TRUTH["report-mixed.pdf"].pages} == {"en", "zh", "ru"}


@pytest.mark.parametrize("page", PAGES)
def test_blocks_lie_on_their_page_and_do_not_overlap(page: TruthPage) -> None:
    covered = Counter[tuple[int, int]]()
    for block in page.blocks:
        left, top, right, bottom = block.bbox
        assert 0 <= left < right <= page.width
        assert 0 <= top < bottom <= page.height
        # Every third pixel: the margins between blocks are wider.
        covered.update(product(range(-(-left // 3), -(-right // 3)), range(-(-top // 3), -(-bottom // 3))))
    assert max(covered.values()) == 1


@pytest.mark.parametrize("page", PAGES)
def test_blocks_have_known_labels_and_text(page: TruthPage) -> None:
    assert {block.label for block in page.blocks} <= LABELS
    assert all(block.text.strip() == block.text for block in page.blocks)
    assert all(block.text for block in page.blocks if block.label != "image")


@pytest.mark.parametrize("name", ["article-en.png", "article-zh.png", "article-ru.png", "table-en.png"])
def test_nothing_is_drawn_outside_the_blocks(name: str) -> None:
    with Image.open(TRUTH[name].path) as image:
        pixels = np.asarray(image.convert("L")).copy()
    for block in TRUTH[name].pages[0].blocks:
        left, top, right, bottom = block.bbox
        assert pixels[top:bottom, left:right].min() < 128, block
        pixels[top - 2 : bottom + 2, left - 2 : right + 2] = 255
    assert pixels.min() == 255


@pytest.mark.parametrize("table", TABLES)
def test_cells_tile_the_grid_and_some_span(table: TruthBlock) -> None:
    taken = Counter(
        place
        for cell in table.cells
        for place in product(range(cell.row, cell.row + cell.rowspan), range(cell.col, cell.col + cell.colspan))
    )
    rows, cols = (1 + max(place[axis] for place in taken) for axis in (0, 1))
    assert taken == dict.fromkeys(product(range(rows), range(cols)), 1)
    assert any(cell.rowspan * cell.colspan > 1 for cell in table.cells)


@pytest.mark.parametrize("table", TABLES)
def test_html_and_text_say_what_the_cells_say(table: TruthBlock) -> None:
    assert _Cells(table.html).cells == [(cell.row, cell.rowspan, cell.colspan, cell.text) for cell in table.cells]
    assert table.text.split() == " ".join(cell.text for cell in table.cells).split()


def test_page_text_keeps_order_and_leaves_out_furniture() -> None:
    text = TRUTH["article-en.png"].pages[0].text()
    places = [
        text.index(words) for words in ("Reading the River", "Abstract", "2. Method", "3. Results", "of their own.")
    ]
    assert places == sorted(places)
    assert "Journal of Local Hydrology" not in text
    assert "Journal of Local Hydrology" in TRUTH["article-en.png"].pages[0].text(frozenset())


def test_form_says_which_boxes_are_ticked() -> None:
    blocks = TRUTH["form-ru.png"].pages[0].blocks
    assert [block.text for block in blocks if block.checked] == ["Керамика", "Стол", "Электричество"]
    assert [block.text for block in blocks if block.checked is False] == ["Ткачество", "Кружево", "Резьба", "Навес"]
