"""A made corpus of readings: VLM answers that went round in circles, and documents that repeat themselves for real.

Each has the size of its region, laid out in print of 6 to 12 points at 144 dpi: a real repetition has its room, of a
runaway only the text before it and two copies have. Deterministic. What it can't show is how often a model does what.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

MAX_TOKENS = 4096
EXAMPLES_A_KIND = 15
PX_PER_POINT = 2
WRAPPED = (30, 60, 90)
_TOKEN = re.compile(r"<[^<>\n]+>|\\[A-Za-z]+|[一-鿿]|\d|[^\W\d_]{1,4}|\S|\n")
_CELL = re.compile(r"<[felux]cel>")

_WORDS = {
    "en": "the harbour master recorded every vessel that entered before noon and its cargo of timber wool grain",
    "ru": "начальник порта записывал каждое судно которое входило до полудня и его груз леса шерсти зерна",
}
WORDS: Mapping[str, Sequence[str]] = {script: words.split() for script, words in _WORDS.items()} | {
    "zh": list("港务长记录每艘中午以前进港的船以及它所载的木材羊毛和粮食货物清单")
}
NAMES = {"en": ("Smith", "Jones"), "ru": ("Иванов", "Петрова"), "zh": ("王伟", "李娜")}
YES = {"en": "yes", "ru": "да", "zh": "是"}
FIGURE = {"en": "Figure", "ru": "Рисунок", "zh": "图"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What the VLM wrote; `width` and `height` of the region in pixels; `before`: characters before the loop."""

    kind: str
    script: str
    text: str
    width: int
    height: int
    before: int = 0


Maker = Callable[[random.Random, str], str]


def tokens(text: str) -> int:
    """About as many as PaddleOCR-VL's tokenizer would make: a tag, a digit, a Chinese letter, four other letters."""
    return len(_TOKEN.findall(text))


def runaways() -> Iterator[Reading]:
    """Each goes on to the token limit."""
    for number, (kind, unit) in enumerate(_UNITS.items()):
        for example in range(EXAMPLES_A_KIND):
            rng = random.Random(1000 * number + example)
            script = ("en", "ru", "zh")[example % 3]
            before = _beginning(kind, rng, script)
            copy = unit(rng, script)
            text, at = before, 0
            while len(_TOKEN.findall(text)) < MAX_TOKENS:
                text += "".join(copy(at + more) for more in range(50))
                at += 50
            width, height = _size(before + copy(0) + copy(1), rng, script)
            yield Reading(kind, script, _first_tokens(text), width, height, len(before))


def honest() -> Iterator[Reading]:
    for number, (kind, make) in enumerate(_DOCUMENTS.items()):
        for example in range(EXAMPLES_A_KIND):
            rng = random.Random(1_000_000 + 1000 * number + example)
            script = ("en", "ru", "zh")[example % 3]
            text = make(rng, script)
            yield Reading(kind, script, text, *_size(text, rng, script))


def _first_tokens(text: str) -> str:
    for number, found in enumerate(_TOKEN.finditer(text), 1):
        if number == MAX_TOKENS:
            return text[: found.end()]
    return text


def _beginning(kind: str, rng: random.Random, script: str) -> str:
    if kind.startswith("table"):
        return "".join(_row([_word(rng, script) for _ in range(4)]) for _ in range(rng.randint(1, 8)))
    if kind.startswith("formula"):
        return r"\mathbf { A } = \begin{array} { c c c } a _ { 1 } & b _ { 1 } & c _ { 1 } \\ "
    return _prose(rng, script, rng.choice((8, 40, 120, 400)))


