"""Words and numbers of the tables. Rows are written as in HTML: a cell stands in the row where it begins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell over several rows or columns; a plain string is a cell of one row and one column."""

    text: str
    rowspan: int = 1
    colspan: int = 1


Rows = tuple[tuple[Cell | str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of two header rows, two columns of words and then columns of numbers, with the text around it."""

    language: str
    intro: str
    caption: str
    rows: Rows
    note: str


ENGLISH = Table(
    language="en",
    intro=(
        "Traffic on the northern routes grew for the second year in a row. Most of the growth came in summer, when the "
        "larger vessels sail twice a day; in winter two of the five ships do not sail."
    ),
    caption="Table 3. Ferry passengers on the northern routes, thousands of people",
    rows=(
        (Cell("Route", rowspan=2), Cell("Vessel", rowspan=2), Cell("Summer", colspan=2), Cell("Winter", colspan=2)),
        ("2022", "2023", "2022", "2023"),
        (Cell("Skarvik to Holm", rowspan=2), "Aurora", "148", "161", "52", "57"),
        ("Tern", "96", "103", Cell("in harbour", colspan=2)),
        (Cell("Holm to Lund Island", rowspan=2), "Heron", "71", "69", "33", "35"),
        ("Plover", "40", "44", Cell("under repair", colspan=2)),
        ("Lund Island to Port Ness", "Gannet", "25", "31", "12", "14"),
        (Cell("Total", colspan=2), "380", "408", "97", "106"),
    ),
    note="Children under four travel free and are not counted.",
)

RUSSIAN = Table(
    language="ru",
    intro=(
        "Три последних года урожай понемногу рос. Больше всего яблок дала Антоновка, а молодой сад у пруда впервые "
        "принёс урожай только в 2023 году."
    ),
    caption="Таблица 1. Сбор яблок в садах хозяйства, тонны",
    rows=(
        (Cell("Сорт", rowspan=2), Cell("Участок", rowspan=2), Cell("Урожай по годам", colspan=3)),
        ("2021", "2022", "2023"),
        (Cell("Антоновка", rowspan=2), "Северный", "34", "41", "38"),
        ("Южный", "27", "30", "33"),
        ("Белый налив", "Южный", "18", "15", "21"),
        (Cell("Мельба", rowspan=2), "Северный", "12", "14", "13"),
        ("У пруда", Cell("сад ещё молод", colspan=2), "6"),
        (Cell("Итого", colspan=2), "91", "100", "111"),
    ),
    note="Падалица, отданная на сок, в таблицу не входит.",
)

CHINESE = Table(
    language="zh",
    intro="去年两家分馆的借阅量继续上升，下半年尤其明显。河西分馆的儿童阅览室因装修停开半年，七月重新开放后很快恢复。",
    caption="表2 各分馆全年借阅册次",
    rows=(
        (Cell("分馆", rowspan=2), Cell("读者", rowspan=2), Cell("上半年", colspan=2), Cell("下半年", colspan=2)),
        ("图书", "期刊", "图书", "期刊"),
        (Cell("东门分馆", rowspan=2), "成人", "3120", "840", "3355", "790"),
        ("儿童", "4210", "520", "4480", "505"),
        (Cell("河西分馆", rowspan=2), "成人", "1985", "610", "2040", "575"),
        ("儿童", Cell("装修停开", colspan=2), "2760", "315"),
        (Cell("合计", colspan=2), "9315", "1970", "12635", "2185"),
    ),
    note="注：续借不重复计算。",
)
