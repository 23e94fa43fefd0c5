"""Which lines the model for Cyrillic reads, with recognisers that give what a test says."""

from __future__ import annotations

import numpy as np

from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.scripts import read_cyrillic

LINE = np.full((48, 400, 3), 255, dtype=np.uint8)


def text(value: str, confidence: float = 0.9) -> LineText:
    return LineText(value, (confidence,) * len(value))


def read(first: list[str], second: str, *, confidence: float = 0.9, sure: bool = False) -> list[str]:
    lines = [LINE] * len(first)
    texts = read_cyrillic(
        lines, [text(one) for one in first], lambda _: text(second, confidence), set(), sure=sure, check=lambda: None
    )
    return [one.text for one in texts]


def test_word_is_evidence() -> None:
    assert read(["--"], "Порт") == ["Порт"]


def test_one_letter_is_no_evidence() -> None:
    """Cut words and digits look like letters; none of them turns the lines beside it Cyrillic."""
    assert read(["t", "TOP"], "т") == ["t", "TOP"]


def test_letter_of_which_nothing_was_read() -> None:
    """A heading of an index. A stroke or a ring is none, nor what the main model reads."""
    assert read([""], "Ж", confidence=0.95) == ["Ж"]
    assert read([""], "О", confidence=0.95) == [""]
    assert read([""], "Ж", confidence=0.7) == [""]
    assert read(["*"], "Ж", confidence=0.95) == ["*"]


def test_letter_among_cyrillic_lines() -> None:
    """What the main model is surer of stays."""
    words = iter(["Ж", "Порт"])
    texts = [LineText("5", (0.5,)), text("--")]
    readings = read_cyrillic([LINE] * 2, texts, lambda _: text(next(words)), set(), sure=False, check=lambda: None)
    assert [one.text for one in readings] == ["Ж", "Порт"]
    assert read([""], "Ж", confidence=0.7, sure=True) == ["Ж"]
    assert read(["*"], "Ж", confidence=0.7, sure=True) == ["*"]
