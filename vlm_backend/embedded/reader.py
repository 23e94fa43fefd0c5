"""Reads a crop: finds its text lines, reads each, and puts them in order."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Rectangle
from textlines.box_shapes import TickBox
from textlines.detection import LineDetector, Pixels, Quad, TextLine, part_of, upright_line
from textlines.frame import find_frame, find_watermarks
from textlines.vertical_text import set_as_row
from textlines.words import find_line_ink, place_words
from vlm_backend.embedded.languages import BUNDLED_SCRIPTS, Recognizers
from vlm_backend.embedded.read_lines import MAX_SHORT, ReadLine, ReadWord, are_right_to_left, concatenate, make_sign
from vlm_backend.embedded.recognizers import LineRecognizer, LineText
from vlm_backend.embedded.scripts import drop_siblings, read_cyrillic
from vlm_backend.embedded.unread import LOOK_ALIKE, ScriptGuess, is_sparse, is_unread
from vlm_backend.embedded.unread_words import SUSPECT, drop_spans, find_doubtful_spans, is_clear_print

MIN_LONG_SIDE = 320  # crops are small: nothing is gained by looking at them larger than their glyphs need
MIN_CONFIDENCE = 0.5  # below it a line is noise, RapidOCR's own default
VERTICAL = 1.5  # a line image this much higher than wide holds vertical text, RapidOCR's own rule
MAX_NARROW = 3.0  # a line this much higher than wide holds several glyphs, one below the other
LEADER, DOTS = " … ", " .·…"  # a leader in the text, and what is read of its ends
MARKS = tuple(",.;:!?)")  # they follow a box to tick without a space
LEADER_MARGIN = 0.06  # of line heights, beside a leader: what is left of a dot at a part's end looks like a dash
MIN_PART = 0.3  # width of a part of a line beside a box to tick, in line heights: less is no letter
LONE_SIGNS = {"十": "+", "一": "—", "丨": "|", "〇": "0"}  # alone, the bundled model takes marks for Chinese ones
_WORD = re.compile(r"\S+")
SURE_COLUMN, GAIN = 0.98, 0.1  # confidence of signs set as a row, alone, or beyond that of their column
BAR_SIDE, SURE_NUMBER = 0.9, 0.6  # width of a fraction's number in its height, at least, and its least confidence
_NUMBER = re.compile(r"[0-9A-Za-z]{1,5}(?:[.,+\-][0-9A-Za-z]{1,4})?")
WORD_MARGIN = 0.15  # beside a word that is cut out of its line, in line heights
DOUBTFUL, SURE_CYRILLIC = 0.9, 0.8  # a line read with less confidence is tried upside down too


class Cancelled(Exception):
    """The caller went away; what was read so far is of no use."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """A part of a line that holds no text, in shares of its length: a box to tick, or else a leader."""

    start: float
    end: float
    box: TickBox | None = None


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
        self,
        pixels: Pixels,
        lines: Sequence[TextLine],
        cancelled: Callable[[], bool],
        *,
        boxes: Sequence[Sequence[TickBox]] | None = None,
        with_words: bool = False,
    ) -> list[ReadLine]:
        """Texts of the lines, noise left out, each with the places of its words where they are asked for, and with ☐ or
        ☒ where one of its `boxes`, which are erased from the picture, stands within it.

        Raises `Cancelled` soon after `cancelled()` turns true.
        """
        fractions = {index for index, line in enumerate(lines) if line.bar}
        if fractions:
            return self._read_with_fractions(pixels, lines, fractions, cancelled, boxes=boxes, with_words=with_words)
        cuts = [_find_cuts(line, own) for line, own in zip(lines, boxes or repeat(()), strict=False)]
        parts = [_divide(line, own) for line, own in zip(lines, cuts, strict=True)]
        pieces = [piece for own in parts for piece in own if piece]
        read = iter(self._read_pieces(pixels, pieces, cancelled, with_words=with_words))
        found = [[_keep(next(read)) if piece else None for piece in own] for own in parts]
        whole = (_join_parts(*line, with_words=with_words) for line in zip(lines, cuts, found, strict=True))
        return [line for line in whole if line]

    def _read_with_fractions(
        self,
        pixels: Pixels,
        lines: Sequence[TextLine],
        fractions: set[int],
        cancelled: Callable[[], bool],
        *,
        boxes: Sequence[Sequence[TickBox]] | None,
        with_words: bool,
    ) -> list[ReadLine]:
        """As `read`. What looks like a fraction and has a number on one side of its bar only is two lines, and what has
        none is read as any other line."""
        own = sorted(fractions)
        parts = [part_at_bar(lines[index]) for index in own]
        numbers = self._read_pieces(pixels, [part for pair in parts for part in pair], cancelled, with_words=with_words)
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        made = [
            make_fraction(lines[index], *pair, with_words=with_words) for index, pair in zip(own, pairs, strict=True)
        ]
        apart = {
            index: pair
            for index, pair, line in zip(own, pairs, made, strict=True)
            if not line and any(map(_is_number, pair))
        }
        known = {index for index, line in zip(own, made, strict=True) if line} | apart.keys()
        others = [index for index in range(len(lines)) if index not in known]
        rest = self.read(
            pixels,
            [replace(lines[index], bar=None) for index in others],
            cancelled,
            boxes=[boxes[index] for index in others] if boxes else None,
            with_words=with_words,
        )
        kept = [line for pair in apart.values() for line in map(_keep, pair) if line]
        return [*rest, *kept, *(line for line in made if line)]

    def _read_pieces(
        self, pixels: Pixels, lines: Sequence[TextLine], cancelled: Callable[[], bool], *, with_words: bool
    ) -> list[ReadLine]:
        def check() -> None:
            if cancelled():
                raise Cancelled

        cuts = [cut_line(pixels, line.quad) for line in lines]
        main = _replace_lone_signs(self._recognizers.main.read_all(cuts, check))
        self._read_narrow(lines, cuts, main, check)
        self._read_columns(lines, cuts, main, check)
        seen = list(zip(lines, cuts, main, strict=True))
        unread = [self._unread(*line, self._recognizers.scripts) for line in seen]
        texts = main
        if self._recognizers.cyrillic:
            looks = [self._unread(*line, BUNDLED_SCRIPTS) for line in seen]
            texts = self._with_cyrillic(self._recognizers.cyrillic, cuts, main, unread, looks, check)
        unread = _keep_doubtful(unread, [text if text is main[i] else None for i, text in enumerate(texts)], cuts)
        # A line that proved to be Cyrillic stands upright; of any other that is doubtful the view turned may be surer.
        doubtful = [
            index
            for index, text in enumerate(texts)
            if text.confidence < (DOUBTFUL if text is main[index] else SURE_CYRILLIC)
        ]
        turned = self._recognizers.main.read_all(
            [np.ascontiguousarray(cuts[index][::-1, ::-1]) for index in doubtful], check
        )
        upside_down = {
            i: text
            for i, text in zip(doubtful, turned, strict=True)
            if (text.confidence > texts[i].confidence if texts[i] is main[i] else _is_sure_whole(text, cuts[i]))
        }
        upside_down = _credible(upside_down, texts)
        # So sure that what it looked like upright means nothing: a word alone may be a look-alike that way, too.
        least = DOUBTFUL if len(upside_down) > 1 else LOOK_ALIKE
        for index, text in upside_down.items():
            if text.confidence >= least:
                unread[index] = None
        read = [
            ReadLine(line.box, upside_down.get(index, texts[index]), index in upside_down, unread[index], line)
            for index, line in enumerate(lines)
        ]
        known = [i for i, text in enumerate(texts) if text is main[i] and not unread[i] and i not in upside_down]
        is_clear = is_clear_print([texts[index] for index in known])
        for index in known:
            read[index] = self._without_unread_words(read[index], cuts[index], check, is_clear=is_clear)
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

    def _without_unread_words(
        self, line: ReadLine, cut: Pixels, check: Callable[[], None], *, is_clear: bool
    ) -> ReadLine:
        """The line without what turns out to be words in a script that is not read. Where the print is not clear, words
        with as many letters as they have room for are only doubtful."""
        x1, y1, x2, y2 = line.box
        if y2 - y1 >= VERTICAL * (x2 - x1):
            return line
        spans, guess = [], None
        for start, end in find_doubtful_spans(line.text, cut):
            margin = round(WORD_MARGIN * cut.shape[0])
            word = np.ascontiguousarray(cut[:, max(0, start - margin) : end + margin])
            if (found := self._guess_unread_word(word, check, is_clear=is_clear)) is not None:
                spans.append((start, end))
                guess = found
        return replace(line, text=drop_spans(line.text, spans, cut.shape[1]), unread_words=guess) if guess else line

    def _guess_unread_word(self, word: Pixels, check: Callable[[], None], *, is_clear: bool) -> ScriptGuess | None:
        check()
        text, shape = (self._recognizers.judge or self._recognizers.main)(word), (word.shape[0], word.shape[1])
        if text.script is None or not (is_clear or is_sparse(text.text, shape)):
            return None
        scripts = self._recognizers.scripts
        if text.script.beyond(scripts) < SUSPECT or not is_unread(
            text.text, text.confidence, text.script, shape, scripts
        ):
            return None
        if self._recognizers.cyrillic is None:
            return text.script
        return drop_siblings([text.script], [word], self._recognizers.cyrillic, check)[0]

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

    def _read_columns(
        self, lines: Sequence[TextLine], cuts: Sequence[Pixels], texts: list[LineText], check: Callable[[], None]
    ) -> None:
        """Takes what is read of a column's signs set as a row, where that is no less and as sure: their marks too."""
        for index, (line, cut) in enumerate(zip(lines, cuts, strict=True)):
            if not _may_be_column(line, cut, texts[index]):
                continue
            check()
            row = set_as_row(np.ascontiguousarray(np.rot90(cut, -1)))
            if row is not None:
                text = self._recognizers.main(row)
                is_more = len(text.text) >= len(texts[index].text) and text.confidence >= SURE_COLUMN
                texts[index] = text if is_more or text.confidence > texts[index].confidence + GAIN else texts[index]

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
        unread[:] = drop_siblings(unread, cuts, cyrillic, check)
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


