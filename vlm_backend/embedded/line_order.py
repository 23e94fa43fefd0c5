"""Lines that were read, in the order in which people read them, and the text that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from common.geometry import Box, union
from textlines.detection import TextLine, upright_line
from textlines.frame import ReadingFrame, find_frame
from textlines.order import reading_order
from textlines.paragraphs import PROSE_FILL, abuts_initial, find_initials, paragraphs, rows, split_paragraphs
from vlm_backend.embedded.character_grid import CharacterGrid, find_grid
from vlm_backend.embedded.read_lines import ReadLine, ReadWord, markup
from vlm_backend.embedded.recognizers import LineText

NEXT_ROW = 1.8  # pitch of two rows without a blank one between them, in line heights
PROSE_WORDS, MIN_BESIDE = 4, 5  # words of a piece that is prose, and so many rows with prose on both sides of a gutter
BAR, MIN_BARRED, BARRED = "|", 3, 0.5  # rows of a table drawn with bars, and the share of the rows that has some
FLUSH = 0.7  # share of the pieces on the right of a gutter that begin at one column
OPENING = "\"'“„«‘"  # quotation marks, which may stand before an initial
APOSTROPHES = "'’"  # and what may follow it
LETTERS = {"0": "O", "1": "I", "|": "I", "l": "I"}  # what alone looks like a large letter


def order_lines(lines: Sequence[ReadLine]) -> list[list[list[ReadLine]]]:
    """Paragraphs in reading order, columns one after the other; each holds its rows, a row its pieces left to right.

    The order is that along the lines' own direction. A crop that stands upside down is read from its lower right
    corner.
    """
    if table := _typewriter_rows(lines) or _barred_rows(lines):
        return table
    places = [line.place or upright_line(line.box) for line in lines]
    frame = _find_frame(places)
    return _level_order(*_join_initials(lines, [frame.map_box(place) for place in places]))


def _find_frame(places: Sequence[TextLine]) -> ReadingFrame:
    width, height = (max((place.box[side] for place in places), default=1) for side in (2, 3))
    return find_frame(places, width, height)


def _typewriter_rows(lines: Sequence[ReadLine]) -> list[list[list[ReadLine]]]:
    """Each row of typewriter print as a paragraph: its pieces are no columns of text. None for any other print."""
    level = _make_level(lines)
    if _find_layout_grid(level) is None:
        return []
    return [[[lines[index] for index in row]] for row in rows([line.box for line in level])]


def _barred_rows(lines: Sequence[ReadLine]) -> list[list[list[ReadLine]]]:
    """The rows of a table drawn with bars, as databases print it, as one paragraph: no text stands in its columns. None
    for anything else."""
    level = _make_level(lines)
    table = [[lines[index] for index in row] for row in rows([line.box for line in level])]
    barred = sum(any(BAR in line.text.text for line in row) for row in table)
    return [table] if barred >= MIN_BARRED and barred >= BARRED * len(table) else []


def _make_level(lines: Sequence[ReadLine]) -> list[ReadLine]:
    """The lines where they would stand if the crop were level and upright."""
    # A box to tick beside a line is none of its place.
    places = [line.place if line.place and line.place.box == line.box else upright_line(line.box) for line in lines]
    frame = _find_frame(places)
    boxes = [frame.map_box(place) for place in places]
    return [replace(line, box=box) for line, box in zip(lines, _turn_upright(lines, boxes), strict=True)]


def _turn_upright(lines: Sequence[ReadLine], boxes: Sequence[Box]) -> list[Box]:
    """The boxes turned by half a turn where most of the lines stand upside down."""
    if sum(line.upside_down for line in lines) <= len(lines) / 2:
        return list(boxes)
    return [(-x2, -y2, -x1, -y1) for x1, y1, x2, y2 in boxes]


def _find_layout_grid(lines: Sequence[ReadLine]) -> CharacterGrid | None:
    """The columns of level lines in typewriter print, whose rows are read from end to end; None for other print, and
    for prose side by side."""
    grid = find_grid([(line.box, line.text.text) for line in lines])
    return None if grid is None or _is_prose_beside(lines, grid) else grid


def _is_prose_beside(lines: Sequence[ReadLine], grid: CharacterGrid) -> bool:
    """Whether a gutter runs through many rows, with rows of words on both sides that fill their columns."""
    table = rows([line.box for line in lines])
    pairs = [
        (lines[left], lines[right])
        for row in table
        for left, right in pairwise(row)
        if all(len(lines[index].text.text.split()) >= PROSE_WORDS for index in (left, right))
    ]
    if len(pairs) < max(MIN_BESIDE, len(table) / 2):
        return False
    edge = float(np.median([right.box[0] for _, right in pairs]))
    is_flush = float(np.mean([abs(right.box[0] - edge) <= grid.pitch for _, right in pairs])) >= FLUSH
    widths = np.array([[line.box[2] - line.box[0] for line in pair] for pair in pairs])
    return is_flush and bool((np.median(widths, axis=0) >= PROSE_FILL * widths.max(axis=0)).all())


def _join_initials(lines: Sequence[ReadLine], boxes: list[Box]) -> tuple[list[ReadLine], list[Box]]:
    """The lines and their boxes with each large initial put before the word that it begins, or that follows it."""
    found = find_initials(boxes)
    result = [_restore_letter(line, lines[found[at]]) if at in found else line for at, line in enumerate(lines)]
    initials = {
        index: first for index, first in found.items() if index != first and is_initial(result[index].text.text)
    }
    joined = {index for index, first in initials.items() if first not in initials}
    for index in joined:
        first = initials[index]
        is_begun = _goes_on_word(lines[first].text.text) and abuts_initial(boxes, index, first)
        result[first] = _put_before(result[index], result[first], "" if is_begun else " ")
    kept = sorted(set(range(len(lines))) - joined)
    return [result[index] for index in kept], [boxes[index] for index in kept]


def _restore_letter(initial: ReadLine, first: ReadLine) -> ReadLine:
    """The letter that a large figure alone before the rest of a word is: alone they look alike."""
    letter = LETTERS.get(initial.text.text)
    if letter is None or not first.text.text[:1].islower():
        return initial
    words = tuple(replace(word, text=letter) for word in initial.words)
    return replace(initial, text=replace(initial.text, text=letter), words=words)


def is_initial(text: str) -> bool:
    """Whether it is one capital letter, perhaps behind a quotation mark."""
    return len(text.lstrip(OPENING)) == 1 and text[-1:].isupper()


def _goes_on_word(text: str) -> bool:
    """Whether it may be the rest of a word behind its capital: small letters, or capitals where the first words are
    set in them."""
    word = text.split(maxsplit=1)[0].lstrip(APOSTROPHES) if text.strip() else ""
    return word[:1].islower() or word.isupper()


def _put_before(initial: ReadLine, line: ReadLine, space: str) -> ReadLine:
    """The line with the initial as the first letter of its first word, or as a word of its own."""
    text = f"{initial.text.text}{space}{line.text.text}"
    confidences = (*initial.text.confidences, *(1.0,) * len(space), *line.text.confidences)
    if not line.words:
        return replace(line, text=LineText(text, confidences))
    first, *others = line.words
    if space:
        own = ReadWord(initial.text.text, initial.box, initial.text.confidence)
        return replace(line, text=LineText(text, confidences), words=(own, *line.words))
    box = union([initial.box, first.box])
    word = ReadWord(initial.text.text + first.text, box, min(initial.text.confidence, first.confidence))
    return replace(line, text=LineText(text, confidences), words=(word, *others))


def _level_order(lines: Sequence[ReadLine], boxes: list[Box]) -> list[list[list[ReadLine]]]:
    boxes = _turn_upright(lines, boxes)
    groups = paragraphs(boxes)
    order = reading_order([union([boxes[i] for i in group]) for group in groups])
    return [paragraph for place in order for paragraph in _paragraphs(lines, boxes, groups[place])]


def _paragraphs(lines: Sequence[ReadLine], boxes: Sequence[Box], group: Sequence[int]) -> list[list[list[ReadLine]]]:
    """Rows of one column's lines, parted where the column's text starts anew."""
    table = [[group[i] for i in row] for row in rows([boxes[i] for i in group])]
    parts = split_paragraphs([union([boxes[i] for i in row]) for row in table])
    return [[[lines[i] for i in table[row]] for row in part] for part in parts]


def join_paragraphs(paragraphs: Sequence[Sequence[Sequence[ReadLine]]]) -> list[LineText]:
    """Texts of paragraphs in one sequence, a blank line between them; typewriter print with its spaces, and blank lines
    where there is room for one."""
    level = iter(lines := _make_level([line for table in paragraphs for row in table for line in row]))
    grid = _find_layout_grid(lines)
    if grid:
        paragraphs = [[[next(level) for _ in row] for row in table] for table in paragraphs]
    pieces: list[LineText] = []
    for before, paragraph in zip([None, *paragraphs], paragraphs, strict=False):
        if before is not None:
            pieces.append(markup("\n" if grid and _is_next_row(before[-1], paragraph[0]) else "\n\n"))
        pieces.extend(join_rows(paragraph, grid))
    return pieces


def _is_next_row(above: Sequence[ReadLine], below: Sequence[ReadLine]) -> bool:
    """Whether nothing has room between two rows that stand below each other."""
    (_, top, _, bottom), (_, y1, _, y2) = (union([line.box for line in row]) for row in (above, below))
    return 0 < (y1 + y2 - top - bottom) / 2 < NEXT_ROW * max(y2 - y1, bottom - top)


def join_rows(table: Sequence[Sequence[ReadLine]], grid: CharacterGrid | None = None) -> list[LineText]:
    """Texts of rows in one sequence: pieces of a row joined by a space, rows by a line break.

    With a `grid`, as many spaces stand before and between the pieces as they would take.
    """
    pieces: list[LineText] = []
    for row in table:
        before: ReadLine | None = None
        for line in row:
            if space := _space(before, line, grid, is_first=not pieces):
                pieces.append(markup(space))
            pieces.append(line.text)
            before = line
    return pieces


def _space(before: ReadLine | None, line: ReadLine, grid: CharacterGrid | None, *, is_first: bool) -> str:
    """What stands before a piece: behind another one of its row, or at the beginning of a row."""
    if before:
        return " " * (grid.gap(before.box, line.box) if grid else 1)
    return ("" if is_first else "\n") + " " * (grid.column(line.box[0]) if grid else 0)
