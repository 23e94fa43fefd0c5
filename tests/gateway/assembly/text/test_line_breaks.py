"""Lines that the page ends on purpose, and lines that are wrapped."""

from __future__ import annotations

import pytest

from gateway.assembly.text.line_breaks import find_hard_breaks

ADDRESS = ["Herr Anton Berger", "Lange Gasse 14", "80331 München"]
HOURS = ["Mon: 9 to 12", "Tue: closed", "Wed: by appointment", "Thu: 9 to 12"]
RECEIPT = ["Item Qty Price", "White bread 1 2.10", "Poppy seed roll 4 2.80", "Plum cake 2 5.00", "Total 9.90"]
POEM = ["Under the bridge the river turns", "and takes", "the lamps along,", "one after one,", "out past the weir"]
QUATRAIN = [
    "The keeper walks his hundred stairs",
    "And counts them, one by one,",
    "And no one knows and no one cares",
    "Before the work is done.",
]
GERMAN = [
    "Der Hafenmeister zählte am Morgen die",
    "Schiffe im Nebel und trug sie in das",
    "Buch ein, das auf dem",
    "Tisch am Fenster lag.",
]
PROSE = [
    "The keeper of the lighthouse writes down each ship that passes",
    "before dawn. He has done so for thirty years, and his books fill",
    "two shelves. Nobody has ever asked to read them, but he",
    "keeps them dry.",
]
CHINESE = ["灯塔看守人记下黎明前经过的每一艘船，三", "十年来一直如此，他的本子占满了两个书架", "，从来没有人要求看。"]
VERSE = [
    "Der Nebel hebt die weiße Hand,",
    "die Möwen stehn im Wind,",
    "ein alter Kahn liegt hoch am Strand,",
    "in dem die Mäuse sind.",
]
CHINESE_VERSE = ["床前明月光，", "疑是地上霜。", "举头望明月，", "低头思故乡。"]
TILL = ["Хлеб ржаной         52.00", "Молоко 2 x 89.90    179.80", "Сыр 0.345 кг       241.15"]
METRE = ["夜泊港口边", "灯影照寒川", "守夜人独坐", "潮声入梦眠"]
DATES = [
    "Datum vystavení: 3. 6. 2026",
    "Datum splatnosti: 17. 6. 2026",
    "Variabilní symbol: 20260417",
    "Úhrada: převodem",
]
CONTACT = [
    "Портовая контора",
    "ул. Набережная, 14",
    "197101 Санкт-Петербург",
    "тел. (812) 555-01-42",
    "почта: a@b.example",
]
INGREDIENTS = ["2 стакана муки", "3 яйца", "100 г сахара", "1 пакетик дрожжей", "щепотка соли"]
MASTHEAD = ["Herausgegeben von der Hafenverwaltung", "www.elmhafen.example"]
NARROW = ["Quay workers met", "Monday evening", "in the hall and", "voted at length", "on a new rota"]


@pytest.mark.parametrize(
    ("lines", "room"),
    [
        (ADDRESS, 3.0),
        (HOURS, 1.0),
        (RECEIPT, 1.0),
        (POEM, 2.0),
        (QUATRAIN, 1.0),
        (VERSE, 1.0),
        (CHINESE_VERSE, 1.0),
        (MASTHEAD, 1.8),
        (METRE, 2.0),
        (["Суп дня 250 г 180 руб.", "пельмени 300 г 240 руб.", "компот 200 мл 60 руб."], 1.2),
        (["9", "7", "1"], 1.0),
        (["1 200,50", "87,00", "412,30", "96,20"], 1.0),
        (DATES, 1.0),
        (CONTACT, 2.0),
        (INGREDIENTS, 3.0),
        (["Линдхольм Вера Андреевна", "ул. Верхняя, д. 27, кв. 5", "185000, г. Петрозаводск"], 1.3),
        (["Исх. № 417", "от 3 июня 2026 г."], 4.0),
        (TILL, 1.0),
        (["Yours sincerely,", "Ruth Lang"], 4.0),
    ],
)
def test_lines_stay(lines: list[str], room: float) -> None:
    assert find_hard_breaks(lines, room) == [True] * (len(lines) - 1)


@pytest.mark.parametrize(
    ("lines", "room"),
    [(PROSE, 1.0), (PROSE, 2.0), (METRE, 1.0), (CHINESE, 1.0), (CHINESE, 2.5), (NARROW, 1.0), (ADDRESS[:1], 3.0)],
)
def test_prose_is_wrapped(lines: list[str], room: float) -> None:
    assert not any(find_hard_breaks(lines, room))


def test_long_lines_that_end_with_marks_are_prose() -> None:
    """Three paragraphs of two lines each, whose first line happens to end with a comma."""
    first = "The three clerks of the harbour office write down each crate that comes in before noon,"
    assert not any(
        find_hard_breaks([first, "and copy the figures into the ledger by hand, in green ink, as ever."] * 3)[::2]
    )


def test_nouns_at_the_beginning_of_lines_are_no_verse() -> None:
    """German prose, ragged: the one short line ends, the others are wrapped."""
    assert find_hard_breaks(GERMAN) == [False, False, True]


def test_amounts_in_prose_end_few_lines() -> None:
    lines = [
        "The harbour office paid the baker 12.50",
        "for bread and another eleven for cakes, which is",
        "more than usual, 23.50",
    ]
    assert not any(find_hard_breaks(lines))


def test_narrow_column_of_a_newspaper_in_wide_room() -> None:
    """One of its lines ends early, before a word that does not look long."""
    lines = [
        "Individuals outside the United States",
        "should use the relay services offered",
        "within their country to make",
        "international calls to the point of",
        "contact named in the notice above,",
        "and have the number of the case ready",
    ]
    assert not any(find_hard_breaks(lines, 3.0))


def test_items_that_go_on_in_wide_room() -> None:
    lines = [
        "Berths are let by the week,",
        "and by the day",
        "Cranes",
        "Crates are kept for ten days,",
        "and then sold",
    ]
    assert find_hard_breaks(lines, 3.0) == [False, True, True, False]


def test_salutation_before_prose() -> None:
    assert find_hard_breaks(["Dear Mr Berger,", *PROSE], 1.0) == [True, False, False, False]


def test_contents_with_dots() -> None:
    lines = ["1 The harbour and its offices ........ 4", "2 Tides ........ 11", "and how to read them"]
    assert find_hard_breaks(lines)[0] is True


def test_divided_word_is_joined() -> None:
    assert find_hard_breaks(["a list of won-", "derful things that are long", "Ships", "Quays"], 3.0)[0] is False


def test_formula_source_counts_as_shown() -> None:
    """Of LaTeX only what is printed takes room: the short first line here is no full one."""
    lines = [r"Let $\alpha_{1}$ be it", "Then all that was said of the first case holds of the second one", "too."]
    assert find_hard_breaks(lines)[0] is True
