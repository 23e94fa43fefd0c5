"""Text of one line image: PP-OCR's recognition model, or Tesseract where no PP-OCR model at hand reads the language."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from textlines.detection import Pixels
from vlm_backend.embedded.unread import ScriptGuess, guess_script


@dataclass(frozen=True, slots=True)
class LineText:
    """`confidences` has one value, 0 to 1, for each character of `text`. `script`: what the strokes look like, where
    the recogniser can tell."""

    text: str
    confidences: tuple[float, ...]
    script: ScriptGuess | None = None

    @property
    def confidence(self) -> float:
        return float(np.mean(self.confidences)) if self.confidences else 0.0


class LineRecognizer(Protocol):
    """Reads one upright line. Thread-safe; one call uses one core."""

    def __call__(self, line: Pixels) -> LineText: ...


class PaddleRecognizer:
    """PP-OCR's CTC recogniser through RapidOCR. `params` are RapidOCR's for its `Rec` stage; without any it is the
    bundled model, which tells scripts, too."""

    def __init__(self, params: dict[str, Any]) -> None:
        from rapidocr import RapidOCR

        self._local = threading.local()

        self._recognize: Any = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.use_det": False,
                "Global.use_cls": False,
                "Global.use_preprocess_img": False,
                "Global.return_word_box": True,
                # One line a call at its own width: batches pad every line to the widest one, which costs a third more.
                "Rec.rec_batch_num": 1,
                "Rec.rec_img_shape": [3, 48, 32],
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                **params,
            }
        )
        self(np.full((48, 96, 3), 255, dtype=np.uint8))  # RapidOCR loads (and downloads) at the first call only
        if not params:
            self._run_model = self._recognize.text_rec.session
            self._recognize.text_rec.session = self._run_and_note

    def __call__(self, line: Pixels) -> LineText:
        found = self._recognize(np.ascontiguousarray(line[:, :, ::-1]))
        script = getattr(self._local, "script", None)
        if not found.txts:
            return LineText("", (), script)
        words = found.word_results[0]
        confidences = tuple(float(value) for value in words.confs) if words is not None and words.confs else ()
        return _trimmed(found.txts[0], confidences, float(found.scores[0]), script)

    def _run_and_note(self, lines: Any) -> Any:  # noqa: ANN401 (arrays of RapidOCR's)
        """RapidOCR keeps a line's probabilities to itself, and drops lines that it is not sure of."""
        probabilities = self._run_model(lines)
        self._local.script = guess_script(probabilities[0])
        return probabilities


def _trimmed(text: str, confidences: tuple[float, ...], score: float, script: ScriptGuess | None) -> LineText:
    """Without the white space at both ends; the line's score stands for characters that have none of their own."""
    if len(confidences) != len(text):
        confidences = (score,) * len(text)
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return LineText(text[start:end], confidences[start:end], script)


MAX_WIDTH = 32_000  # Tesseract refuses images of 2^15 pixels and more


SURE = 0.85
"""Confidence of a line at which Tesseract has read it with one language: lines that hold words of another script stayed
below 0.8 in trials, others above 0.88."""


class TesseractRecognizer:
    """Tesseract's LSTM models (`tessdata` folder, Debian's `tesseract-ocr-rus` for one), one API object a thread.

    A line that `language` does not read for sure is read by `mixed` too (two languages, `rus+eng`), and the surer one
    counts. `mixed` alone would read all lines worse: it takes `№` for `Ne`.
    """

    def __init__(self, tessdata: Path, language: str, mixed: str | None = None) -> None:
        self._tessdata, self._language, self._mixed = tessdata, language, mixed
        self._local = threading.local()
        self._api(language)

    def __call__(self, line: Pixels) -> LineText:
        found = self._read(line, self._language)
        if self._mixed is None or found.confidence >= SURE:
            return found
        other = self._read(line, self._mixed)
        return other if other.confidence > found.confidence else found

    def _read(self, line: Pixels, languages: str) -> LineText:
        from PIL import Image

        api = self._api(languages)
        api.SetImage(Image.fromarray(_with_border(line[:, :MAX_WIDTH])))
        text = api.GetUTF8Text().strip().replace("\n", " ")
        confidence = max(0, api.MeanTextConf()) / 100
        return LineText(text, (confidence,) * len(text))

    def _api(self, languages: str) -> Any:  # noqa: ANN401 (tesserocr has no types)
        import tesserocr

        apis: dict[str, Any] = self._local.__dict__.setdefault("apis", {})
        if languages not in apis:
            apis[languages] = tesserocr.PyTessBaseAPI(
                path=str(self._tessdata), lang=languages, psm=tesserocr.PSM.SINGLE_LINE
            )
        return apis[languages]


def _with_border(line: Pixels) -> Pixels:
    """Tesseract loses glyphs that touch the edge; it wants some 10 px around them."""
    return np.pad(line, ((10, 10), (10, 10), (0, 0)), mode="edge")
