"""LaTeX as Word's equations."""

from __future__ import annotations

import pytest
from docx.oxml.ns import qn
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.docx.equations import convert_latex


def shape(latex: str) -> str:
    """The equation's elements, without runs and properties, and its text in brackets."""
    found = convert_latex(latex)
    assert found is not None, latex
    return outline(found)


def outline(node: object) -> str:
    tag = node.tag.rpartition("}")[2]  # type: ignore[attr-defined]
    if tag == "t":
        return f"[{node.text}]".replace("\u200b", "")  # type: ignore[attr-defined]
    if tag.endswith("Pr"):
        return ""
    inner = "".join(map(outline, node))  # type: ignore[call-overload]
    return inner if tag in ("r", "oMath") else f"{tag}({inner})"


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("E=mc^2", "[E][=][m]sSup(e([c])sup([2]))"),
        (r"\frac{a}{b}", "f(num([a])den([b]))"),
        (r"\sqrt{x}+\sqrt[3]{y}", "rad(deg()e([x]))[+]rad(deg([3])e([y]))"),
        ("x_i^2", "sSubSup(e([x])sub([i])sup([2]))"),
        (r"\sum_{i=1}^{n} x_i = y", "nary(sub([i][=][1])sup([n])e(sSub(e([x])sub([i]))))[=][y]"),
        (r"\int_0^1 f", "nary(sub([0])sup([1])e([f]))"),
        (r"\left(\frac{1}{2}\right)^{n}", "sSup(e(d(e(f(num([1])den([2])))))sup([n]))"),
        (r"\begin{pmatrix}a&b\\c&d\end{pmatrix}", "d(e(m(mr(e([a])e([b]))mr(e([c])e([d])))))"),
        (r"\begin{aligned}a&=b\\c&=d\end{aligned}", "m(mr(e([a])e([=][b]))mr(e([c])e([=][d])))"),
        (r"\begin{cases}1\\0\end{cases}", "d(e(m(mr(e([1]))mr(e([0])))))"),
        (r"\lim_{x\to 0}", "limLow(e([lim])lim([x][→][0]))"),
        (r"\hat{x}\vec{v}\overline{AB}", "acc(e([x]))acc(e([v]))bar(e([A][B]))"),
        (r"\underbrace{a}_{n}", "limLow(e(groupChr(e([a])))lim([n]))"),
        (r"a<b\text{ if }\alpha", "[a][<][b][\xa0if\xa0][α]"),
        (r"\boxed{x}", "borderBox(e([x]))"),
        (r"\binom{n}{k}", "d(e(f(num([n])den([k]))))"),
        ("^{2}", "sSup(e([])sup([2]))"),
    ],
)
def test_equation_parts(latex: str, expected: str) -> None:
    assert shape(latex) == expected


@pytest.mark.parametrize(
    "latex", ["", "  ", r"\nosuchcommand{x}", "a^", r"\frac{1}", "{" * 900 + "}" * 900, "x" * 5000]
)
def test_unknown_latex(latex: str) -> None:
    assert convert_latex(latex) is None


@given(
    st.lists(
        st.sampled_from([r"\frac", r"\sqrt", "^", "_", "{", "}", "&", r"\\", r"\sum", r"\left(", r"\right)", "x", "1"])
    )
)
def test_any_latex(parts: list[str]) -> None:
    found = convert_latex(" ".join(parts))
    if found is not None:
        holding = {qn(f"m:{name}") for name in ("e", "num", "den", "sub", "sup", "lim")}
        assert all(len(node) for node in found.iter() if node.tag in holding)
