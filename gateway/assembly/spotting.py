"""Answers to `Spotting:`: texts with their places on the page.

Two forms are known: `text<|LOC_1|>…<|LOC_8|>` (PaddleOCR-VL 1.5 and 1.6), and the same between `<|TEXT_START|>`,
`<|TEXT_END|>`, `<|LOC_BEGIN|>` and `<|LOC_END|>`. Eight numbers are the x and y of four corners, 0 to 1000
of the image.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.model import BBox, Spot

_MARK = re.compile(r"<\|(?:TEXT_START|TEXT_END|LOC_BEGIN|LOC_END)\|>")
_PLACE = re.compile(r"((?:<\|LOC_\d{1,6}\|>\s*)+)")
_NUMBER = re.compile(r"LOC_(\d{1,6})")
_NUMBERS = 8
_SCALE = 1000


def parse_spots(text: str, bbox: BBox) -> list[Spot]:
    """The texts of an answer in its order, corners in pixels of the page that `bbox` lies on, never outside of `bbox`.

    A text with fewer than eight numbers, as the last one of an answer that was cut off, has no polygon.
    """
    parts = _PLACE.split(_MARK.sub("", text))
    texts, places = parts[::2], [*parts[1::2], ""]
    return [_spot(words, place, bbox) for words, place in zip(texts, places, strict=True) if words.strip()]


def joined_spots(spots: Sequence[Spot]) -> str:
    """Their texts as PaddleOCR-VL's block has them: a blank line between."""
    return "\n\n".join(spot.text for spot in spots)


def _spot(text: str, place: str, bbox: BBox) -> Spot:
    numbers = [min(int(number), _SCALE) for number in _NUMBER.findall(place)[:_NUMBERS]]
    if len(numbers) < _NUMBERS:
        return Spot(text=text.strip())
    x1, y1, x2, y2 = bbox
    xs = [x1 + round(number / _SCALE * (x2 - x1)) for number in numbers[::2]]
    ys = [y1 + round(number / _SCALE * (y2 - y1)) for number in numbers[1::2]]
    return Spot(text=text.strip(), polygon=tuple(zip(xs, ys, strict=True)))