def _replace_lone_signs(texts: Sequence[LineText]) -> list[LineText]:
    """The texts, with signs alone in their lines that Chinese script shares with other print as those, where no other
    line is Chinese."""
    words = [text.text for text in texts if text.text and text.text not in LONE_SIGNS]
    if not words or any(_is_wide(character) for word in words for character in word):
        return list(texts)
    return [replace(text, text=LONE_SIGNS.get(text.text, text.text)) for text in texts]


def _is_sure_whole(text: LineText, cut: Pixels) -> bool:
    """Whether all of a line was read for sure: of Cyrillic the main model sees the figures alone."""
    return text.confidence >= DOUBTFUL and not is_sparse(text.text, (cut.shape[0], cut.shape[1]))


def _keep_doubtful(
    unread: Sequence[ScriptGuess | None], texts: Sequence[LineText | None], cuts: Sequence[Pixels]
) -> list[ScriptGuess | None]:
    """The guesses without those for lines of a bad picture that have as many letters as they have room for.

    Bad print looks like a script that nobody reads, and its letters are read with doubt. So are those of the crop's
    other lines then, which a page in two scripts has read for sure. `texts`: None where another model read the line.
    """
    known = [text.confidence for text, guess in zip(texts, unread, strict=True) if text and text.text and not guess]
    if 2 * len(known) <= len(unread) or float(np.median(known)) >= LOOK_ALIKE:
        return list(unread)
    return [
        None if text and not is_sparse(text.text, (cut.shape[0], cut.shape[1])) else guess
        for guess, text, cut in zip(unread, texts, cuts, strict=True)
    ]


