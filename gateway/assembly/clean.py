"""Readings as the engine wrote them to text that every format can hold."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from itertools import pairwise

from gateway.assembly.text.formulas import convert_delimiters, disarm_formulas, extract_latex, strip_delimiters
from gateway.labels import CAPTION_LABELS, is_formula
from gateway.model import Reading, Region
from gateway.recognition.repetition import is_suspicious, remove_loop

_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_HALF = re.compile(r"[\ud800-\udfff]")
_TICKED_BOX = re.compile(
    r"""[☑☒🗷🗹🗵]|✅
    | (?m:^[✓✔](?=[^\S\n]*\w))
    | \$\s*\\(?:boxtimes|boxed\{\s*\\(?:checkmark|times)\s*\})\s*\$""",
    re.VERBOSE,
)
_LETTER_IN_BRACKETS = re.compile(r"(?m:^\[[xXхХ×✓✔]\](?=[^\S\n]+\w))")
_SOURCE = re.compile(r"(?m:^\[(?:\d+|[^\W\d_]+\d\w*)\][^\S\n])")
"""The head of an entry in a list of sources: there letters in brackets are heads, too."""
_EMPTY_BOX = re.compile(
    r"""☐ | [□▢◻❏❐❑❒⬜](?=[^\S\n]*\w) | (?m:^\[\](?=[^\S\n]+\w)) | \$\s*\\(?:square|Box)\s*\$(?=[^\S\n]*\w)""",
    re.VERBOSE,
)
_RADIO_BUTTON = re.compile(r"(?<![◉⦿🔘])[◉⦿🔘](?=[^\S\n]*\w)")
_EMPTY_RADIO_BUTTON = re.compile(r"(?<![○◯⚪])[○◯⚪](?=[^\S\n]*\w)")
_OPEN_FENCE = re.compile(r"^\s*\\[\[(]|\\[\])]\s*$")
MIN_HEADS = 2
"""Heads of a list that tell it from the choices of a form: of those the first may be the one that is made."""
_HTML_LABELS = CAPTION_LABELS | {"table", "chart", "seal", "spotting"}
"""Labels that Markdown shows as HTML, where a backslash escapes nothing, or that are parsed further."""


def clean_reading(reading: Reading, region: Region, *, is_vlm: bool) -> Reading:
    """The reading with Markdown's formulas, without loops and control characters; its status and error name what went.

    `is_vlm`: PaddleOCR-VL or another model wrote it. PP-OCR writes what the page shows: its backslashes delimit no
    formulas and what it repeats stands on the page.
    """
    text = strip_controls(reading.text)
    if is_vlm:
        reading = _cut_loop(replace(reading, text=text), region)
        text = _normalize_formulas(reading.text, region.label)
    text = disarm_formulas(text)
    return replace(reading, text=mark_tick_boxes(text) if region.label != "seal" else text)


def mark_tick_boxes(text: str) -> str:
    """Signs for boxes to tick as `[ ]` and `[x]`, so that every font shows whether one is ticked.

    A check mark, or a letter in brackets, is one only at the beginning of a line: elsewhere it may be a value. White
    squares are one before a text: on their own they may be a figure's, or stand for what could not be read. So are
    circles where some have a dot and others have none: else they begin the items of a list, or of two that are one
    within the other.
    """
    has_both = _RADIO_BUTTON.search(text) and _EMPTY_RADIO_BUTTON.search(text)
    if has_both and not _is_nested_list(text):
        text = _EMPTY_RADIO_BUTTON.sub(partial(_write_box, "[ ]"), _RADIO_BUTTON.sub(partial(_write_box, "[x]"), text))
    if not _SOURCE.search(text):
        text = _LETTER_IN_BRACKETS.sub(partial(_write_box, "[x]"), text)
    return _EMPTY_BOX.sub(partial(_write_box, "[ ]"), _TICKED_BOX.sub(partial(_write_box, "[x]"), text))


def _is_nested_list(text: str) -> bool:
    """Whether circles begin all lines: several ones with a dot, each of them the head of some without."""
    signs = [line.lstrip()[0] for line in text.split("\n") if line.strip()]
    heads = [place for place, sign in enumerate(signs) if sign in "◉⦿🔘"]
    if len(heads) < MIN_HEADS or heads[0] or not all(sign in "◉⦿🔘○◯⚪" for sign in signs):
        return False
    return all(after - before > 1 for before, after in pairwise([*heads, len(signs)]))


def _write_box(box: str, sign: re.Match[str]) -> str:
    following = sign.string[sign.end() : sign.end() + 1]
    return f"{box} " if following.isalnum() else box


def strip_controls(text: str) -> str:
    """Text that JSON, HTML and XML can hold: line ends are `\\n`, halves of characters U+FFFD, other controls gone."""
    return _HALF.sub("\ufffd", _CONTROL.sub("", _LINE_END.sub("\n", text)))


def _cut_loop(reading: Reading, region: Region) -> Reading:
    if not is_suspicious(reading, region):
        return reading
    text = remove_loop(reading.text, is_table=region.label == "table")
    if text == reading.text.strip():
        return reading
    reason = f"The reading repeated itself; {len(reading.text) - len(text)} repeated characters were left out."
    return replace(
        reading, text=text, status="truncated", error=f"{reading.error} {reason}" if reading.error else reason
    )


def _normalize_formulas(text: str, label: str) -> str:
    if label == "formula_number":
        return strip_delimiters(text)
    if is_formula(label):
        return _fence_formula(convert_delimiters(text, escape=False), label)
    return convert_delimiters(text, escape=label not in _HTML_LABELS)


def _fence_formula(text: str, label: str) -> str:
    """A formula without a fence, or with half of one, gets a whole one."""
    latex = "" if "$" in text else extract_latex(_OPEN_FENCE.sub("", text))
    if not latex:
        return text
    return f"${latex}$" if label == "inline_formula" else f"$$ {latex} $$"
