"""Reads the picture of one upright line with a CTC model of PP-OCR's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.inference.models import TINY, find_model, load_session
from common.inference.sessions import Floats
from textlines.glyphs import Pixels
from textlines.model_inputs import make_input

RECOGNITION_MODEL = "PP-OCRv6_rec_small.onnx"
HEIGHT, MIN_WIDTH, STRIDE = 48, 32, 64
"""Of the pictures that the models take, pixels; widths are multiples of the last where shapes are to be few."""
BATCH_SIZES, MAX_BATCH_WIDTH = (1, 2, 4), 2560
"""Lines that are read at once, few numbers so that shapes are few, and the most that their widths add up to, which
bounds the memory of what is read."""
CALL_COST = 144
"""What a call of a model costs beside its lines, in pixels of their widths: 2.6 ms, where a line takes 1.8 ms for 100
of them (one core of an EPYC with bf16)."""
USUAL_SHAPE = (1, 3, HEIGHT, 480)
"""Of a line, to measure the models with."""
BLANK = 0
"""The class of no character."""
MIN_CONFIDENCE = 0.5
"""Below it what was read is noise, RapidOCR's own default."""


@dataclass(frozen=True, slots=True)
class CtcReading:
    """`confidences`: one for each character, 0 to 1. `middles`: where each stands, as a share of the line's length;
    empty where that can't be told."""

    text: str
    confidence: float
    confidences: tuple[float, ...]
    middles: tuple[float, ...]


NOTHING = CtcReading("", 0.0, (), ())


@dataclass(frozen=True, slots=True)
class StepScores:
    """What a model gives for each class at each step of a line: `values`, shape (steps, classes), probabilities or,
    with `are_logits`, their logarithms but for a constant at each step."""

    values: Floats
    are_logits: bool

    def logs(self, classes: NDArray[np.int64]) -> Floats:
        """Logarithms of the probabilities of some classes, but for a constant at each step."""
        values = self.values[:, classes]
        return values if self.are_logits else np.log(np.maximum(values, TINY))

    def find_best(self) -> tuple[NDArray[np.intp], Floats]:
        """The best class at each step, and its probability where the text has a character of it: 0 elsewhere."""
        best = self.values.argmax(axis=1)
        is_read = best != BLANK
        is_read[1:] &= best[1:] != best[:-1]
        steps = np.flatnonzero(is_read)
        shares = np.zeros(len(best), dtype=np.float32)
        shares[steps] = self.values[steps, best[steps]]
        if self.are_logits:
            # One step at a time, in one place: its scores fit into a core's cache.
            others = np.empty((1, self.values.shape[1]), dtype=np.float32)
            for step in steps.tolist():
                np.subtract(self.values[step], shares[step], out=others[0])
                shares[step] = 1 / cv2.sumElems(cv2.exp(others, others))[0]
        return best, shares


class CtcModel:
    """A model and its alphabet. Thread-safe; one call uses one core."""

    def __init__(self, file: Path) -> None:
        from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode  # slow import: paid by whoever loads a model

        self._session = load_session(file, USUAL_SHAPE)
        self._decode: Any = CTCLabelDecode(character=self._session.metadata["character"].splitlines()).decode

    def plan_batches(self, lines: Sequence[Pixels]) -> list[list[int]]:
        """The places of the lines that are best read at once, of all lines: alone where the runtime gains nothing."""
        if not self._session.recompiles:
            return [[place] for place in range(len(lines))]
        return plan_batches([_find_width(line) for line in lines])

    @contextmanager
    def run(self, lines: Sequence[Pixels]) -> Iterator[list[StepScores]]:
        """The scores of RGB lines, as many as a batch holds; they end with the block."""
        widths = [_find_width(line) for line in lines]
        padded = pad_width(max(widths)) if self._session.recompiles else max(widths)
        inputs = [
            make_input(line, (HEIGHT, width), (HEIGHT, padded), fill=0.0)
            for line, width in zip(lines, widths, strict=True)
        ]
        with self._session.run(np.concatenate(inputs) if len(inputs) > 1 else inputs[0]) as outputs:
            # What the model says of the grey that was added behind a line is no part of its text.
            steps = [math.ceil(width * outputs[0].shape[1] / padded) for width in widths]
            yield [
                StepScores(scores[:count], self._session.gives_logits)
                for scores, count in zip(outputs[0], steps, strict=True)
            ]

    def decode(self, scores: StepScores) -> CtcReading:
        best, shares = scores.find_best()
        ((text, confidence),), (words,) = self._decode(best[None], shares[None], True, remove_duplicate=True)
        if confidence < MIN_CONFIDENCE:
            return NOTHING
        confidences = tuple(float(value) for value in words.confs or ())
        return CtcReading(text, float(confidence), confidences, _find_middles(text, words))


def load_bundled_model() -> CtcModel:
    """The model that the `rapidocr` wheel holds."""
    return CtcModel(find_model("rapidocr", RECOGNITION_MODEL))


def _find_width(line: Pixels) -> int:
    """Of the line at the models' height."""
    width: int = max(MIN_WIDTH, math.ceil(HEIGHT * line.shape[1] / line.shape[0]))
    return width


def plan_batches(widths: Sequence[int]) -> list[list[int]]:
    """Places of the lines of each batch, of all lines, so that calls and the grey behind lines cost least in all."""
    places = sorted(range(len(widths)), key=lambda place: widths[place], reverse=True)
    sizes = _size_batches([widths[place] for place in places])
    batches, end = [], len(places)
    while end:
        batches.append(places[end - sizes[end] : end])
        end -= sizes[end]
    return batches[::-1]


def _size_batches(widths: Sequence[int]) -> list[int]:
    """How many lines the last batch holds of the first line alone, the first two and so on, after a 0 for none.

    `widths` fall.
    """
    best = [(0, 0)]  # what the first lines cost at least, and the size of their last batch
    for end in range(1, len(widths) + 1):
        options = [(size, pad_width(widths[end - size])) for size in BATCH_SIZES if size <= end]
        best.append(
            min(
                (best[end - size][0] + CALL_COST + size * width, size)
                for size, width in options
                if size == 1 or size * width <= MAX_BATCH_WIDTH
            )
        )
    return [size for _, size in best]


def pad_width(width: int) -> int:
    """The next of few widths, at most an eighth larger, so that a model meets few shapes."""
    step = STRIDE * max(1, (1 << (width.bit_length() - 1)) // (8 * STRIDE))
    return -(-width // step) * step


def _find_middles(text: str, words: Any) -> tuple[float, ...]:  # noqa: ANN401 (RapidOCR's WordInfo)
    """The model's columns for each character; white space, for which RapidOCR keeps none, stands where the character
    before it does."""
    columns = [column for word in words.word_cols or () for column in word]
    if len(columns) != sum(not character.isspace() for character in text) or not words.line_txt_len:
        return ()
    middles, place = [], 0.0
    following = iter(columns)
    for character in text:
        place = place if character.isspace() else (next(following) + 1 / 2) / words.line_txt_len
        middles.append(place)
    return tuple(middles)
