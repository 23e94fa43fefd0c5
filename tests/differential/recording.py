"""The VLM of both pipelines: it records each call and answers by what the picture shows.

Both cut, scale and encode crops in their own way, so a call is known by the nearest of the page's boxes: the ink of the
crop, cut free and brought to one small size, is held against the ink of each box and of each run of neighbouring boxes
on top of each other (paragraphs read in one call). Pages are drawn so that no two boxes are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.model import Pixels
from tests.differential.cases import Case, Seen, Sheet
from tests.support.stub_engine import Reply, StubEngine, StubRequest

SIZE = (192, 48)
"""Width and height at which ink is compared: print in one line can still be read at it."""
RATIO_WEIGHT = 60.0
"""Grey levels that a shape twice as long counts as (times the logarithm)."""
LONGEST_RUN = 3
NOT_SAMPLED = frozenset({"model", "messages", "mm_processor_kwargs", "max_tokens", "max_completion_tokens"})

Key = tuple[int, tuple[int, ...]]
"""A place: the page's number in its document, from 0, and the numbers of the boxes that were read together."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what of the document it is about, and what was sent."""

    key: Key
    prompt: str
    pixels: Pixels
    max_tokens: int | None
    limits: tuple[int, int] | None
    """Fewest and most pixels that the call asks the VLM's processor for."""
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Candidate:
    key: Key
    answer: str
    ink: NDArray[np.float32]
    ratio: float


class Recorder:
    """`engine` answers for the case of the last `begin`; `calls()` are those since then."""

    def __init__(self) -> None:
        self.engine = StubEngine(kind="vllm", model="PaddleOCR-VL-1.6-0.9B")
        self._candidates: list[_Candidate] = []

    def begin(self, case: Case) -> None:
        self.engine.requests.clear()
        self.engine.answer = self._answer
        self._candidates = list(_candidates(case))

    def calls(self) -> list[Call]:
        return [self._call(request) for request in self.engine.requests]

    def _answer(self, request: StubRequest) -> Reply:
        return Reply(self._nearest(_pixels(request)).answer)

    def _call(self, request: StubRequest) -> Call:
        body, pixels = request.body, _pixels(request)
        limits = body.get("mm_processor_kwargs")
        return Call(
            self._nearest(pixels).key,
            request.prompt,
            pixels,
            body.get("max_completion_tokens", body.get("max_tokens")),
            (limits["min_pixels"], limits["max_pixels"]) if limits else None,
            {name: value for name, value in body.items() if name not in NOT_SAMPLED},
        )

    def _nearest(self, pixels: Pixels) -> _Candidate:
        ink, ratio = _ink(pixels)
        return min(
            self._candidates,
            key=lambda one: float(np.abs(one.ink - ink).mean()) + RATIO_WEIGHT * abs(math.log(one.ratio / ratio)),
        )


def _candidates(case: Case) -> Iterator[_Candidate]:
    for page, sheet in enumerate(case.sheets):
        if case.answer or not sheet.seen:
            yield _Candidate((page, ()), case.answer, *_ink(sheet.pixels))
        for run in _runs(sheet.seen):
            boxes = [sheet.seen[at] for at in run]
            yield _Candidate((page, run), "\n".join(one.answer for one in boxes), *_ink(_stacked(sheet, boxes)))


def _runs(seen: Sequence[Seen]) -> Iterator[tuple[int, ...]]:
    """Each box, and boxes of running text that follow each other with nothing but pictures and tables between."""
    yield from ((at,) for at in range(len(seen)))
    texts = [at for at, one in enumerate(seen) if one.label == "text"]
    between = {"image", "chart", "seal", "table"}
    for length in range(2, LONGEST_RUN + 1):
        for run in zip(*(texts[start:] for start in range(length)), strict=False):
            if all({seen[at].label for at in range(one + 1, other)} <= between for one, other in pairwise(run)):
                yield run


def _stacked(sheet: Sheet, boxes: Sequence[Seen]) -> Pixels:
    crops = [_cut(sheet, one) for one in boxes]
    width = max(crop.shape[1] for crop in crops)
    padded = [
        cv2.copyMakeBorder(crop, 0, 0, 0, width - crop.shape[1], cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for crop in crops
    ]
    return np.concatenate([np.asarray(crop, dtype=np.uint8) for crop in padded])


def _cut(sheet: Sheet, one: Seen) -> Pixels:
    height, width = sheet.pixels.shape[:2]
    x1, y1, x2, y2 = one.bbox
    x1, y1 = min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)
    return sheet.pixels[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def _ink(pixels: Pixels) -> tuple[NDArray[np.float32], float]:
    """What is printed, cut free and brought to one size; and its width to its height."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    rows, columns = (np.flatnonzero((grey < 200).any(axis=axis)) for axis in (1, 0))
    if len(rows) and len(columns):
        grey = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = cv2.resize(grey, SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32), grey.shape[1] / grey.shape[0]


def _pixels(request: StubRequest) -> Pixels:
    with Image.open(BytesIO(request.image)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)