def _size(text: str, rng: random.Random, script: str) -> tuple[int, int]:
    """Of a region that holds the text in print of some size."""
    em = rng.choice((6, 7, 8, 9, 10, 11, 12)) * PX_PER_POINT
    letter = em if script == "zh" else em / 2
    if "<nl>" in text:
        rows = [_CELL.split(row)[1:] for row in text.split("<nl>") if row]
        columns = max(map(len, rows))
        widest = max(len(cell) for row in rows for cell in row)
        return round(columns * (widest + 2) * letter), round(len(rows) * 1.5 * em)
    if text.startswith("\\"):
        formulas = [re.sub(r"\\[a-z]+|[{}_ ]", "", row) for row in text.split("\\\\")]
        return round(1.5 * letter * max(map(len, formulas))), round(1.5 * em * len(formulas))
    wrapped = rng.choice(WRAPPED)
    lines = [line[at : at + wrapped] for line in text.split("\n") for at in range(0, len(line) or 1, wrapped)]
    return round(max(_width(line, em, letter) for line in lines)), round(em * (1 + 1.25 * (len(lines) - 1)))


def _width(line: str, em: int, letter: float) -> float:
    """Dots, dashes and blanks are about a quarter of an em wide in most print."""
    return sum(0.27 * em if letter_ in ". -·|" else letter for letter_ in line)


def _word(rng: random.Random, script: str) -> str:
    return "".join(rng.choices(WORDS[script], k=2)) if script == "zh" else rng.choice(WORDS[script])


def _prose(rng: random.Random, script: str, words: int) -> str:
    """Sentences, and a number here and there."""
    parts = [str(rng.randint(2, 2000)) if rng.random() < 0.05 else _word(rng, script) for _ in range(words)]
    return ("" if script == "zh" else " ").join(parts) + (". " if script != "zh" else "。")


def _row(cells: Sequence[str]) -> str:
    return "".join(f"<fcel>{cell}" if cell else "<ecel>" for cell in cells) + "<nl>"


def _table(rows: int, columns: int, cell: Callable[[int, int], str]) -> str:
    return "".join(_row([cell(row, column) for column in range(columns)]) for row in range(rows))


Copy = Callable[[int], str]


def _same(unit: str) -> Copy:
    return lambda _at: unit


def _varying(rng: random.Random, script: str) -> Copy:
    word = _word(rng, script)
    return lambda _at: f"{word} {rng.randint(10, 99)}, "


def _counted_rows(rng: random.Random, script: str) -> Copy:
    word = _word(rng, script)
    return lambda at: _row([str(at + 1), word, "", ""])


_UNITS: Mapping[str, Callable[[random.Random, str], Copy]] = {
    "one character": lambda rng, _script: _same(rng.choice("0.-一a_⋯")),
    "digits": lambda rng, _script: _same(str(rng.randint(10**3, 10**9))),
    "a word": lambda rng, script: _same(_word(rng, script) + " "),
    "a phrase": lambda rng, script: _same(_prose(rng, script, 5)),
    "a sentence": lambda rng, script: _same(_prose(rng, script, 20)),
    "a paragraph": lambda rng, script: _same(_prose(rng, script, 70) + "\n"),
    "a line": lambda rng, script: _same(_prose(rng, script, 6) + "\n"),
    "several lines": lambda rng, script: _same(
        "\n".join(_prose(rng, script, rng.randint(3, 8)) for _ in range(rng.randint(2, 8))) + "\n"
    ),
    "numbers that grow": lambda rng, _script: (lambda step: lambda at: f"{step * (at + 1)}. ")(rng.randint(1, 5)),
    "captions that grow": lambda _rng, script: lambda at: f"{FIGURE[script]} {at + 12} ",
    "lines that grow": lambda rng, script: (lambda word: lambda at: f"{at + 1}) {word} {at + 5}\n")(_word(rng, script)),
    "table: a row": lambda rng, script: _same(_row([_word(rng, script), "", "0", ""])),
    "table: several rows": lambda rng, script: _same(_table(rng.randint(2, 6), 4, lambda *_: _word(rng, script))),
    "table: empty cells": lambda _rng, _script: _same("<ecel>"),
    "table: one cell": lambda rng, script: _same(f"<fcel>{_word(rng, script)}"),
    "table: rows that grow": _counted_rows,
    "formula: entries": lambda rng, _script: _same(rng.choice(("0 & ", "\\quad ", "a _ { 1 } & 0 \\\\ "))),
    "numbers at random": _varying,
}


