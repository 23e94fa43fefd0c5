"""Reads the picture of one upright line with a CTC model of PP-OCR's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common.inference.models import find_model, load_session
from common.inference.sessions import Floats
from textlines.glyphs import Pixels

RECOGNITION_MODEL = "PP-OCRv6_rec_small.onnx"
HEIGHT, MIN_WIDTH, STRIDE = 48, 32, 32
"""Of the pictures that the models take, pixels; widths are multiples of the last where shapes are to be few."""
USUAL_SHAPE = (1, 3, HEIGHT, 480)
"""Of a line, to measure the models with."""
HALF = 127.5
"""The models' grey levels go from -1 to 1."""
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


class CtcModel:
    """A model and its alphabet. Thread-safe; one call uses one core."""

    def __init__(self, file: Path) -> None:
        from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode  # slow import: paid by whoever loads a model

        self._session = load_session(file, USUAL_SHAPE)
        self._decode: Any = CTCLabelDecode(character=self._session.metadata["character"].splitlines())

    @contextmanager
    def run(self, line: Pixels) -> Iterator[Floats]:
        """Probabilities of an RGB line, shape (steps, classes), which end with the block."""
        width = max(MIN_WIDTH, math.ceil(HEIGHT * line.shape[1] / line.shape[0]))
        values = cv2.dnn.blobFromImage(line, 1 / HALF, (width, HEIGHT), (HALF, HALF, HALF), swapRB=True)
        if self._session.recompiles:
            values = np.pad(values, ((0, 0), (0, 0), (0, 0), (0, pad_width(width) - width)))
        with self._session.run(np.asarray(values, dtype=np.float32)) as outputs:
            # What the model says of the grey that was added behind the line is no part of its text.
            yield outputs[0][0, : math.ceil(width * outputs[0].shape[1] / values.shape[3])]

    def decode(self, probabilities: Floats) -> CtcReading:
        ((text, confidence),), (words,) = self._decode(probabilities[np.newaxis], return_word_box=True)
        if confidence < MIN_CONFIDENCE:
            return NOTHING
        confidences = tuple(float(value) for value in words.confs or ())
        return CtcReading(text, float(confidence), confidences, _find_middles(text, words))


def load_bundled_model() -> CtcModel:
    """The model that the `rapidocr` wheel holds."""
    return CtcModel(find_model("rapidocr", RECOGNITION_MODEL))


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
