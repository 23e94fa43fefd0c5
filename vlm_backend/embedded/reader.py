"""Reads a crop: finds its text lines, reads each, and puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from common.geometry import Box, union
from textlines.detection import LineDetector, Pixels, Quad, TextLine
from textlines.order import reading_order
from textlines.paragraphs import paragraphs, rows, split_paragraphs
from vlm_backend.embedded.languages import BUNDLED_SCRIPTS, Recognizers
from vlm_backend.embedded.recognizers import LineRecognizer, LineText
from vlm_backend.embedded.scripts import read_cyrillic
from vlm_backend.embedded.unread import ScriptGuess, is_unread

MIN_LONG_SIDE = 320  # crops are small: nothing is gained by looking at them larger than their glyphs need
MIN_CONFIDENCE = 0.5  # below it a line is noise, RapidOCR's own default
VERTICAL = 1.5  # a line image this much higher than wide holds vertical text, RapidOCR's own rule
DOUBTFUL = 0.9  # a line read with less confidence is tried upside down too


class Cancelled(Exception):
    """The caller went away; what was read so far is of no use."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A text line in place: `box` in pixels of the crop. `unread`: its script, where that is none that a model reads;
    `text` is worth nothing then."""

    box: Box
    text: LineText
    upside_down: bool = False
    unread: ScriptGuess | None = None


class CropReader:
    """Thread-safe: holds models only. One call uses one core."""

    def __init__(self, detector: LineDetector, recognizers: Recognizers) -> None:
        self._detector, self._recognizers = detector, recognizers

    def find(self, pixels: Pixels) -> list[TextLine]:
        """Text lines of an RGB crop, unordered, at least one."""
        return self._detector(pixels, MIN_LONG_SIDE) or [_whole(pixels)]

    def read(self, pixels: Pixels, lines: Sequence[TextLine], cancelled: Callable[[], bool]) -> list[ReadLine]:
        """Texts of the lines, noise left out. Raises `Cancelled` soon after `cancelled()` turns true."""

        def check() -> None:
            if cancelled():
                raise Cancelled

        cuts = [cut_line(pixels, line.quad) for line in lines]
        main = self._texts(cuts, check)
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
        for index, text in upside_down.items():
            if text.confidence >= DOUBTFUL:  # so sure that what it looked like upright means nothing
                unread[index] = None
        read = (
            ReadLine(line.box, upside_down.get(index, texts[index]), index in upside_down, unread[index])
            for index, line in enumerate(lines)
        )
        return [line for line in read if line.unread or (line.text.text and line.text.confidence >= MIN_CONFIDENCE)]

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


def in_order(lines: Sequence[ReadLine]) -> list[list[list[ReadLine]]]:
    """Paragraphs in reading order, columns one after the other; each holds its rows, a row its pieces left to right.

    A crop that stands upside down is read from its lower right corner.
    """
    boxes = [line.box for line in lines]
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
    """Texts of paragraphs in one sequence, a blank line between them."""
    pieces: list[LineText] = []
    for paragraph in paragraphs:
        pieces.extend([markup("\n\n")] if pieces else [])
        pieces.extend(joined(paragraph))
    return pieces


def joined(table: Sequence[Sequence[ReadLine]]) -> list[LineText]:
    """Texts of rows in one sequence: pieces of a row joined by a space, rows by a line break."""
    pieces: list[LineText] = []
    for row in table:
        for place, line in enumerate(row):
            if pieces:
                pieces.append(markup(" " if place else "\n"))
            pieces.append(line.text)
    return pieces


def markup(text: str) -> LineText:
    """Text that was not read from the picture and so has no confidence."""
    return LineText(text, ())


def cut_line(pixels: Pixels, quad: Quad) -> Pixels:
    """The line straightened; vertical text turned by a quarter so that it reads from left to right."""
    width = max(1, round(float(max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3])))))
    height = max(1, round(float(max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2])))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), target)
    line = cv2.warpPerspective(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if height >= VERTICAL * width:
        line = np.rot90(line)
    return np.ascontiguousarray(line, dtype=np.uint8)


def _whole(pixels: Pixels) -> TextLine:
    """The detector is blind to a few glyphs that fill the crop: then the crop is taken for one line."""
    height, width = pixels.shape[:2]
    return TextLine(np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32), 0.0)
