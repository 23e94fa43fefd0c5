"""Which lines the model for Cyrillic reads, with recognisers that give what a test says."""

from __future__ import annotations

import numpy as np

from textlines.detection import Pixels
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


def read_figures(first: str, span: tuple[float, float], second: str, confidence: float = 0.9) -> str:
    middles = tuple(np.linspace(*span, len(first)).tolist())
    figures = LineText(first, (0.99,) * len(first), middles=middles)
    answer = read_cyrillic([LINE], [figures], lambda _: text(second, confidence), set(), sure=False, check=lambda: None)
    return answer[0].text


def test_word_beside_figures_is_read() -> None:
    """The main model sees the figures alone, and reads them better."""
    assert read_figures("7701234567", (0.34, 0.97), "ИНН 7701254567") == "ИНН 7701234567"
    assert read_figures("31,5", (0.3, 0.6), "Вес 31,5 кг") == "Вес 31,5 кг"
    assert read_figures("7701234567", (0.03, 0.97), "ТТО1254567 ИНН") == "7701234567"
    assert read_figures("7701234567", (0.34, 0.97), "INN 7701254567") == "7701234567"


def test_words_around_figures_are_read() -> None:
    """The main model leaves marks of the words; with the same figures a doubtful reading has seen the same line."""
    assert read_figures("3  2024 .", (0.03, 0.97), "3 июня 2024 г.") == "3 июня 2024 г."
    assert read_figures(": 03.07.1984", (0.4, 0.97), "Дата рождения: 03.07.1934") == "Дата рождения: 03.07.1984"
    assert read_figures(", 14  2024", (0.2, 0.8), "Среда, 14 мая 2024 года", 0.6) == "Среда, 14 мая 2024 года"
    assert read_figures(", 14  2024", (0.2, 0.8), "Среда, 11 мая 2024 года", 0.6) == ", 14  2024"
    assert read_figures(", 14  2024", (0.2, 0.8), "Сред, 14 мня 2024 гола", 0.4) == ", 14  2024"


def test_no_line_is_read_twice() -> None:
    """Nor where each of the reasons to read it holds."""
    heights: list[int] = []

    def recognize(line: Pixels) -> LineText:
        heights.append(line.shape[0])
        return text("Порт" if line.shape[0] == 48 else "45", 0.9)

    lines = [LINE, LINE[:40], LINE[:36]]
    texts = [text("--"), LineText("4 5", (0.9,) * 3, middles=(0.1, 0.2, 0.3)), text("TOP")]
    read_cyrillic(lines, texts, recognize, set(), sure=True, check=lambda: None)
    assert sorted(heights) == [36, 40, 48]


def read_other(first: str, sureness: float, second: str, confidence: float, *, beside: str = "12 345") -> str:
    """What is told of a line besides its text, in a crop without a Cyrillic line."""
    texts = [LineText(first, (sureness,) * len(first)), text(beside, 0.999)]
    answers = {48: text(second, confidence), 40: text("", 0.0)}
    lines = [np.full((48, 80, 3), 255, np.uint8), np.full((40, 80, 3), 255, np.uint8)]
    read_lines = read_cyrillic(lines, texts, lambda line: answers[line.shape[0]], set(), sure=False, check=lambda: None)
    assert [one.text for one in read_lines] == [first, beside]
    return read_lines[0].cyrillic


def test_line_that_may_be_cyrillic_tells_so() -> None:
    assert read_other("AKT", 0.999, "Акт", 0.96) == "Акт"
    assert read_other("POCT", 0.999, "РОСТ", 0.96) == "РОСТ"
    assert read_other("CXEMA", 0.999, "СХЕМА", 0.94) == "СХЕМА"
    assert read_other("Bec: 31,5 kr", 0.95, "Вес: 31,5 кг", 0.95) == "Вес: 31,5 кг"
    assert read_other("No 12", 0.85, "№ 12", 0.9) == "№ 12"


def test_latin_word_is_no_look_alike() -> None:
    """Abbreviations, Latin names, whatever stands beside Latin words, and what the second model is not sure of."""
    assert read_other("HP", 0.999, "НР", 0.96) == ""
    assert read_other("POE", 0.999, "РОЕ", 0.93) == ""
    assert read_other("Max Bopp", 0.999, "Мах Ворр", 0.91) == ""
    assert read_other("Apple", 0.999, "Арре", 0.96) == ""
    assert read_other("AKT", 0.999, "Акт", 0.96, beside="Harbour board") == ""
    assert read_other("CTO", 0.999, "CTO", 0.95) == ""
