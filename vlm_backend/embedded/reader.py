"""Reads a crop: finds its text lines, reads each, and puts them in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Rectangle, union
from textlines.detection import LineDetector, Pixels, Quad, TextLine, part_of, upright_line
from textlines.frame import find_frame, find_watermarks
from textlines.order import reading_order
from textlines.paragraphs import abuts_initial, find_initials, paragraphs, rows, split_paragraphs
from textlines.tick_boxes import TickBox, label_index
from textlines.words import find_line_ink, place_words
from vlm_backend.embedded.languages import BUNDLED_SCRIPTS, Recognizers
from vlm_backend.embedded.recognizers import LineRecognizer, LineText
from vlm_backend.embedded.scripts import read_cyrillic
from vlm_backend.embedded.typewriter import CharacterGrid, find_grid
from vlm_backend.embedded.unread import ScriptGuess, is_unread

MIN_LONG_SIDE = 320  # crops are small: nothing is gained by looking at them larger than their glyphs need
MIN_CONFIDENCE = 0.5  # below it a line is noise, RapidOCR's own default
VERTICAL = 1.5  # a line image this much higher than wide holds vertical text, RapidOCR's own rule
MAX_NARROW = 3.0  # a line this much higher than wide holds several glyphs, one below the other
MAX_SHORT = 2  # so few characters read upside down as well as upright
LEADER, DOTS = " … ", " .·…"  # a leader in the text, and what is read of its ends
BOX_CONFIDENCES = (1.0, 1.0)  # of the sign for a box to tick, and of its space
_WORD = re.compile(r"\S+")
OPENING = "\"'“„«‘"  # quotation marks, which may stand before an initial
APOSTROPHES = "'’"  # and what may follow it
DOUBTFUL = 0.9  # a line read with less confidence is tried upside down too


class Cancelled(Exception):
    """The caller went away; what was read so far is of no use."""


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word of a line; `box` in pixels of the crop, `confidence` 0 to 1."""

    text: str
    box: Rectangle
    confidence: float


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A text line in place: `box` in pixels of the crop, `place` as it was found. `unread`: its script, where that is
    none that a model reads; `text` is worth nothing then. `words`: those of the text in its order, where they were
    asked for."""

    box: Box
    text: LineText
    upside_down: bool = False
    unread: ScriptGuess | None = None
    place: TextLine | None = None
    words: tuple[ReadWord, ...] = ()


class CropReader:
    """Thread-safe: holds models only. One call uses one core."""

    def __init__(self, detector: LineDetector, recognizers: Recognizers) -> None:
        self._detector, self._recognizers = detector, recognizers

    def find(self, pixels: Pixels, known: Sequence[TextLine] | None = None) -> list[TextLine]:
        """Text lines of an RGB crop, unordered, at least one: those `known` already, as far as they lie in the crop, or
        what is found. A watermark over others is none of the text's."""
        lines = clip_lines(known, pixels) if known else self._detector(pixels, MIN_LONG_SIDE)
        watermarks = find_watermarks(lines, find_frame(lines, pixels.shape[1], pixels.shape[0]))
        return [line for index, line in enumerate(lines) if index not in watermarks] or [_whole(pixels)]

    def read(
        self, pixels: Pixels, lines: Sequence[TextLine], cancelled: Callable[[], bool], *, with_words: bool = False
    ) -> list[ReadLine]:
        """Texts of the lines, noise left out, each with the places of its words where they are asked for.

        Raises `Cancelled` soon after `cancelled()` turns true.
        """
        pieces = [(index, piece) for index, line in enumerate(lines) for piece in _pieces(line)]
        read = self._read_pieces(pixels, [piece for _, piece in pieces], cancelled, with_words=with_words)
        kept = [(index, line) for (index, _), line in zip(pieces, read, strict=True) if _is_kept(line)]
        return [
            _joined_pieces(lines[index], [line for _, line in group]) for index, group in groupby(kept, itemgetter(0))
        ]

    def _read_pieces(
        self, pixels: Pixels, lines: Sequence[TextLine], cancelled: Callable[[], bool], *, with_words: bool
    ) -> list[ReadLine]:
        def check() -> None:
            if cancelled():
                raise Cancelled

        cuts = [cut_line(pixels, line.quad) for line in lines]
        main = self._texts(cuts, check)
        self._read_narrow(lines, cuts, main, check)
        seen = list(zip(lines, cuts, main, strict=True))
        unread = [self._unread(*line, self._recognizers.scripts) for line in seen]
        texts = main
        if self._recognizers.cyrillic:
            looks = [self._unread(*line, BUNDLED_SCRIPTS) for line in seen]
            texts = self._with_cyrillic(self._recognizers.cyrillic, cuts, main, unread, looks, check)
        # A line that proved to be Cyrillic stands upright; the main model's view of it turned would be worth nothing.
        doubtful = [index for index, text in enumerate(texts) if text is main[index] and text.confidence < DOUBTFUL]
        turned = self._texts([np.ascontiguousarray(cuts[index][::-1, ::-1]) for index in doubtful], check)
        upside_down = {
            i: text for i, text in zip(doubtful, turned, strict=True) if text.confidence > texts[i].confidence
        }
        upside_down = _credible(upside_down, texts)
        for index, text in upside_down.items():
            if text.confidence >= DOUBTFUL:  # so sure that what it looked like upright means nothing
                unread[index] = None
        read = [
            ReadLine(line.box, upside_down.get(index, texts[index]), index in upside_down, unread[index], line)
            for index, line in enumerate(lines)
        ]
        if not with_words:
            return read
        return [replace(line, words=_find_words(line, cut)) for line, cut in zip(read, cuts, strict=True)]

    def _unread(self, line: TextLine, cut: Pixels, text: LineText, readable: Sequence[str]) -> ScriptGuess | None:
        """The script of a line that is none of `readable`; None for what was read, and for what is no text."""
        guess = text.script
        if guess is None and self._recognizers.judge and text.confidence < DOUBTFUL:
            guess = self._recognizers.judge(cut).script
        if guess is None:
            return None
        shape = cut.shape[0], cut.shape[1]
        x1, y1, x2, y2 = line.box
        is_vertical = y2 - y1 >= VERTICAL * (x2 - x1)
        is_beyond = is_unread(text.text, text.confidence, guess, shape, readable, is_vertical=is_vertical)
        return guess if is_beyond else None

    def _texts(self, cuts: Sequence[Pixels], check: Callable[[], None]) -> list[LineText]:
        texts = []
        for cut in cuts:
            check()
            texts.append(self._recognizers.main(cut))
        return texts

    def _read_narrow(
        self, lines: Sequence[TextLine], cuts: list[Pixels], texts: list[LineText], check: Callable[[], None]
    ) -> None:
        """Takes the upright view of what may be a single glyph, where it is surer: a 1 that is turned is a dash."""
        for index, (line, cut) in enumerate(zip(lines, cuts, strict=True)):
            if not _is_narrow(line, cut):
                continue
            check()
            upright = np.ascontiguousarray(np.rot90(cut, -1))
            text = self._recognizers.main(upright)
            if text.confidence >= DOUBTFUL or text.confidence > texts[index].confidence:
                cuts[index], texts[index] = upright, text

    def _with_cyrillic(
        self,
        cyrillic: LineRecognizer,
        cuts: Sequence[Pixels],
        texts: list[LineText],
        unread: list[ScriptGuess | None],
        looks: Sequence[ScriptGuess | None],
        check: Callable[[], None],
    ) -> list[LineText]:
        """Lines of a third script stay as they are: the Cyrillic model would find look-alikes in them, too.

        What looks Cyrillic and is not read by that model either becomes `unread`.
        """
        known = [index for index, guess in enumerate(unread) if guess is None]
        lines, first = [cuts[index] for index in known], [texts[index] for index in known]
        result = list(texts)
        suspects = {place for place, index in enumerate(known) if looks[index]}
        second = read_cyrillic(lines, first, cyrillic, suspects, self._recognizers.sure, check)
        for index, text in zip(known, second, strict=True):
            result[index] = text
            if text is texts[index]:
                unread[index] = looks[index]
        return result


