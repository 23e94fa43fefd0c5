"""LaTeX to Word's own equations (OMML), by way of MathML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from gateway.assembly.text.mathml import parse_latex, text_of

Omml = Any
"""An lxml element."""

_NARY = frozenset("∑∏∐∫∬∭∮⋃⋂⋁⋀⨁⨂⨀⨆")
_MAX_NARY = 50
"""Each holds all that follows it, so that many of them take the square of their number."""
_INTEGRALS = frozenset("∫∬∭∮")
_LIMITS = frozenset({"lim", "max", "min", "sup", "inf", "limsup", "liminf", "argmax", "argmin"})
_RELATIONS = frozenset("=<>≤≥≠≈≡→,;")
_OPENING, _CLOSING = frozenset("([{|‖⟨"), frozenset(")]}|‖⟩")
_ACCENTS = {"^": "\u0302", "~": "\u0303", "→": "\u20d7", "˙": "\u0307", "¨": "\u0308", "ˇ": "\u030c", "˘": "\u0306"}
_BARS = frozenset("―¯‾\u00af\u203e_")
_BRACES = {"⏞": "top", "⏟": "bot"}
_PLACEHOLDER = "\u200b"
"""Word draws a box where a part of an equation is empty; this is not empty and not seen."""


def convert_latex(latex: str) -> Omml | None:
    """An `m:oMath`; None for what latex2mathml does not understand, so that the caller shows the LaTeX."""
    tree = parse_latex(latex)
    if tree is None or sum(text_of(node) in _NARY for node in tree.iter()) > _MAX_NARY:
        return None
    try:
        return _argument("m:oMath", _convert_row(list(tree)))
    except Exception:  # A VLM may write formulas in any form, nested in any depth.
        return None


def _convert_row(nodes: list[Element]) -> list[Omml]:
    elements: list[Omml] = []
    index = 0
    while index < len(nodes):
        if _nary_sign(nodes[index]):
            end = next((to for to in range(index + 1, len(nodes)) if text_of(nodes[to]) in _RELATIONS), len(nodes))
            elements.append(_nary(nodes[index], nodes[index + 1 : end]))
            index = end
        elif _has_delimiters(nodes[index : index + 3]):
            elements.append(_delimiters(text_of(nodes[index]), text_of(nodes[index + 2]), [nodes[index + 1]]))
            index += 3
        else:
            elements += _convert(nodes[index])
            index += 1
    return elements


def _convert(node: Element) -> list[Omml]:
    writer = _WRITERS.get(node.tag)
    return [writer(node)] if writer else _convert_group(node)


def _convert_group(node: Element) -> list[Omml]:
    """A row of elements; fences around it make it one that grows with what it holds."""
    children = list(node)
    opening = _fence(children[0], "prefix") if children else None
    closing = _fence(children[-1], "postfix") if children else None
    if opening is None and closing is None:
        return _convert_row(children)
    inner = children[opening is not None : len(children) - (closing is not None)]
    return [_delimiters(opening or "", closing or "", inner)]


def _has_delimiters(nodes: list[Element]) -> bool:
    """Whether these are a matrix or a binomial coefficient between brackets."""
    if [node.tag for node in nodes] not in (["mo", "mtable", "mo"], ["mo", "mfrac", "mo"]):
        return False
    is_high = nodes[1].tag == "mtable" or nodes[1].get("linethickness") == "0"
    return is_high and text_of(nodes[0]) in _OPENING and text_of(nodes[2]) in _CLOSING


def _delimiters(opening: str, closing: str, inner: list[Element]) -> Omml:
    return _element("m:d", _properties("m:dPr", begChr=opening, endChr=closing), _argument("m:e", _convert_row(inner)))


def _fence(node: Element, form: str) -> str | None:
    is_fence = node.tag == "mo" and node.get("fence") == "true" and node.get("form") == form
    return text_of(node) if is_fence else None


def _nary_sign(node: Element) -> str | None:
    if node.tag not in ("msub", "msup", "msubsup", "munder", "mover", "munderover", "mo"):
        return None
    sign = text_of(node if node.tag == "mo" else node[0])
    return sign if sign in _NARY else None


def _nary(node: Element, body: list[Element]) -> Omml:
    sign = _nary_sign(node) or ""
    parts = list(node)[1:]
    lower = parts[0] if "sub" in node.tag or "under" in node.tag else None
    upper = parts[-1] if "sup" in node.tag or "over" in node.tag else None
    properties = _properties(
        "m:naryPr",
        chr=sign,
        limLoc="subSup" if sign in _INTEGRALS and "under" not in node.tag else "undOvr",
        **({"subHide": "1"} if lower is None else {}),
        **({"supHide": "1"} if upper is None else {}),
    )
    return _element(
        "m:nary", properties, _part("m:sub", lower), _part("m:sup", upper), _argument("m:e", _convert_row(body))
    )


def _run(node: Element) -> Omml:
    text = text_of(node)
    run = OxmlElement("m:r")
    if node.tag == "mtext":
        run.append(_properties("m:rPr", nor="1"))
    elif node.get("mathvariant") == "normal" or (len(text) > 1 and text.isalpha()):
        run.append(_properties("m:rPr", sty="p"))
    run.append(_literal(text or _PLACEHOLDER))
    return run


def _literal(text: str) -> Omml:
    literal = OxmlElement("m:t")
    literal.text = text
    literal.set(qn("xml:space"), "preserve")
    return literal


def _space(node: Element) -> Omml:
    return _element("m:r", _literal(" " if node.get("width") else _PLACEHOLDER))


def _fraction(node: Element) -> Omml:
    kind = "noBar" if node.get("linethickness") == "0" else "bar"
    return _element("m:f", _properties("m:fPr", type=kind), _part("m:num", node[0]), _part("m:den", node[1]))


def _square_root(node: Element) -> Omml:
    hidden = _properties("m:radPr", degHide="1")
    return _element("m:rad", hidden, OxmlElement("m:deg"), _argument("m:e", _convert_row(list(node))))


def _root(node: Element) -> Omml:
    return _element("m:rad", _part("m:deg", node[1]), _part("m:e", node[0]))


def _script(tag: str, *names: str) -> Callable[[Element], Omml]:
    def write(node: Element) -> Omml:
        if tag == "m:sSub" and text_of(node[0]).replace(" ", "") in _LIMITS:
            return _element("m:limLow", _part("m:e", node[0]), _part("m:lim", node[1]))
        return _element(tag, *(_part(name, node[index]) for index, name in enumerate(names)))

    return write


def _underset(node: Element) -> Omml:
    brace = text_of(node[1])
    if brace in _BRACES:
        return _group_character(node)
    return _element("m:limLow", _part("m:e", node[0]), _part("m:lim", node[1]))


def _overset(node: Element) -> Omml:
    mark = text_of(node[1])
    if mark in _ACCENTS:
        return _element("m:acc", _properties("m:accPr", chr=_ACCENTS[mark]), _part("m:e", node[0]))
    if mark in _BARS:
        return _element("m:bar", _properties("m:barPr", pos="top"), _part("m:e", node[0]))
    if mark in _BRACES:
        return _group_character(node)
    return _element("m:limUpp", _part("m:e", node[0]), _part("m:lim", node[1]))


def _group_character(node: Element) -> Omml:
    brace = text_of(node[1])
    return _element("m:groupChr", _properties("m:groupChrPr", chr=brace, pos=_BRACES[brace]), _part("m:e", node[0]))


def _underoverset(node: Element) -> Omml:
    lower = _element("m:limLow", _part("m:e", node[0]), _part("m:lim", node[1]))
    return _element("m:limUpp", _argument("m:e", [lower]), _part("m:lim", node[2]))


def _table(node: Element) -> Omml:
    rows = [[_argument("m:e", _convert_row(list(cell))) for cell in row] for row in node]
    width = max(map(len, rows), default=0)
    return _element(
        "m:m", *(_element("m:mr", *row, *(_part("m:e", None) for _ in range(width - len(row)))) for row in rows)
    )


def _enclosure(node: Element) -> Omml:
    tag = "m:borderBox" if node.get("notation") == "box" else "m:box"
    return _element(tag, _argument("m:e", _convert_row(list(node))))


def _phantom(node: Element) -> Omml:
    return _element("m:phant", _properties("m:phantPr", show="0"), _argument("m:e", _convert_row(list(node))))


def _part(tag: str, node: Element | None) -> Omml:
    return _argument(tag, [] if node is None else _convert_row([node]))


def _argument(tag: str, inner: Iterable[Omml]) -> Omml:
    element = _element(tag, *inner)
    if not len(element):
        element.append(_element("m:r", _literal(_PLACEHOLDER)))
    return element


def _element(tag: str, *inner: Omml) -> Omml:
    element = OxmlElement(tag)
    element.extend(inner)
    return element


def _properties(tag: str, **values: str) -> Omml:
    properties = OxmlElement(tag)
    for name, value in values.items():
        child = OxmlElement(f"m:{name}")
        child.set(qn("m:val"), value)
        properties.append(child)
    return properties


_WRITERS: Mapping[str, Callable[[Element], Omml]] = {
    **dict.fromkeys(("mi", "mn", "mo", "mtext"), _run),
    "mspace": _space,
    "mfrac": _fraction,
    "msqrt": _square_root,
    "mroot": _root,
    "msub": _script("m:sSub", "m:e", "m:sub"),
    "msup": _script("m:sSup", "m:e", "m:sup"),
    "msubsup": _script("m:sSubSup", "m:e", "m:sub", "m:sup"),
    "munder": _underset,
    "mover": _overset,
    "munderover": _underoverset,
    "mtable": _table,
    "menclose": _enclosure,
    "mphantom": _phantom,
}
