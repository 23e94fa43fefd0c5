"""Text whose script no loaded model reads: found by what PP-OCR's recogniser sees in a line, and told with a remedy.

A recogniser that never learnt a script writes punctuation, digits or look-alikes ("Copr" for Сорт), often sure of
itself. But the same network's last layer holds what the strokes look like, and a linear model of it tells scripts apart
which it can't read. That layer is no output of the network; it follows from the probabilities, whose logarithms are
linear in it up to a constant.

`scripts.npz` holds that linear model: softmax regression on single steps of 7,700 drawn lines in 25 scripts (names of
countries and languages from Debian's iso-codes, in 620 typefaces of Debian's font packages, with blur, noise and JPEG),
signs, scribbles and turned lines, and 320 lines of readable pages. It belongs to PP-OCRv6_rec_small of rapidocr 3.10.0:
another recogniser needs another one.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from textlines.recognition import StepScores

Floats = NDArray[np.float32]

OTHER = "Other"
SECOND = "Cyrillic"
"""The script that a second model reads beside the bundled one. It fails at some lines, which are unread then."""
SIGNS = ("Sm", "So")
"""Unicode's categories of signs in formulas and of other signs, which the recogniser knows."""
EVIDENCE = 4.0
"""Of so many independent steps is a line's evidence, however long it is."""
CERTAIN = 0.8
"""Share of the lines' evidence that one script must have to be named alone."""
POSSIBLE = 0.15
"""Share that makes another script a candidate."""
MAX_CANDIDATES = 3
SUSPECT = 0.9
"""Probability from which on a line may be in a script that can't be read."""
SPARSE = 0.6
"""Letters, digits and signs per line height of width: Chinese print has about 1, Latin about 2."""
LOOK_ALIKE = 0.97
"""Confidence below which letters may be look-alikes."""
FORMULA = 0.75
"""The same for text with a sign of formulas; look-alikes hold a `>` now and then, with less confidence."""
LEAST_ASPECT = 1.3
"""A line that is shorter holds one glyph: a bullet, a box to tick."""
LEAST_VERTICAL_ASPECT = 3.25
"""For what stands upright on the page: hardly any script but Chinese and Japanese does, but pictures do."""
LANGUAGES = {
    "Cyrillic": "ru", "Korean": "ko", "Arabic": "ar", "Greek": "el", "Thai": "th", "Devanagari": "hi", "Tamil": "ta",
    "Telugu": "te", "Chinese": "auto", "Japanese": "auto",
}  # fmt: skip
"""A value of EMBEDDED_LANGUAGE that brings a model for the script."""


@dataclass(frozen=True, slots=True)
class ScriptGuess:
    """Probabilities of a line's script by name, of which there are 25 and `Other` (digits, signs, what is no text)."""

    shares: tuple[tuple[str, float], ...]

    @property
    def likeliest(self) -> str:
        return max(self.shares, key=lambda share: share[1])[0]

    def beyond(self, readable: Sequence[str]) -> float:
        """How probable it is that the script is one of those that are not `readable`."""
        return sum(share for script, share in self.shares if script not in (*readable, OTHER))


@dataclass(frozen=True, slots=True)
class _Model:
    """`weights` (classes, scripts) and `bias` for the log probabilities of the recogniser's `classes`."""

    scripts: tuple[str, ...]
    classes: NDArray[np.int64]
    weights: Floats
    bias: Floats


def guess_script(seen: StepScores) -> ScriptGuess:
    """The script of a line, from what the bundled recogniser gave for it."""
    model = _model()
    logs = seen.logs(model.classes)
    scores = (logs - logs.mean(axis=1, keepdims=True)) @ model.weights + model.bias
    scores -= scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    # Neighbouring steps see the same strokes, so their evidence is no sum of independent pieces.
    line = logs.mean(axis=0) * EVIDENCE
    shares = np.exp(line - line.max())
    shares /= shares.sum()
    return ScriptGuess(tuple(zip(model.scripts, shares.tolist(), strict=True)))


