"""Which lines the model for Cyrillic reads, with recognisers that give what a test says."""

from __future__ import annotations

import numpy as np

from textlines.detection import Pixels
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.scripts import drop_siblings, read_cyrillic
from vlm_backend.embedded.unread import ScriptGuess

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
    # Marks are no figures, and figures are lost with the words around them.
    assert read_figures("185000, .", (0.03, 0.5), "185000, г. Петрозаводск") == "185000, г. Петрозаводск"
    assert read_figures(": 044030790", (0.2, 0.97), "БИК: 044030790") == "БИК: 044030790"
    assert read_figures("2026", (0.6, 0.97), "3 июня 2026") == "3 июня 2026"


def test_narrow_points_leave_no_room_for_words() -> None:
    """A table's numbers are not read again, each for a quarter of the time of its first reading."""

    def fail(_: Pixels) -> LineText:
        raise AssertionError("read again")

    cells = {
        "92.1": (0.25, 0.45, 0.55, 0.75),
        "82.4 ± 9.3": (0.12, 0.21, 0.31, 0.36, 0.36, 0.55, 0.55, 0.74, 0.79, 0.88),
    }
    for value, middles in cells.items():
        cell = np.full((36, 12 * len(value) + 10, 3), 255, dtype=np.uint8)
        first = LineText(value, (0.99,) * len(value), middles=middles)
        answer = read_cyrillic([cell], [first], fail, set(), sure=False, check=lambda: None)
        assert answer[0].text == value


def read_beside(first: LineText, second: LineText) -> str:
    """A line below one that is Cyrillic without a doubt."""
    lines = iter([text("Порт"), second])
    answer = read_cyrillic(
        [LINE] * 2, [text("--"), first], lambda _: next(lines), set(), sure=False, check=lambda: None
    )
    return answer[1].text


def test_cyrillic_word_beside_longer_latin_ones() -> None:
    mail = LineText("ota: office@harbour.example", (0.6,) * 4 + (0.99,) * 23)
    assert read_beside(mail, text("Почта: offlce@harbour.example")) == "Почта: office@harbour.example"
    edition = LineText("Bec Windows 10 Pro", (0.6,) * 3 + (1.0,) * 15)
    assert read_beside(edition, text("Версия Windows 10 Pro")) == "Версия Windows 10 Pro"
    # Read for sure, or of letters that Latin has too.
    assert read_beside(text("Type C Windows", 0.98), text("Туре С Windows")) == "Type C Windows"
    assert read_beside(text("Type C Windows", 0.8), text("Туре С Windows")) == "Type C Windows"


def test_specks_beside_a_line_are_no_marks() -> None:
    """Unless the main model has seen some."""
    assert read([",  ."], "`Падалица, на сок.") == ["Падалица, на сок."]
    assert read([",  ."], "Падалица, на сок. |") == ["Падалица, на сок."]
    assert read(["'  '"], "'Падалица'") == ["'Падалица'"]


def test_unit_behind_a_number() -> None:
    """One letter, which looks like a Chinese bracket."""
    assert read_beside(text("250「", 0.99), text("250 г", 0.65)) == "250 г"


def read_days(first: dict[str, float], second: list[str]) -> list[str]:
    words = iter(second)
    texts = [text(word, confidence) for word, confidence in first.items()]
    lines = [LINE[:, :60]] * len(texts)
    answer = read_cyrillic(lines, texts, lambda _: text(next(words), 0.93), set(), sure=False, check=lambda: None)
    return [one.text for one in answer]


def test_short_words_tell_their_script_together() -> None:
    """A calendar's head, in which no word alone is sure to be Cyrillic."""
    days = {"NH": 0.7, "BT": 0.99, "Cp": 0.7, "4T": 0.75, "Dr": 0.65}
    assert read_days(days, ["Пн", "Вт", "Ср", "Чт", "Пт"]) == ["Пн", "Вт", "Ср", "Чт", "Пт"]
    latin = {"Mo": 0.99, "Di": 1.0, "Mi": 0.98, "Do": 1.0, "Fr": 0.99}
    assert read_days(latin, ["Мо", "Ви", "Мі", "Во", "Ег"]) == list(latin)


def test_words_between_figures_and_letters_that_look_alike_are_read() -> None:
    """An address, a telephone: of its words nothing is read, or a letter, and the digits of the main model stay."""
    places = (*np.linspace(0.02, 0.2, 6).tolist(), 0.22, 0.22, 0.5, 0.5, 0.9, 0.9, 0.95)
    address = LineText("123007, , . 3", (0.98,) * 13, middles=places)
    assert read_one(address, "123001, Москва, Полевая, 3") == "123007, Москва, Полевая, 3"
    line = LineText(
        "T./: (812) 334", (0.98,) * 14, middles=(0.02, 0.2, 0.22, 0.4, *np.linspace(0.42, 0.97, 10).tolist())
    )
    assert read_one(line, "Тел./факс: (812) 384") == "Тел./факс: (812) 334"
    assert read_one(line, "Tel./fax: (812) 334") == line.text
    assert read_one(line, "Тел./факс: 11") == line.text
    assert read_one(line, "ТОР./ХО: (812) 334") == line.text


def read_one(line: LineText, second: str) -> str:
    return read_cyrillic([LINE], [line], lambda _: text(second), set(), sure=False, check=lambda: None)[0].text


def justify(value: str, space: float) -> LineText:
    """A line whose letters are a step wide each, and its spaces `space`; hardly read for sure."""
    steps = np.cumsum([space if character == " " else 1.0 for character in value])
    return LineText(value, (0.98,) * len(value), middles=tuple((0.98 * steps / steps[-1]).tolist()))


def test_wide_spaces_of_justified_lines_are_no_missing_words() -> None:
    """The model for Cyrillic takes its time: it is asked for none of an English page's lines."""
    asked: list[Pixels] = []

    def recognize(line: Pixels) -> LineText:
        asked.append(line)
        return text("")

    lines = ["the harbour was built of", "stone from the quay’s end,", "and 12 ships lay in it"]
    texts = [justify(line, space) for line, space in zip(lines, (2.5, 4.0, 6.0), strict=True)]
    assert read_cyrillic([LINE] * 3, texts, recognize, set(), sure=False, check=lambda: None) == texts
    assert not asked


def test_cyrillic_that_looks_greek() -> None:
    greek, hebrew = (ScriptGuess(((script, 0.97), ("Cyrillic", 0.03))) for script in ("Greek", "Hebrew"))

    def keep(guess: ScriptGuess, second: str, confidence: float) -> bool:
        return drop_siblings([guess], [LINE], lambda _: text(second, confidence), lambda: None) == [guess]

    assert not keep(greek, "ООО «Ромашка»", 0.95)
    assert keep(greek, "То ВВЛю", 0.8)
    assert keep(greek, "Nooo", 0.95)
    assert keep(hebrew, "ООО «Ромашка»", 0.95)


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
