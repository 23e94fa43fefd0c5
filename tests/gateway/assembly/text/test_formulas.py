"""Delimiters of formulas, and dollars that are money."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.text.formulas import convert_delimiters, extract_latex, strip_delimiters, unescape_dollars


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (r"so \( a+b \) holds", "so $a+b$ holds"),
        (r"see \[ a^2 \] there", "see $$ a^2 $$ there"),
        (r"\[\[ x \]\]", "$$ x $$"),
        (r"costs $5, or \(x\) for $6", r"costs \$5, or $x$ for \$6"),
        (r"$5-$10 and \(n\)", r"\$5-\$10 and $n$"),
        (r"already \$5 and \(n\)", r"already \$5 and $n$"),
        (r"its own $y^2$ beside \(n\)", "its own $y^2$ beside $n$"),
        (r"\(cost = $5\)", r"$cost = \$5$"),
        (r"\( \begin{matrix} a \\[2pt] b \\ (c) \end{matrix} \)", r"$\begin{matrix} a \\[2pt] b \\ (c) \end{matrix}$"),
        ("costs $5 or $6", "costs $5 or $6"),
        (r"cut off \(x + ", r"cut off \(x + "),
        (r"empty \( \)", r"empty \( \)"),
    ],
)
def test_delimiters_and_prices(read: str, expected: str) -> None:
    assert convert_delimiters(read) == expected


def test_prices_in_html() -> None:
    assert convert_delimiters(r"$5 for \(x\)", escape=False) == "$5 for $x$"


def test_unescaped_prices() -> None:
    assert unescape_dollars(r"costs \$5 and $x = \$6$") == r"costs $5 and $x = \$6$"
    assert unescape_dollars(r"a shell's \$PATH") == r"a shell's \$PATH"


@pytest.mark.parametrize("read", [r"\((3)\)", r"(\(3\))", "$(3)$", "(3)", r"\[ (3) \]"])
def test_a_formula_number_has_no_delimiters(read: str) -> None:
    assert strip_delimiters(read) == "(3)"


def test_one_formula_is_told_from_prose() -> None:
    assert extract_latex(r"\[ a<b \]") == "a< b"
    assert extract_latex("these are words only") == ""


@given(st.text(alphabet="ab $5\\()[]\n", max_size=60))
def test_nothing_but_delimiters_is_changed(text: str) -> None:
    def bare(shown: str) -> str:
        return re.sub(r"[\s\\$()\[\]]", "", shown)

    written = convert_delimiters(text)
    assert bare(written) == bare(text)
    assert written.count("$") >= text.count("$")


def test_backslashes_are_linear() -> None:
    text = r"\(" + "\\" * 50_001 + "a"
    assert convert_delimiters(text) == text
