"""LaTeX to MathML by latex2mathml."""

from __future__ import annotations

import html
import re
from xml.etree.ElementTree import Element

from gateway.assembly.text.entities import unescape

MATHML_TAGS = frozenset(
    {
        *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "mpadded", "mphantom", "menclose"),
        *("mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover"),
        *("mtable", "mtr", "mtd", "mlabeledtr"),
    }
)
MATHML_ATTRIBUTES = frozenset(
    {
        *("accent", "accentunder", "columnalign", "columnlines", "columnspacing", "depth", "display", "displaystyle"),
        *("fence", "form", "height", "linethickness", "lspace", "mathvariant", "maxsize", "minsize", "movablelimits"),
        *("notation", "rowlines", "rowspacing", "rspace", "scriptlevel", "separator", "stretchy", "voffset", "width"),
    }
)
"""None of them leads anywhere or loads anything."""

_MAX_LENGTH = 4000
"""Characters; longer readings are runaways, not formulas."""
_ALIGNED = re.compile(r"\\(begin|end)\{(?:align(?:ed)?|split|gather(?:ed)?|eqnarray|multline)\*?\}")


def parse_latex(latex: str) -> Element | None:
    """The formula's `math` element, whose texts hold entities; None for what latex2mathml does not understand."""
    from latex2mathml.converter import convert_to_element

    if not latex.strip() or len(latex) > _MAX_LENGTH:
        return None
    try:
        tree = convert_to_element(_ALIGNED.sub(r"\\\1{matrix}", latex))
    except Exception:  # It raises whatever its stacks run into, on input that a VLM may write in any form.
        return None
    texts = [text_of(node) for node in tree.iter()]
    is_understood = any(texts) and not any(text.startswith("\\") or text == "&" for text in texts)
    return tree if is_understood else None


def text_of(node: Element) -> str:
    """An element's own text: latex2mathml's elements hold entities, to be written out as they are."""
    return unescape(node.text or "").strip("\n")


def write_mathml(latex: str, *, is_block: bool) -> str | None:
    """The formula as MathML; None as `parse_latex`, or where it is nested too deeply."""
    tree = parse_latex(latex)
    if tree is None:
        return None
    tree.set("display", "block" if is_block else "inline")
    try:
        return _write(tree)
    except RecursionError:
        return None


def _write(node: Element) -> str:
    tag = node.tag if node.tag in MATHML_TAGS else "mrow"
    attributes = "".join(
        f' {name}="{html.escape(value)}"' for name, value in node.attrib.items() if name in MATHML_ATTRIBUTES
    )
    children = "".join(map(_write, node))
    return f"<{tag}{attributes}>{html.escape(text_of(node), quote=False)}{children}</{tag}>"
