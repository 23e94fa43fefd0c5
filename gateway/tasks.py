"""What the VLM is asked about a region: prompt, pixel budget, tokens, sampling, as in PaddleOCR-VL's pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.labels import is_formula, is_read, is_shown
from gateway.model import EngineKind, PageImage, Region
from gateway.reading_options import OcrOptions

PROMPTS = {
    "table": "Table Recognition:",
    "chart": "Chart Recognition:",
    "seal": "Seal Recognition:",
    "spotting": "Spotting:",
}
"""Prompts by label; formulas have `FORMULA_PROMPT`, every other label `OCR_PROMPT`. The model knows no others."""
OCR_PROMPT = "OCR:"
FORMULA_PROMPT = "Formula Recognition:"

MIN_PIXELS = 28 * 28 * 144
MAX_PIXELS = 28 * 28 * 1280
SPOTTING_MAX_PIXELS = 28 * 28 * 2048
MAX_TOKENS = 4096
"""Defaults of the PaddleOCR-VL 1.5 and 1.6 pipelines."""
PIXELS_PER_TOKEN = 28 * 28
PROMPT_TOKENS = 64
"""Room for the prompt, its template and the rounding of a picture's sides."""
SPOTTING_ENLARGED_BELOW = 1500
"""Images for spotting with both sides below this many pixels are doubled, as PaddleOCR-VL does."""

PADDLEOCR_VL_DPI = 144
"""Resolution at which the official pipeline renders PDF pages (scale 2)."""
EMBEDDED_DPI = 200
"""PP-OCR reads small print at it that it loses at 144: 11 against 8 of the 11 table cells of olmOCR-bench's sample."""

WHOLE_IMAGE_LABELS = {
    "text": "text",
    "table": "table",
    "formula": "display_formula",
    "chart": "chart",
    "seal": "seal",
    "spotting": "spotting",
}
"""The `task` option to the label of the one region that covers the page; `document` is not here."""


@dataclass(frozen=True, slots=True)
class RegionTask:
    """One question to the VLM. `min_pixels` and `max_pixels` bound the area of the crop that PaddleOCR-VL gets."""

    prompt: str = OCR_PROMPT
    min_pixels: int = MIN_PIXELS
    max_pixels: int = MAX_PIXELS
    max_tokens: int | None = None
    temperature: float = 0.0
    top_p: float | None = None
    repetition_penalty: float | None = None
    min_confidence: float | None = None
    """A reading below is read once more, with a larger picture."""
    engine_priority: int = 0
    """For an engine that takes one; the least goes first."""
    with_words: bool = False
    """Whether an engine that knows where its lines stand is to tell the places of their words, too."""

    @property
    def is_spotting(self) -> bool:
        return self.prompt == PROMPTS["spotting"]


def token_limit(
    task: RegionTask, engine: EngineKind | None, context: int | None = None, picture_pixels: int = 0
) -> int | None:
    """Most tokens of an answer to ask for; None leaves it to the engine. PP-OCR's are characters and never run away:
    its limit is the client's.

    context: tokens that the engine has for prompt, picture and answer together. Where the limit does not fit behind a
    picture of that many pixels, the engine is to go on to the end of its context: it would refuse the limit.
    """
    limit = task.max_tokens or (None if engine == "embedded" else MAX_TOKENS)
    asked = picture_pixels // PIXELS_PER_TOKEN + PROMPT_TOKENS
    return None if limit and context and asked + limit > context else limit


def fit_context(task: RegionTask, context: int | None) -> RegionTask:
    """The same task with a picture that takes at most half of the engine's context and leaves the rest to the text."""
    if context is None:
        return task
    most = max(context // 2 * PIXELS_PER_TOKEN, MIN_PIXELS)
    return replace(task, min_pixels=min(task.min_pixels, most), max_pixels=min(task.max_pixels, most))


def page_dpi(engine: EngineKind | None) -> int:
    """Resolution of PDF pages that an engine reads best."""
    return EMBEDDED_DPI if engine == "embedded" else PADDLEOCR_VL_DPI


def task_for(label: str, options: OcrOptions) -> RegionTask | None:
    """The question about a region of this label; None: nobody asked to read it, or the answer would not show it."""
    if not is_read(label, options) or not (options.read_ignored or is_shown(label, options)):
        return None
    minimum, maximum = _budget(label, options)
    return RegionTask(
        prompt=_prompt(label),
        min_pixels=minimum,
        max_pixels=maximum,
        max_tokens=options.max_tokens,
        temperature=options.temperature or 0.0,
        top_p=options.top_p,
        repetition_penalty=options.repetition_penalty,
        min_confidence=options.min_confidence,
        with_words=options.lines,
    )


def whole_page_region(page: PageImage, options: OcrOptions) -> Region:
    """The one region of a task that reads the whole image in one call."""
    return Region(WHOLE_IMAGE_LABELS[options.task], (0, 0, page.width, page.height), order=1)


def _budget(label: str, options: OcrOptions) -> tuple[int, int]:
    minimum, maximum = options.task_pixels.get(_kind(label), (None, None))
    minimum = minimum or options.min_pixels or MIN_PIXELS
    maximum = maximum or options.max_pixels or max(minimum, SPOTTING_MAX_PIXELS if label == "spotting" else MAX_PIXELS)
    return min(minimum, maximum), maximum


def _kind(label: str) -> str:
    """The name that `task_pixels` has for the label's prompt."""
    return "formula" if is_formula(label) else label if label in PROMPTS else "ocr"


def _prompt(label: str) -> str:
    return FORMULA_PROMPT if is_formula(label) else PROMPTS.get(label, OCR_PROMPT)
