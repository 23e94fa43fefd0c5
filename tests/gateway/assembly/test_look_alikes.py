"""Words that are the same print in two scripts, on pages of either."""

from __future__ import annotations

from gateway.assembly.look_alikes import settle_look_alikes
from gateway.model import Reading, TextLine, Word

RUSSIAN = Reading("Портовая контора открыла новую весовую.")
ENGLISH = Reading("The harbour office opened its new weighing room.")


def line(text: str) -> TextLine:
    words = [Word(text=word, bbox=(0, 0, 10, 10)) for word in text.split()]
    return TextLine(text=text, bbox=(0, 0, 100, 10), words=words, source="engine")


def settle(*readings: Reading) -> list[str]:
    return [reading.text for reading in settle_look_alikes(readings)]


def test_page_decides() -> None:
    title = Reading("AKT", lines=(line("AKT"),), look_alikes=("Акт",))
    assert settle(title, RUSSIAN)[0] == "Акт"
    assert settle(title, ENGLISH)[0] == "AKT"
    assert settle(title)[0] == "AKT"


def test_latin_names_on_a_russian_page_stay() -> None:
    names = Reading("BMW X5", lines=(line("BMW X5"),), look_alikes=(None,))
    assert settle(names, RUSSIAN) == ["BMW X5", RUSSIAN.text]


def test_only_that_line_of_a_text_changes() -> None:
    text = "TOP 100\nPOCT\n\nTOP 100"
    lines = line("TOP 100"), line("POCT"), line("TOP 100")
    (read, _) = settle_look_alikes([Reading(text, lines=lines, look_alikes=(None, "РОСТ", None)), RUSSIAN])
    assert read.text == "TOP 100\nРОСТ\n\nTOP 100"
    assert [[word.text for word in one.words] for one in read.lines or ()] == [["TOP", "100"], ["РОСТ"], ["TOP", "100"]]


def test_cells_of_a_table() -> None:
    table = Reading("<fcel>Bec<fcel>5<nl>", lines=(line("Bec"), line("5")), look_alikes=("Вес", None))
    assert settle(table, RUSSIAN)[0] == "<fcel>Вес<fcel>5<nl>"
