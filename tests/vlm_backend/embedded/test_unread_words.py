"""Words of a line that no model reads, taken out of what was made of them."""

from __future__ import annotations

import pytest

from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.unread_words import Span, drop_spans

WIDTH = 200


def line(text: str, cyrillic: str = "") -> LineText:
    """Characters of equal width, each with a confidence of its own."""
    middles = tuple((place + 0.5) / len(text) for place in range(len(text)))
    return LineText(text, tuple(place / len(text) for place in range(len(text))), middles=middles, cyrillic=cyrillic)


@pytest.mark.parametrize(
    ("text", "spans", "expected"),
    [
        ("Total 12 abc", [(150, 200)], "Total 12"),
        ("abc Total 12", [(0, 50)], "Total 12"),
        ("a bc d", [(0, 200)], ""),
        ("Total", [], "Total"),
    ],
)
def test_each_character_that_is_left_keeps_its_confidence_and_place(
    text: str, spans: list[Span], expected: str
) -> None:
    before = line(text)
    after = drop_spans(before, spans, WIDTH)
    start = text.index(expected)
    assert after.text == expected
    assert after.confidences == before.confidences[start : start + len(expected)]
    assert after.middles == before.middles[start : start + len(expected)]


def test_look_alikes_are_left_out_too() -> None:
    assert drop_spans(line("CAT abc", "САТ абс"), [(100, 200)], WIDTH).cyrillic == "САТ"
