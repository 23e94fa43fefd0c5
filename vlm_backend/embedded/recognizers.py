"""Text of one line image: PP-OCR's recognition model, or Tesseract where no PP-OCR model at hand reads the language."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from textlines.detection import Pixels
from textlines.recognition import CtcModel, CtcReading, StepScores
from vlm_backend.embedded.unread import LOOK_ALIKE, ScriptGuess, guess_script, is_sparse


@dataclass(frozen=True, slots=True)
class LineText:
    """`confidences` has one value, 0 to 1, for each character of `text`. `script`: what the strokes look like, where
    the recogniser can tell. `middles`: where each character stands, as a share of the line's length; empty where the
    recogniser does not tell. `cyrillic`: what the line is on a page of Cyrillic text, where its Latin letters may be
    look-alikes; empty where they are none."""

    text: str
    confidences: tuple[float, ...]
    script: ScriptGuess | None = None
    middles: tuple[float, ...] = ()
    cyrillic: str = ""

    @property
    def confidence(self) -> float:
        return float(np.mean(self.confidences)) if self.confidences else 0.0

    @property
    def least_confidence(self) -> float:
        """Of its letters and digits, or of its signs where it has none of those. The recogniser is never sure of white
        space, whatever it reads."""
        pairs = list(zip(self.text, self.confidences, strict=True))
        letters = [confidence for character, confidence in pairs if character.isalnum()]
        return min(letters or [confidence for character, confidence in pairs if not character.isspace()], default=0.0)


class LineRecognizer(Protocol):
    """Reads one upright line. Thread-safe; one call uses one core."""

    def __call__(self, line: Pixels) -> LineText: ...


class PaddleRecognizer:
    """PP-OCR's CTC recogniser. `is_reversed`: it gives text from right to left as it is seen.

    `script_guesses`: of which lines the script is guessed, which only the bundled model's last layer shows; `doubtful`
    are those whose text may be look-alikes.
    """

    def __init__(
        self,
        model: CtcModel,
        *,
        script_guesses: Literal["none", "doubtful", "all"] = "none",
        is_reversed: bool = False,
    ) -> None:
        self._model, self._script_guesses, self._is_reversed = model, script_guesses, is_reversed

    def __call__(self, line: Pixels) -> LineText:
        (text,) = self.read_all([line], lambda: None)
        return text

    def read_all(self, lines: Sequence[Pixels], check: Callable[[], None]) -> list[LineText]:
        """Reads upright lines, several at once where that is faster; `check` is called before each such batch, and may
        raise to end it all."""
        texts: dict[int, LineText] = {}
        for batch in self._model.plan_batches(lines):
            check()
            with self._model.run([lines[place] for place in batch]) as scores:
                texts |= {place: self._decode(own, lines[place]) for place, own in zip(batch, scores, strict=True)}
        return [texts[place] for place in range(len(lines))]

    def _decode(self, scores: StepScores, line: Pixels) -> LineText:
        found = self._model.decode(scores)
        script = guess_script(scores) if self._is_guessing(found, line) else None
        if self._is_reversed and found.text:
            found = replace(found, text=_reorder(found.text), middles=())
        return _trimmed(found, script)

    def _is_guessing(self, found: CtcReading, line: Pixels) -> bool:
        if self._script_guesses != "doubtful":
            return self._script_guesses == "all"
        return found.confidence < LOOK_ALIKE or is_sparse(found.text, (line.shape[0], line.shape[1]))


def _reorder(text: str) -> str:
    from rapidocr.utils.utils import reorder_bidi_for_display

    reordered: str = reorder_bidi_for_display((text,))[0]
    return reordered


def _trimmed(found: CtcReading, script: ScriptGuess | None) -> LineText:
    """Without the white space at both ends; the line's confidence stands for characters that have none of their own."""
    text, confidences = found.text, found.confidences
    if len(confidences) != len(text):
        confidences = (found.confidence,) * len(text)
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return LineText(text[start:end], confidences[start:end], script, found.middles[start:end])


MAX_WIDTH = 32_000  # Tesseract refuses images of 2^15 pixels and more
LINE_HEIGHT, LARGE_ENOUGH = 52, 40  # pixels of a line that is enlarged; 48 to 64 read alike