def _numbered(rng: random.Random, script: str) -> str:
    return "\n".join(f"{at}. {_prose(rng, script, 3)}" for at in range(1, rng.randint(50, 200)))


def _contents(rng: random.Random, script: str) -> str:
    dots = rng.choice((".", ". ", "·", " . ")) * rng.randint(20, 60)
    return "\n".join(f"{at} {_prose(rng, script, 3)}{dots} {7 * at}" for at in range(1, rng.randint(5, 40)))


def _form(rng: random.Random, script: str) -> str:
    line = "_" * rng.randint(20, 80)
    return "\n".join(f"{_word(rng, script)}: {line}" for _ in range(rng.randint(3, 30)))


def _matrix(rng: random.Random, _script: str) -> str:
    size = rng.randint(4, 16)
    rows = [" & ".join("1" if row == column else "0" for column in range(size)) for row in range(size)]
    return r"\begin{array} { " + "c " * size + "} " + r" \\ ".join(rows) + r" \end{array}"


def _refrain(rng: random.Random, script: str) -> str:
    refrain = "\n".join(_prose(rng, script, 5) for _ in range(4))
    return "\n".join(f"{_prose(rng, script, 20)}\n{refrain}" for _ in range(rng.randint(3, 8)))


def _numeric(rng: random.Random, _script: str) -> str:
    return _table(rng.randint(10, 50), rng.randint(4, 12), lambda *_: f"{rng.uniform(0, 100):.1f}")


def _constant(cell: str, rng: random.Random, _script: str) -> str:
    return _table(rng.randint(5, 60), rng.randint(3, 12), lambda *_: cell)


_DOCUMENTS: Mapping[str, Maker] = {
    "prose": lambda rng, script: _prose(rng, script, rng.randint(20, 400)),
    "list, numbered": _numbered,
    "table of zeros": partial(_constant, "0"),
    "table of 0.00": partial(_constant, "0.00"),
    "table of N/A": partial(_constant, "N/A"),
    "table, empty": partial(_constant, ""),
    "table of numbers": _numeric,
    "table, rows numbered, else empty": lambda rng, _script: _table(
        rng.randint(20, 100), rng.randint(3, 8), lambda row, column: "" if column else str(row + 1)
    ),
    "contents with leaders": _contents,
    "leaders alone": lambda rng, _script: (
        rng.choice((".", "-", "_", "- ", ". ", "·", "=", "* ")) * rng.randint(40, 150)
    ),
    "form with lines": _form,
    "lines, numbered, else empty": lambda rng, _script: "\n".join(
        f"{at}. ______" for at in range(1, rng.randint(15, 60))
    ),
    "page of yes": lambda rng, script: "\n".join([YES[script]] * rng.randint(20, 90)),
    "yes in columns": lambda rng, script: f"{YES[script]} " * rng.randint(100, 600),
    "names again and again": lambda rng, script: "\n".join(
        rng.choice((f"{NAMES[script][0]}: ______", f"{NAMES[script][0]} / {NAMES[script][1]}"))
        for _ in range(rng.randint(20, 60))
    ),
    "labels, all the same": lambda rng, script: f"{_prose(rng, script, 12)}\n" * rng.choice((8, 21, 24, 30, 65)),
    "song with a refrain": _refrain,
    "litany": lambda rng, script: f"{_prose(rng, script, 4)}\n" * rng.randint(20, 80),
    "scale": lambda rng, _script: (lambda step: " ".join(str(step * at) for at in range(rng.randint(20, 120))))(
        rng.choice((1, 5, 10, 25))
    ),
    "matrix": _matrix,
    "handwriting exercise": lambda rng, script: (rng.choice(WORDS[script])[0] + " ") * rng.randint(60, 300),
    "punched numbers": lambda rng, _script: "\n".join(["0000 0000 0000 0000"] * rng.randint(10, 60)),
}
