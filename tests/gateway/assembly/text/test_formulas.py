"""Delimiters of formulas, and dollars that are money."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.text.formulas import latex_of, with_dollars, without_delimiters, without_escapes


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
def test_delimiters_become_dollars_and_prices_keep_theirs(read: str, expected: str) -> None:
    assert with_dollars(read) == expected


def test_where_html_shows_the_text_prices_are_not_escaped() -> None:
    assert with_dollars(r"$5 for \(x\)", escape=False) == "$5 for $x$"


def test_plain_text_has_its_prices_back_and_its_formulas_as_they_are() -> None:
    assert without_escapes(r"costs \$5 and $x = \$6$") == r"costs $5 and $x = \$6$"
    assert without_escapes(r"a shell's \$PATH") == r"a shell's \$PATH"


@pytest.mark.parametrize("read", [r"\((3)\)", r"(\(3\))", "$(3)$", "(3)", r"\[ (3) \]"])
def test_a_formula_number_has_no_delimiters(read: str) -> None:
    assert without_delimiters(read) == "(3)"


def test_one_formula_is_told_from_prose() -> None:
    assert latex_of(r"\[ a<b \]") == "a< b"
    assert latex_of("these are words only") == ""


@given(st.text(alphabet="ab $5\\()[]\n", max_size=60))
def test_nothing_but_delimiters_is_changed(text: str) -> None:
    def bare(shown: str) -> str:
        return re.sub(r"[\s\\$()\[\]]", "", shown)

    written = with_dollars(text)
    assert bare(written) == bare(text)
    assert written.count("$") >= text.count("$")


def test_a_run_of_backslashes_takes_no_time() -> None:
    text = r"\(" + "\\" * 50_001 + "a"
    assert with_dollars(text) == text
