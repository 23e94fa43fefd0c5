"""The first pictures that vLLM sees are ours: what it compiles and reserves for a shape, it does before a client waits.

Without, the first page is slow: measured 19 s for the first region against 0.5 s for the next (vLLM 0.32 on a CPU).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

import cv2
import numpy as np
import structlog

from gateway.engine.client import ChatCompletionRequest, EngineClient
from gateway.engine.errors import EngineFailure
from gateway.model import EngineKind, Pixels
from gateway.recognition.crops import Crop, encode
from gateway.tasks import FORMULA_PROMPT, MAX_PIXELS, MIN_PIXELS, OCR_PROMPT, PROMPTS, SPOTTING_MAX_PIXELS

log = structlog.get_logger(__name__)

LINE, PARAGRAPH, FULL = (1008, 112), (560, 448), (1120, 896)
"""Width and height of a line at the least area that is sent, of a paragraph, and of a picture at the largest area."""
SPOTTING = (1568, 1008)
QUESTIONS: Sequence[tuple[str, tuple[int, int]]] = (
    (OCR_PROMPT, LINE),
    (OCR_PROMPT, PARAGRAPH),
    (OCR_PROMPT, FULL),
    (PROMPTS["table"], FULL),
    (FORMULA_PROMPT, LINE),
    (PROMPTS["chart"], PARAGRAPH),
    (PROMPTS["seal"], PARAGRAPH),
    (PROMPTS["spotting"], SPOTTING),
)
TOKENS = 8
LONGEST_S = 240.0
"""A model that is slow for want of a GPU must get ready at last; what is not warm by then stays cold."""

assert LINE[0] * LINE[1] == MIN_PIXELS
assert FULL[0] * FULL[1] <= MAX_PIXELS
assert SPOTTING[0] * SPOTTING[1] <= SPOTTING_MAX_PIXELS


async def warm_up(engine: EngineClient, model: str, kind: EngineKind) -> bool:
    """Asks about one picture, then about all at once, as a page does. False: it was too slow to answer them all.

    Raises EngineFailure where the engine breaks, or does not even answer the first.
    """
    started = monotonic()
    crops = await asyncio.to_thread(lambda: [(prompt, _printed(size)) for prompt, size in QUESTIONS])
    await _ask(engine, model, kind, *crops[0])
    try:
        await asyncio.gather(*(_ask(engine, model, kind, prompt, crop) for prompt, crop in crops))
    except EngineFailure as failure:
        if failure.kind != "late":
            raise
        log.warning("warm_up_unfinished", seconds=round(monotonic() - started, 1))
        return False
    log.info("warm_up", pictures=len(crops) + 1, seconds=round(monotonic() - started, 1))
    return True


async def _ask(engine: EngineClient, model: str, kind: EngineKind, prompt: str, crop: Crop) -> None:
    try:
        await engine.complete(ChatCompletionRequest(model, kind, crop.data_url, prompt, TOKENS), LONGEST_S)
    except EngineFailure as failure:
        # A picture too large for a small context is no reason to keep the others from being read.
        if failure.kind not in ("busy", "rejected"):
            raise


def _printed(size: tuple[int, int]) -> Crop:
    """Lines of print, so that the tokens vary as those of a page."""
    width, height = size
    pixels: Pixels = np.full((height, width, 3), 255, dtype=np.uint8)
    for baseline in range(40, height, 56):
        cv2.putText(
            pixels, "The quick brown fox 0123456789 " * 3, (14, baseline), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2
        )
    return encode(pixels)
