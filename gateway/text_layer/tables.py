"""The texts of a table's cells by the text layer, where it and the engine agree on the cell.

The engine's grid says where a cell stands. It was told nothing of the layer, so its text of a cell is a reading of the
fonts there like any other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rapidfuzz.distance import Levenshtein

from common.geometry import Rectangle
from gateway.model import PageLayout, Reading, TableCell
from gateway.text_layer.region_text import RegionText
from gateway.text_layer.rows import make_rows
from gateway.text_layer.words import Word

MAX_DIFFERENCE = 0.34
"""Share of a cell's characters in which the two may differ and still mean the same text."""
_PART = re.compile(r"<(fcel|ecel|lcel|ucel|xcel|nl)>([^<]*(?:<(?!(?:[felux]cel|nl)>)[^<]*)*)")
"""A tag of OTSL with the text behind it."""
_TAG = re.compile(r"<(?=(?:[felux]cel|nl)>)")
_WORD_JOINER = "\u2060"
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CellText:
    """A cell that the engine has read, and what the layer has in it."""

    read: str
    layer: RegionText

    @property
    def text(self) -> str:
        return "\n".join(row.text for row in self.layer.rows)

    @property
    def is_agreed(self) -> bool:
        """White space counts as nothing, nor does what stands raised: engines and files tell both as they like."""
        ours, theirs = _strip(self.read), _strip(self.text)
        return bool(ours) and Levenshtein.normalized_distance(ours, theirs) <= MAX_DIFFERENCE


def find_table_words(layout: PageLayout, words: Sequence[Word]) -> dict[int, list[Word]]:
    """The words that stand in tables, by the region's `order`."""
    tables = {region.order: region.bbox for region in layout.regions if region.label == "table"}
    found = {order: [word for word in words if _holds(bbox, word)] for order, bbox in tables.items()}
    return {order: own for order, own in found.items() if own}


def find_cell_texts(reading: Reading, words: Sequence[Word]) -> dict[Place, CellText]:
    """Row and column to the texts of each cell that both have, without those that the layer flaws."""
    read = {place: text for place, text, _ in _split_cells(reading.text)}
    found: dict[Place, CellText] = {}
    for cell in reading.cells or ():
        own = [word for word in words if cell.bbox and _holds(cell.bbox, word)]
        text = read.get((cell.row, cell.column), "")
        if own and text and not any(word.flaw for word in own):
            found[cell.row, cell.column] = CellText(text, RegionText(tuple(make_rows(own))))
    return found


def correct_cells(
    reading: Reading, texts: Mapping[Place, CellText], is_proved: Callable[[RegionText], bool]
) -> Reading:
    """The reading with the layer's texts in the cells on which both agree and whose fonts are proved; their `source`
    says so."""
    proved = {place: one for place, one in texts.items() if one.is_agreed and is_proved(one.layer)}
    if not proved:
        return reading
    text = "".join(_write(part, proved.get(place)) for place, _, part in _split_cells(reading.text))
    return replace(reading, text=text, cells=tuple(_mark(cell, proved) for cell in reading.cells or ()))


def _split_cells(text: str) -> Iterator[tuple[Place, str, re.Match[str]]]:
    """Row and column of each tag of an OTSL reading, and its text."""
    row = column = 0
    for match in _PART.finditer(text):
        yield (row, column), match[2].strip(), match
        row, column = (row + 1, 0) if match[1] == "nl" else (row, column + 1)


def _write(part: re.Match[str], proved: CellText | None) -> str:
    if proved is None or part[1] != "fcel":
        return part[0]
    return f"<fcel>{_TAG.sub(f'<{_WORD_JOINER}', proved.text)}"


def _mark(cell: TableCell, proved: Mapping[Place, CellText]) -> TableCell:
    return cell.model_copy(update={"source": "text_layer"}) if (cell.row, cell.column) in proved else cell


def _holds(box: Rectangle, word: Word) -> bool:
    x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
    return box[0] <= x < box[2] and box[1] <= y < box[3]


def _strip(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())
