"""Words in scripts that no loaded model reads, in lines of one that is read: a name in a letter, a label at a number.

The recogniser makes look-alikes of them, of which it is in doubt, or leaves them out. So what is doubtful in a line is
cut out and looked at by itself, and so is its ink where no character was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from textlines.detection import Pixels
from textlines.words import SPECK, find_line_ink
from vlm_backend.embedded.recognizers import LineText

DOUBTFUL, SURE = 0.97, 0.9
"""Mean confidence of a word below which it may be a look-alike, and from which on it tells of the print."""
SUSPECT = 0.97
"""Probability from which on a word is in a script that can't be read: more than of a line, which tells more."""
LEAST_WIDTH = 1.3
"""Of a word that tells its script, in line heights."""
LEAST_INK = 0.3
"""Share of the columns of what may be a word that hold ink."""
CLEAR = 0.99
"""Confidence of the usual sure word in clear print; in bad print it is less, in whatever script."""
ROOM = 4.0
"""Distance of two characters between which a word may stand, in usual distances."""
LETTER = 0.5
"""Usual distance of letters in line heights, where a line has too few of them to tell."""

_WORD = re.compile(r"\S+")
Span = tuple[int, int]
"""Columns of a line's picture, from the first to the one behind the last."""


def find_doubtful_spans(text: LineText, line: Pixels) -> list[Span]:
    """Where words may stand that were not read; none where the text tells no places."""
    height, width = line.shape[:2]
    if not text.middles or width < 2 * LEAST_WIDTH * height:
        return []
    middles = [middle * width for middle in text.middles]
    step = _usual_step(text, middles, height)
    if all(confidence >= DOUBTFUL for confidence in text.confidences) and not _has_room(middles, step, width):
        return []
    ink = find_line_ink(line).mean(axis=0) > SPECK
    unsure = np.ones(width, dtype=np.bool_)
    for start, end in _words(text):
        if float(np.mean(text.confidences[start:end])) < DOUBTFUL:
            continue
        unsure[max(0, round(middles[start] - step)) : round(middles[end - 1] + step)] = False
    return [span for span in _join(_runs(unsure & ink), round(step)) if _is_word(span, ink, height)]


def is_clear_print(texts: Sequence[LineText]) -> bool:
    """Whether the words that were read for sure are as sure as those of clear print; False without any."""
    words = [float(np.mean(text.confidences[start:end])) for text in texts for start, end in _words(text)]
    sure = [confidence for confidence in words if confidence >= SURE]
    return bool(sure) and float(np.median(sure)) >= CLEAR


def drop_spans(text: LineText, spans: Sequence[Span], width: int) -> LineText:
    """The text without the characters that stand there."""
    kept = [
        place
        for place, middle in enumerate(text.middles)
        if not any(start <= middle * width < end for start, end in spans)
    ]
    while kept and text.text[kept[0]].isspace():
        kept.pop(0)
    while kept and text.text[kept[-1]].isspace():
        kept.pop()
    has_look_alikes = len(text.cyrillic) == len(text.text)
    return replace(
        text,
        text="".join(text.text[place] for place in kept),
        confidences=tuple(text.confidences[place] for place in kept),
        middles=tuple(text.middles[place] for place in kept),
        cyrillic="".join(text.cyrillic[place] for place in kept) if has_look_alikes else "",
    )


def _usual_step(text: LineText, middles: Sequence[float], height: int) -> float:
    steps = [
        after - before
        for (before, after), pair in zip(pairwise(middles), pairwise(text.text), strict=True)
        if not any(map(str.isspace, pair))
    ]
    return min(float(np.median(steps)), height) if len(steps) > 2 else LETTER * height


def _has_room(middles: Sequence[float], step: float, width: int) -> bool:
    """Whether a word fits between two characters, or at an end."""
    places = [-step / 2, *middles, width + step / 2]
    return any(after - before > ROOM * step for before, after in pairwise(places))


def _words(text: LineText) -> Iterator[Span]:
    """Of characters: from the first to the one behind the last."""
    return (match.span() for match in _WORD.finditer(text.text))


def _runs(mask: np.ndarray) -> list[Span]:
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _join(spans: Sequence[Span], gap: int) -> list[Span]:
    joined: list[Span] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def _is_word(span: Span, ink: np.ndarray, height: int) -> bool:
    start, end = span
    return end - start >= LEAST_WIDTH * height and float(ink[start:end].mean()) >= LEAST_INK
