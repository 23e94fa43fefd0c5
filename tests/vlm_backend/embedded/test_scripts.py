"""Which lines the model for Cyrillic reads, with recognisers that give what a test says."""

from __future__ import annotations

import numpy as np

from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.scripts import read_cyrillic

LINE = np.full((48, 400, 3), 255, dtype=np.uint8)


def text(value: str, confidence: float = 0.9) -> LineText:
    return LineText(value, (confidence,) * len(value))


def read(first: list[str], second: str) -> list[str]:
    lines = [LINE] * len(first)
    texts = read_cyrillic(
        lines, [text(one) for one in first], lambda _: text(second), set(), sure=False, check=lambda: None
    )
    return [one.text for one in texts]


def test_word_is_evidence() -> None:
    assert read(["--"], "Порт") == ["Порт"]


def test_one_letter_is_no_evidence() -> None:
    """Cut words and digits look like letters; none of them turns the lines beside it Cyrillic."""
    assert read(["t", "TOP"], "т") == ["t", "TOP"]
