"""What the tiny checkpoint is taught: the pictures that the gateway sends for the bundled examples, and what they say.

The pictures are cut by the gateway's own code, so that they are pixel for pixel what it will send; what they say comes
from the examples' truth, which was there before the pictures were drawn.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.imaging.crops import Crop, cut_crop
from gateway.intake.document import open_document
from gateway.intake.render.render_pool import RenderPool
from gateway.intake.spool import SpooledFile
from gateway.layout.base import LayoutDetector
from gateway.layout.factory import create_layout
from gateway.model import PageImage, Region
from gateway.reading_options import LayoutOptions, OcrOptions
from gateway.settings import Settings
from gateway.tasks import PADDLEOCR_VL_DPI, task_for
from tests.supervision.support import ROOT
from tests.support.examples import TableCell, TruthBlock, load_truth

EXAMPLE = ROOT / "examples" / "table-en.png"
SELF_CHECK = ROOT / "gateway" / "assets" / "selfcheck.png"


@dataclass(frozen=True, slots=True)
class Lesson:
    """`picture`: a PNG file."""

    picture: str
    prompt: str
    answer: str
    ends: bool = True


ENDLESS_PROMPT = "Sing:"
"""What it is answered has no end: for tests that need a call to be at work for long."""


@dataclass(frozen=True, slots=True)
class Question:
    region: Region
    crop: Crop
    prompt: str


def write_lessons(folder: Path) -> list[Lesson]:
    """The pictures and `lessons.json` into the folder: the example's blocks, then the self-check's."""
    page = load_truth()[EXAMPLE.name].pages[0]
    asked = asyncio.run(_questions([(file, file.read_bytes()) for file in (EXAMPLE, SELF_CHECK)]))
    answers = [_answer(_block_in(question.region, page.blocks)) for question in asked[0]]
    answers += [f"What the service reads of itself, part {number}." for number in range(len(asked[1]))]
    lessons = []
    for number, (question, answer) in enumerate(zip([*asked[0], *asked[1]], answers, strict=True)):
        picture = folder / f"{number}.png"
        picture.write_bytes(question.crop.png)
        lessons.append(Lesson(str(picture), question.prompt, answer))
    taught = [*lessons, Lesson(lessons[-1].picture, ENDLESS_PROMPT, "la " * 60, ends=False)]
    (folder / "lessons.json").write_text(json.dumps([asdict(lesson) for lesson in taught]), encoding="utf-8")
    return lessons


def otsl(cells: Sequence[TableCell]) -> str:
    """The table as the model writes it: one token a place of the grid, `<nl>` after each row.

    `<fcel>` begins a cell with text, `<ecel>` an empty one; `<lcel>` belongs to the cell on its left, `<ucel>` to the
    one above, `<xcel>` to the one above its left.
    """
    rows = max(cell.row + cell.rowspan for cell in cells)
    columns = max(cell.col + cell.colspan for cell in cells)
    grid = [["<ecel>"] * columns for _ in range(rows)]
    for cell in cells:
        for row in range(cell.row, cell.row + cell.rowspan):
            for column in range(cell.col, cell.col + cell.colspan):
                grid[row][column] = {
                    (False, False): f"<fcel>{cell.text}" if cell.text else "<ecel>",
                    (False, True): "<lcel>",
                    (True, False): "<ucel>",
                    (True, True): "<xcel>",
                }[row > cell.row, column > cell.col]
    return "".join("".join(line) + "<nl>" for line in grid)


def _answer(block: TruthBlock) -> str:
    return otsl(block.cells) if block.cells else block.text


def _block_in(region: Region, blocks: Sequence[TruthBlock]) -> TruthBlock:
    """The block whose centre the region holds."""
    x1, y1, x2, y2 = region.bbox

    def holds(block: TruthBlock) -> bool:
        x, y = (block.bbox[0] + block.bbox[2]) / 2, (block.bbox[1] + block.bbox[3]) / 2
        return x1 <= x <= x2 and y1 <= y <= y2

    return next(filter(holds, blocks))


async def _questions(contents: Sequence[tuple[Path, bytes]]) -> list[list[Question]]:
    settings = Settings(_env_file=None, layout_model="bundled")
    pool, layout = RenderPool(settings), create_layout(settings)
    await pool.start()
    await layout.start()
    try:
        pages = [await _first_page(file.name, data, pool, settings) for file, data in contents]
        return [await _of_page(page, layout) for page in pages]
    finally:
        await layout.close()
        await pool.close()


async def _first_page(name: str, data: bytes, pool: RenderPool, settings: Settings) -> PageImage:
    document = await open_document(
        SpooledFile.from_bytes(data), name, pages="1", dpi=PADDLEOCR_VL_DPI, pool=pool, settings=settings
    )
    pages = [page async for page in document.pages()]
    await document.close()
    assert isinstance(pages[0], PageImage)
    return pages[0]


async def _of_page(page: PageImage, layout: LayoutDetector) -> list[Question]:
    questions = []
    for region in (await layout.detect(page, LayoutOptions())).regions:
        task = task_for(region.label, OcrOptions())
        assert task, region.label
        questions.append(Question(region, cut_crop(page.pixels, region, task, fit=True), task.prompt))
    return questions
