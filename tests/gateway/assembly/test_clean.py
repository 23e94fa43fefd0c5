"""Readings made fit for every format."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.clean import clean_reading, mark_tick_boxes
from gateway.labels import LABELS
from gateway.model import Reading, Region


def cleaned(text: str, label: str = "text", *, is_vlm: bool = True, **more: str) -> Reading:
    return clean_reading(Reading(text, **more), Region(label, (0, 0, 600, 40), 1), is_vlm=is_vlm)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "read", "expected"),
    [
        ("text", r"a \(x\) for $5", r"a $x$ for \$5"),
        ("table", r"<fcel>\(x\)<fcel>$5<nl>", "<fcel>$x$<fcel>$5<nl>"),
        ("formula_number", r"\((12)\)", "(12)"),
        ("display_formula", r"\[ E=mc^2 \]", "$$ E=mc^2 $$"),
        ("display_formula", r"\frac{a}{b}", r"$$ \frac{a}{b} $$"),
        ("display_formula", r"\[ \frac{a}{b} +", r"$$ \frac{a}{b} + $$"),
        ("display_formula", "no formula but some words", "no formula but some words"),
        ("inline_formula", "x_1", "$x_1$"),
    ],
)
def test_formulas_stand_in_dollars(label: str, read: str, expected: str) -> None:
    assert cleaned(read, label).text == expected


@pytest.mark.parametrize("read", [r"the regex \(.*\) costs $5", "_" * 2000])
def test_pp_ocr_readings_stay(read: str) -> None:
    assert cleaned(read, is_vlm=False) == Reading(read)


def test_loop_is_cut_and_named() -> None:
    reading = cleaned("so it goes " * 200, error="The reading was cut off at 4096 tokens.", status="truncated")
    assert reading.text == "so it goes"
    assert reading.status == "truncated"
    assert reading.error is not None
    assert reading.error.startswith("The reading was cut off at 4096 tokens. The reading repeated itself; ")


def test_finished_loop_is_named() -> None:
    reading = cleaned("so it goes " * 200)
    assert (reading.text, reading.status) == ("so it goes", "truncated")


def test_controls_and_surrogates() -> None:
    reading = cleaned("a\x00b\x1b[0m\ud83d\r\nnext\x0cpage", is_vlm=False)
    assert reading.text == "ab[0m\ufffd\nnext\npage"
    assert json.dumps(reading.text, ensure_ascii=False).encode()


@given(st.text(st.characters(), max_size=80), st.sampled_from(sorted(LABELS)), st.booleans())
def test_any_reading(text: str, label: str, is_vlm: bool) -> None:
    cleaned(text, label, is_vlm=is_vlm).text.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("☒ Danger ☐ Cold", "[x] Danger [ ] Cold"),
        ("☑Yes", "[x] Yes"),
        ("[X] Danger\n[] Cold\n[Х] Опасно", "[x] Danger\n[ ] Cold\n[x] Опасно"),
        ("[1] A. Berg, Tides.\n[X] C. Okafor, Shoals.", "[1] A. Berg, Tides.\n[X] C. Okafor, Shoals."),
        ("see [X] there, a[] b", "see [X] there, a[] b"),
        ("□是 □否", "[ ] 是 [ ] 否"),
        ("✓ done\n✔ paid", "[x] done\n[x] paid"),
        ("$\\square$ Yes, $\\boxtimes$ No", "[ ] Yes, [x] No"),
        ("value ✓", "value ✓"),
        ("which was to be shown. □", "which was to be shown. □"),
        ("Paid: ◉ card ○ cash", "Paid: [x] card [ ] cash"),
        ("◉card\n○ cash", "[x] card\n[ ] cash"),
        ("Paid:\n○ cash\n◉ card\nSent:\n◉ post\n○ van", "Paid:\n[ ] cash\n[x] card\nSent:\n[x] post\n[ ] van"),
        ("○ first item\n○ second item", "○ first item\n○ second item"),
        ("◉ お知らせ\n営業時間", "◉ お知らせ\n営業時間"),
        ("◉ お知らせ\n○○駅から徒歩", "◉ お知らせ\n○○駅から徒歩"),
        ("味 ◉\n○ 駅から", "味 ◉\n○ 駅から"),
        ("◉ Fruit\n○ apple\n○ pear\n◉ Roots\n○ beet", "◉ Fruit\n○ apple\n○ pear\n◉ Roots\n○ beet"),
    ],
)
def test_signs_for_tick_boxes(text: str, expected: str) -> None:
    assert mark_tick_boxes(text) == expected