SURE, DOUBTED = 0.9, 0.85
"""Confidence of a line at which Tesseract has read it with one language: nine in ten Russian lines have more, English
ones reached 0.7 in trials, those in capitals 0.9. From the second on only a reading that is mostly Latin counts in its
place."""
CYRILLIC_TWINS = frozenset("АВСЕНКМОРТХУасеорху")
"""Letters that look like Latin ones: of a line of them alone confidence says nothing."""
SURE_SMALL = 0.95
"""The same for small print that is not enlarged; clear print has so much."""


class TesseractRecognizer:
    """Tesseract's LSTM models (`tessdata` folder, Debian's `tesseract-ocr-rus` for one).

    An API object, 10 to 20 MB, serves one call at a time; as many are made as are ever used at once.

    A line that `language` does not read for sure is read by `mixed` too (two languages, `rus+eng`), and the surer one
    counts. `mixed` alone would read all lines worse: it takes `№` for `Ne`.

    Small print is enlarged where it is not read for sure as it is: of clear print that loses spaces and whole lines.
    """

    def __init__(self, tessdata: Path, language: str, mixed: str | None = None) -> None:
        self._tessdata, self._language, self._mixed = tessdata, language, mixed
        self._idle: dict[str, LifoQueue[Any]] = {name: LifoQueue() for name in (language, mixed) if name}
        self._idle[language].put_nowait(self._open(language))

    def __call__(self, line: Pixels) -> LineText:
        line = line[:, :MAX_WIDTH]
        enlarged = _enlarge(line)
        if enlarged is line:
            return self._read_surest(line)
        small = self._read(line, self._language)
        if _are_twins(small.text):
            return max(self._read_surest(line), self._read_surest(enlarged), key=lambda one: one.confidence)
        if small.confidence >= SURE_SMALL:
            return small
        found = self._read_surest(enlarged)
        return small if small.confidence > max(found.confidence, DOUBTED) else found

    def _read_surest(self, line: Pixels) -> LineText:
        found = self._read(line, self._language)
        if self._mixed is None or (found.confidence >= SURE and not _are_twins(found.text)):
            return found
        other = self._read(line, self._mixed)
        is_open = found.confidence < DOUBTED or _is_mostly_latin(other.text)
        return other if is_open and other.confidence > found.confidence else found

    def _read(self, line: Pixels, languages: str) -> LineText:
        from PIL import Image

        with self._borrow_api(languages) as api:
            api.SetImage(Image.fromarray(_with_border(line)))
            text = api.GetUTF8Text().strip().replace("\n", " ")
            confidence = max(0, api.MeanTextConf()) / 100
        return LineText(text, (confidence,) * len(text))

    @contextmanager
    def _borrow_api(self, languages: str) -> Iterator[Any]:
        idle = self._idle[languages]
        try:
            api = idle.get_nowait()
        except Empty:
            api = self._open(languages)
        try:
            yield api
        finally:
            idle.put_nowait(api)

    def _open(self, languages: str) -> Any:  # noqa: ANN401 (tesserocr has no types)
        import tesserocr

        return tesserocr.PyTessBaseAPI(path=str(self._tessdata), lang=languages, psm=tesserocr.PSM.SINGLE_LINE)


def _are_twins(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    return bool(letters) and CYRILLIC_TWINS.issuperset(letters)


def _is_mostly_latin(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    return 2 * sum(map(str.isascii, letters)) > len(letters)


def _enlarge(line: Pixels) -> Pixels:
    """Small print as high as Tesseract reads it best: at 25 pixels a line it loses words, and some lines whole."""
    height, width = line.shape[:2]
    scale = min(LINE_HEIGHT / height, MAX_WIDTH / width)
    if height >= LARGE_ENOUGH or scale <= 1:
        return line
    size = max(1, math.floor(scale * width)), max(1, round(scale * height))
    return np.asarray(cv2.resize(line, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _with_border(line: Pixels) -> Pixels:
    """Tesseract loses glyphs that touch the edge; it wants some 10 px around them."""
    return np.pad(line, ((10, 10), (10, 10), (0, 0)), mode="edge")