def clip_lines(lines: Sequence[TextLine], pixels: Pixels) -> list[TextLine]:
    """The parts of the lines that lie in the picture."""
    height, width = pixels.shape[:2]
    clipped = [replace(line, quad=line.quad.clip(0, np.array((width, height), dtype=np.float32))) for line in lines]
    return [line for line in clipped if np.ptp(line.quad, axis=0).min() >= 1]


def _is_narrow(line: TextLine, cut: Pixels) -> bool:
    """Whether the line is higher than wide, and so was turned, but not so high that it must hold several glyphs."""
    x1, y1, x2, y2 = line.box
    return y2 - y1 > x2 - x1 and VERTICAL * cut.shape[0] <= cut.shape[1] < MAX_NARROW * cut.shape[0]


def _may_be_column(line: TextLine, cut: Pixels, text: LineText) -> bool:
    """Whether the line runs down the page, and is not read for sure as a script that does not."""
    x1, y1, x2, y2 = line.box
    is_down = y2 - y1 >= VERTICAL * (x2 - x1) and cut.shape[1] >= VERTICAL * cut.shape[0]
    return is_down and (text.confidence < DOUBTFUL or any(map(_is_wide, text.text)))


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _credible(upside_down: Mapping[int, LineText], texts: Sequence[LineText]) -> dict[int, LineText]:
    """Without short texts where no longer ones stand upside down too: a 7 looks like an L, a 6 like a 9."""
    long = [index for index, text in enumerate(texts) if len(upside_down.get(index, text).text) > MAX_SHORT]
    if sum(index in upside_down for index in long) > len(long) / 2:
        return dict(upside_down)
    return {index: text for index, text in upside_down.items() if index in long}


