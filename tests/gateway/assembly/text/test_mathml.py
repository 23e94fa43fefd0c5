from __future__ import annotations

import pytest
from lxml import etree

from gateway.assembly.text.mathml import MATHML_TAGS, write_mathml

NAMES = {"math", *MATHML_TAGS}


def tree_of(latex: str) -> etree._Element:
    written = write_mathml(latex, is_block=True)
    assert written is not None, latex
    return etree.fromstring(written)


def test_a_formula() -> None:
    tree = tree_of(r"\frac{a}{b} < \sqrt{x^2}")
    assert tree.get("display") == "block"
    assert ["".join(part.itertext()) for part in tree.iter("mfrac", "msup")] == ["ab", "x2"]
    assert "".join(tree.itertext()) == "ab<x2"


def test_within_a_line() -> None:
    assert 'display="inline"' in str(write_mathml("x", is_block=False))


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"\text{&lt;img src=x onerror=alert(1)&gt;}",
        r'x" onmouseover="alert(1)',
    ],
)
def test_nothing_but_mathematics_comes_out(latex: str) -> None:
    written = write_mathml(latex, is_block=True)
    if written is None:
        return
    tree = etree.fromstring(written)
    assert {node.tag for node in tree.iter()} <= NAMES
    assert not any("script" in value for node in tree.iter() for value in node.attrib.values())
    assert not any(name.startswith("on") or name == "href" for node in tree.iter() for name in node.attrib)


@pytest.mark.parametrize("latex", ["", " ", r"\unknowncommand{x}", r"\frac", "x" * 5000, r"\left(" * 50])
def test_what_is_not_understood(latex: str) -> None:
    assert write_mathml(latex, is_block=True) is None


def test_deep_nesting_is_no_fault() -> None:
    for depth in (10, 300, 1300):
        written = write_mathml("x^{" * depth + "y" + "}" * depth, is_block=True)
        assert written is None or etree.fromstring(written, etree.XMLParser(huge_tree=True)) is not None
