"""Lines that were read, and how pieces of one are put together."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from common.geometry import Box, Rectangle, union
from textlines.box_shapes import TickBox
from textlines.detection import TextLine
from textlines.tick_boxes import Rows, Walls, label_index, no_walls
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.unread import ScriptGuess

MAX_SHORT = 2  # so few characters read upside down as well as upright
NUMBER_LETTERS = 3  # letters that a number may have: a unit, a currency


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word of a line; `box` in pixels of the crop, `confidence` 0 to 1."""

    text: str
    box: Rectangle
    confidence: float


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A text line in place: `box` in pixels of the crop, `place` as it was found. `unread`: its script, where that is
    none that a model reads; `text` is worth nothing then. `unread_words`: the script of words that the line holds
    beside its text. `words`: those of the text in its order, where they were asked for."""

    box: Box
    text: LineText
    upside_down: bool = False
    unread: ScriptGuess | None = None
    place: TextLine | None = None
    words: tuple[ReadWord, ...] = ()
    unread_words: ScriptGuess | None = None


def is_number(text: str) -> bool:
    """Whether it is a number, perhaps with a unit behind it; a dash stands for none."""
    signs = [character for character in text if character.isalnum()]
    return not signs or (signs[0].isdigit() and sum(map(str.isalpha, signs)) <= NUMBER_LETTERS)


def markup(text: str) -> LineText:
    """Text that was not read from the picture and so has no confidence."""
    return LineText(text, ())


def are_right_to_left(lines: Sequence[ReadLine]) -> bool:
    """Whether the text goes on to the left on the page: Arabic and Hebrew do, and what stands upside down."""
    classes = [unicodedata.bidirectional(character) for line in lines for character in line.text.text]
    is_turned = 2 * sum(line.upside_down for line in lines) > len(lines)
    return (classes.count("R") + classes.count("AL") > classes.count("L")) != is_turned


def concatenate(before: ReadLine, joint: str, after: ReadLine) -> ReadLine:
    text = f"{before.text.text}{joint}{after.text.text}"
    confidences = *before.text.confidences, *(1.0,) * len(joint), *after.text.confidences
    unread, words = before.unread or after.unread, (*before.words, *after.words)
    has_look_alikes = bool(before.text.cyrillic or after.text.cyrillic)
    ends = [line.text.cyrillic or line.text.text for line in (before, after)]
    cyrillic = joint.join(ends) if has_look_alikes else ""
    unread_words = before.unread_words or after.unread_words
    return replace(
        before,
        text=LineText(text, confidences, cyrillic=cyrillic),
        unread=unread,
        words=words,
        unread_words=unread_words,
    )


def make_sign(one: TickBox, *, with_words: bool) -> ReadLine:
    """The box as a line of its own."""
    sign = "☒" if one.is_ticked else "☐"
    return ReadLine(one.box, LineText(sign, (1.0,)), words=(ReadWord(sign, one.box, 1.0),) if with_words else ())


def add_tick_boxes(
    lines: Sequence[ReadLine], boxes: Sequence[TickBox], find_walls: Walls = no_walls, *, with_words: bool
) -> list[ReadLine]:
    """The lines with ☐ or ☒ before them, or behind them, where a drawn box stands there, between the same walls."""
    result, places = list(lines), Rows([line.box for line in lines], find_walls)
    runs_left = 2 * sum(are_right_to_left([line]) for line in lines) > len(lines)
    are_left = [are_right_to_left([line]) if len(line.text.text) > MAX_SHORT else runs_left for line in lines]
    # Against the text, so that of two boxes before it the nearer one stands nearer.
    for one in sorted(boxes, key=lambda box: box.box[0], reverse=not runs_left):
        if (owner := label_index(one, places, runs_left=runs_left)) is not None:
            (index, is_on_left), sign = owner, make_sign(one, with_words=with_words)
            line, is_before = result[index], is_on_left != are_left[index]
            joined_line = concatenate(sign, " ", line) if is_before else concatenate(line, " ", sign)
            box = union([line.box, one.box])
            result[index] = replace(line, text=joined_line.text, box=box, words=joined_line.words)
            places.widen(index, one)
    return result