def _find_cuts(line: TextLine, boxes: Sequence[TickBox]) -> list[_Cut]:
    """Where the line's text is parted: its leader, whose dots a recogniser drops to read both ends as one word, and
    boxes to tick, which it can't read."""
    leader = [_Cut(*line.leader)] if line.leader else []
    x1, _, x2, _ = line.box
    within = [_Cut((one.box[0] - x1) / (x2 - x1), (one.box[2] - x1) / (x2 - x1), one) for one in boxes]
    return sorted([*leader, *within], key=lambda cut: cut.start)


def _divide(line: TextLine, cuts: Sequence[_Cut]) -> list[TextLine | None]:
    """The parts of a line before, between and behind the cuts; None for one that has no room for a letter."""
    if not cuts:
        return [line]
    length, height = (float(np.linalg.norm(line.quad[corner] - line.quad[0])) for corner in (1, 3))
    least, margin = (times * height / max(length, 1.0) for times in (MIN_PART, LEADER_MARGIN))
    spans = [(cut.start, cut.end) if cut.box else (cut.start - margin, cut.end + margin) for cut in cuts]
    edges = [0.0, *(edge for span in spans for edge in span), 1.0]
    return [
        part_of(line, start, end) if end - start >= least else None
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def part_at_bar(line: TextLine) -> tuple[TextLine, TextLine]:
    """The lines above and below a fraction's bar."""
    assert line.bar
    x1, y1, x2, y2 = line.box
    top, bottom = (y1 + share * (y2 - y1) for share in line.bar)
    margin = max(0, round((BAR_SIDE * (top - y1) - (x2 - x1)) / 2))
    upper = upright_line((x1 - margin, y1, x2 + margin, math.floor(top)))
    return upper, upright_line((x1 - margin, math.ceil(bottom), x2 + margin, y2))


def _is_number(line: ReadLine) -> bool:
    """Whether a line is a number with figures, read for sure."""
    text = line.text.text
    return line.text.confidence >= SURE_NUMBER and bool(_NUMBER.fullmatch(text)) and any(map(str.isdigit, text))


def make_fraction(line: TextLine, above: ReadLine, below: ReadLine, *, with_words: bool) -> ReadLine | None:
    """The fraction as LaTeX; None where one of its numbers is not read as such for sure."""
    numbers = above.text.text, below.text.text
    confidence = min(above.text.confidence, below.text.confidence)
    if confidence < SURE_NUMBER or not all(_NUMBER.fullmatch(number) for number in numbers):
        return None
    text = rf"$\frac{{{numbers[0]}}}{{{numbers[1]}}}$"
    words = (ReadWord(text, line.box, confidence),) if with_words else ()
    return ReadLine(line.box, LineText(text, (confidence,) * len(text)), place=line, words=words)


def _keep(line: ReadLine) -> ReadLine | None:
    """The line, unless it is noise."""
    is_told = line.unread or line.unread_words
    return line if is_told or (line.text.text and line.text.confidence >= MIN_CONFIDENCE) else None


def _join_parts(
    line: TextLine, cuts: Sequence[_Cut], parts: Sequence[ReadLine | None], *, with_words: bool
) -> ReadLine | None:
    """The parts as one line, with a leader's dots and the boxes' signs between them; None where nothing was read."""
    if are_right_to_left([part for part in parts if part]):
        cuts, parts = cuts[::-1], parts[::-1]
    whole = parts[0]
    for cut, part in zip(cuts, parts[1:], strict=True):
        if cut.box:
            whole = _join_at_box(whole, make_sign(cut.box, with_words=with_words), part)
        else:
            whole = _join_at_leader(whole, part)
    return replace(whole, box=line.box, place=line) if whole else None


def _join_at_box(before: ReadLine | None, sign: ReadLine, after: ReadLine | None) -> ReadLine:
    with_sign = concatenate(before, " ", sign) if before else sign
    return concatenate(with_sign, "" if after.text.text[:1] in MARKS else " ", after) if after else with_sign


def _join_at_leader(before: ReadLine | None, after: ReadLine | None) -> ReadLine | None:
    if before is None or after is None:
        return before or after
    start, end = before.text, after.text
    length, skipped = len(start.text.rstrip(DOTS)), len(end.text) - len(end.text.lstrip(DOTS))
    start = LineText(start.text[:length], start.confidences[:length])
    end = LineText(end.text[skipped:], end.confidences[skipped:])
    joined_line = concatenate(replace(before, text=start), LEADER, replace(after, text=end))
    return replace(joined_line, words=tuple(word for word in joined_line.words if word.text.strip(DOTS)))


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