def clip_lines(lines: Sequence[TextLine], pixels: Pixels) -> list[TextLine]:
    """The parts of the lines that lie in the picture."""
    height, width = pixels.shape[:2]
    clipped = [replace(line, quad=line.quad.clip(0, np.array((width, height), dtype=np.float32))) for line in lines]
    return [line for line in clipped if np.ptp(line.quad, axis=0).min() >= 1]


def _is_narrow(line: TextLine, cut: Pixels) -> bool:
    """Whether the line is higher than wide, and so was turned, but not so high that it must hold several glyphs."""
    x1, y1, x2, y2 = line.box
    return y2 - y1 > x2 - x1 and VERTICAL * cut.shape[0] <= cut.shape[1] < MAX_NARROW * cut.shape[0]


def _credible(upside_down: Mapping[int, LineText], texts: Sequence[LineText]) -> dict[int, LineText]:
    """Without short texts where no longer ones stand upside down too: a 7 looks like an L, a 6 like a 9."""
    long = [index for index, text in enumerate(texts) if len(upside_down.get(index, text).text) > MAX_SHORT]
    if sum(index in upside_down for index in long) > len(long) / 2:
        return dict(upside_down)
    return {index: text for index, text in upside_down.items() if index in long}


def _pieces(line: TextLine) -> list[TextLine]:
    """The line, or the texts at both ends of its leader: a recogniser drops the dots and reads both as one word."""
    if line.leader is None:
        return [line]
    return [part_of(line, 0.0, line.leader[0]), part_of(line, line.leader[1], 1.0)]