@cache
def _model() -> _Model:
    data = files("vlm_backend.embedded").joinpath("scripts.npz").read_bytes()
    with np.load(BytesIO(data)) as file:
        return _Model(tuple(file["scripts"].tolist()), file["classes"], file["weights"], file["bias"])


def refusal_of(
    unread: Sequence[ScriptGuess], lines: int, readable: Sequence[str], words: Sequence[ScriptGuess] = ()
) -> str | None:
    """A sentence on `unread` lines of a crop that has `lines` in all, and on the lines that hold unread `words`: their
    script and the remedy; None for no line.

    Lines of one crop are mostly of one script, so they decide together.
    """
    if not unread and not words:
        return None
    candidates = _candidates([*unread, *words], readable)
    if words:
        which = f"{len(unread) + len(words)} of {lines} lines hold text"
    else:
        which = "The text is" if len(unread) == lines else f"{len(unread)} of {lines} lines are"
    if SECOND in candidates and SECOND in readable:
        told = " or ".join(candidates)
        return f"{which} in {told} script, by its looks, and could not be read. A sharper picture may help."
    if len(candidates) == 1:
        return f"{which} in {candidates[0]} script, which no loaded model reads. {_remedy(candidates[0])}"
    told = " or ".join(candidates)
    remedies = " ".join(dict.fromkeys(f"{script}: {_remedy(script)}" for script in candidates))
    return f"{which} in a script that no loaded model reads ({told}, by its looks). {remedies}"


def _candidates(unread: Sequence[ScriptGuess], readable: Sequence[str]) -> list[str]:
    """Scripts that the lines may be in, the likeliest first: one where it is sure."""
    shares: Counter[str] = Counter()
    known = (*readable, OTHER)
    for guess in unread:
        shares.update({script: share for script, share in guess.shares if script == SECOND or script not in known})
    (first, most), *others = shares.most_common(MAX_CANDIDATES)
    if most >= CERTAIN * shares.total():
        return [first]
    return [first, *(script for script, share in others if share >= POSSIBLE * shares.total())]


def _remedy(script: str) -> str:
    language = LANGUAGES.get(script)
    if script == "Cyrillic":
        return "Install tesseract-ocr-rus (Debian, Ubuntu), or start the service with EMBEDDED_LANGUAGE=ru."
    if language:
        return f"Start the service with EMBEDDED_LANGUAGE={language}."
    return "The embedded engine has no model for it; PaddleOCR-VL or another VLM may (VLM_ENGINE=vllm or external)."


def is_unread(
    text: str,
    confidence: float,
    guess: ScriptGuess,
    shape: tuple[int, int],
    readable: Sequence[str],
    *,
    is_vertical: bool = False,
) -> bool:
    """Whether a line in which the recogniser found `text` is in a script that it can't read.

    `shape`: height and width of its picture, where a vertical line is turned by a quarter.

    A line with as many characters as its width holds was read, unless the recogniser is in doubt: then they are
    look-alikes. Formulas are read with doubt, too, and their letters are Greek.
    """
    height, width = shape
    beyond = guess.beyond(readable)
    if width < (LEAST_VERTICAL_ASPECT if is_vertical else LEAST_ASPECT) * height or beyond < SUSPECT:
        return False
    if is_sparse(text, shape):
        return True
    kinds = {unicodedata.category(character) for character in text}
    is_word = any(kind[0] == "L" for kind in kinds)
    return is_word and confidence < (FORMULA if "Sm" in kinds else LOOK_ALIKE)


def is_sparse(text: str, shape: tuple[int, int]) -> bool:
    """Whether a line holds fewer characters than its width has room for; `shape` as for `is_unread`."""
    height, width = shape
    kinds = (unicodedata.category(character) for character in text)
    return sum(kind[0] in "LN" or kind in SIGNS for kind in kinds) < SPARSE * width / height