def _is_kept(line: ReadLine) -> bool:
    return bool(line.unread or (line.text.text and line.text.confidence >= MIN_CONFIDENCE))


def _joined_pieces(line: TextLine, pieces: Sequence[ReadLine]) -> ReadLine:
    first = replace(pieces[0], box=line.box, place=line)
    if len(pieces) == 1:
        return first
    start, end = (piece.text for piece in pieces)
    length, skipped = len(start.text.rstrip(DOTS)), len(end.text) - len(end.text.lstrip(DOTS))
    text = f"{start.text[:length]}{LEADER}{end.text[skipped:]}"
    confidences = *start.confidences[:length], *(1.0,) * len(LEADER), *end.confidences[skipped:]
    words = tuple(word for piece in pieces for word in piece.words if word.text.strip(DOTS))
    return replace(first, text=LineText(text, confidences), unread=pieces[0].unread or pieces[1].unread, words=words)


def add_tick_boxes(lines: Sequence[ReadLine], boxes: Sequence[TickBox]) -> list[ReadLine]:
    """The lines with ☐ or ☒ before them, or behind them, where a drawn box stands there."""
    result = list(lines)
    # From the right, so that of two boxes before a text the nearer one stands nearer.
    for one in sorted(boxes, key=lambda box: box.box[0], reverse=True):
        if (owner := label_index(one, [line.box for line in result])) is not None:
            index, is_before = owner
            sign, line = "☒" if one.is_ticked else "☐", result[index]
            text = f"{sign} {line.text.text}" if is_before else f"{line.text.text} {sign}"
            own = line.text.confidences
            confidences = (*BOX_CONFIDENCES, *own) if is_before else (*own, *BOX_CONFIDENCES)
            read = replace(line.text, text=text, confidences=confidences)
            own_word = ReadWord(sign, one.box, 1.0)
            words = (own_word, *line.words) if is_before else (*line.words, own_word)
            result[index] = replace(line, box=union([line.box, one.box]), text=read, words=words if line.words else ())
    return result


def in_order(lines: Sequence[ReadLine]) -> list[list[list[ReadLine]]]:
    """Paragraphs in reading order, columns one after the other; each holds its rows, a row its pieces left to right.

    The order is that along the lines' own direction. A crop that stands upside down is read from its lower right
    corner.
    """
    places = [line.place or upright_line(line.box) for line in lines]
    width, height = (max((line.box[side] for line in lines), default=1) for side in (2, 3))
    frame = find_frame(places, width, height)
    return _level_order(*_join_initials(lines, [frame.map_box(place) for place in places]))


def _join_initials(lines: Sequence[ReadLine], boxes: list[Box]) -> tuple[list[ReadLine], list[Box]]:
    """The lines and their boxes with each large initial put before the word that it begins, or that follows it."""
    result = list(lines)
    initials = {
        index: first
        for index, first in find_initials(boxes).items()
        if index != first and is_initial(lines[index].text.text)
    }
    joined = {index for index, first in initials.items() if first not in initials}
    for index in joined:
        first = initials[index]
        is_begun = _goes_on_word(lines[first].text.text) and abuts_initial(boxes, index, first)
        result[first] = _put_before(lines[index], result[first], "" if is_begun else " ")
    kept = sorted(set(range(len(lines))) - joined)
    return [result[index] for index in kept], [boxes[index] for index in kept]


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
    if sum(line.upside_down for line in lines) > len(lines) / 2:
        boxes = [(-x2, -y2, -x1, -y1) for x1, y1, x2, y2 in boxes]
    groups = paragraphs(boxes)
    order = reading_order([union([boxes[i] for i in group]) for group in groups])
    return [paragraph for place in order for paragraph in _paragraphs(lines, boxes, groups[place])]


def _paragraphs(lines: Sequence[ReadLine], boxes: Sequence[Box], group: Sequence[int]) -> list[list[list[ReadLine]]]:
    """Rows of one column's lines, parted where the column's text starts anew."""
    table = [[group[i] for i in row] for row in rows([boxes[i] for i in group])]
    parts = split_paragraphs([union([boxes[i] for i in row]) for row in table])
    return [[[lines[i] for i in table[row]] for row in part] for part in parts]


def text_of(paragraphs: Sequence[Sequence[Sequence[ReadLine]]]) -> list[LineText]:
    """Texts of paragraphs in one sequence, a blank line between them; typewriter print with its spaces."""
    grid = find_grid([(line.box, line.text.text) for table in paragraphs for row in table for line in row])
    pieces: list[LineText] = []
    for paragraph in paragraphs:
        pieces.extend([markup("\n\n")] if pieces else [])
        pieces.extend(joined(paragraph, grid))
    return pieces


def joined(table: Sequence[Sequence[ReadLine]], grid: CharacterGrid | None = None) -> list[LineText]:
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


def markup(text: str) -> LineText:
    """Text that was not read from the picture and so has no confidence."""
    return LineText(text, ())


def cut_line(pixels: Pixels, quad: Quad) -> Pixels:
    """The line straightened; vertical text turned by a quarter so that it reads from left to right."""
    width, height = _line_size(quad)
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), _rectangle(width, height))
    line = cv2.warpPerspective(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if height >= VERTICAL * width:
        line = np.rot90(line)
    return np.ascontiguousarray(line, dtype=np.uint8)


def _line_size(quad: Quad) -> tuple[int, int]:
    """Width and height of the straightened line, before vertical text is turned."""
    width = max(1, round(float(max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3])))))
    height = max(1, round(float(max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2])))))
    return width, height


def _rectangle(width: int, height: int) -> NDArray[np.float32]:
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)


def _find_words(line: ReadLine, cut: Pixels) -> tuple[ReadWord, ...]:
    """The line's words where their ink stands; `cut`: the picture that it was read from."""
    if line.place is None or line.unread is not None:
        return ()
    upright = np.ascontiguousarray(cut[::-1, ::-1]) if line.upside_down else cut
    ranges = [match.span() for match in _WORD.finditer(line.text.text)]
    middles = [middle * cut.shape[1] for middle in line.text.middles]
    spans = [(middles[start], middles[end - 1]) for start, end in ranges] if middles else None
    placed = place_words(find_line_ink(upright), [line.text.text[start:end] for start, end in ranges], spans)
    return tuple(
        ReadWord(
            word.text,
            _restore_box(word.box, line.place.quad, cut.shape[:2], upside_down=line.upside_down),
            float(np.mean(line.text.confidences[start:end])),
        )
        for word, (start, end) in zip(placed, ranges, strict=True)
    )


def _restore_box(box: Rectangle, quad: Quad, shape: tuple[int, ...], *, upside_down: bool) -> Rectangle:
    """Where a box of the picture that a line was read from lies in the crop."""
    x1, y1, x2, y2 = box
    if upside_down:
        x1, y1, x2, y2 = shape[1] - x2, shape[0] - y2, shape[1] - x1, shape[0] - y1
    width, height = _line_size(quad)
    if shape != (height, width):
        x1, y1, x2, y2 = width - y2, x1, width - y1, x2
    matrix = cv2.getPerspectiveTransform(_rectangle(width, height), quad.astype(np.float32))
    corners = np.array([[[x1, y1], [x2, y1], [x2, y2], [x1, y2]]], dtype=np.float32)
    places = cv2.perspectiveTransform(corners, matrix)[0]
    (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _whole(pixels: Pixels) -> TextLine:
    """The detector is blind to a few glyphs that fill the crop: then the crop is taken for one line."""
    height, width = pixels.shape[:2]
    return upright_line((0, 0, width, height), 0.0)
