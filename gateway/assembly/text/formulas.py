"""Formulas in readings: LaTeX's delimiters to Markdown's dollars, and the prices' dollars kept apart from them."""

from __future__ import annotations

import re

MATH = re.compile(r"((?<!\\)\$\$.+?(?<!\\)\$\$|(?<!\\)\$(?:\\[^\n]|[^$\\\n])+\$)", re.DOTALL)
"""A formula between Markdown's dollars; a dollar behind a backslash is a price's."""

_FENCED = re.compile(r"(?:\$\$?|\\\[|\\\()(?P<body>.*?)(?:\$\$?|\\\]|\\\))", re.DOTALL)
_DELIMITED = re.compile(
    r"""(?P<break>\\\\)                                                          # a line break of LaTeX, not `\[`
    | (?:\\\[\s*)?\\\[(?P<display>(?:\\[^\[\]]|[^\\])+)\\\](?:\s*\\\])?
    | \\\((?P<inline>(?:\\[^()]|[^\\])+)\\\)
    """,
    re.VERBOSE | re.DOTALL,
)
_DOLLARS = re.compile(r"\\.|(?P<math>\$\$[^$]+\$\$|\$(?=\S)[^$\n]*(?<=\S)\$(?!\d))|\$", re.DOTALL)
_BARE_DOLLAR = re.compile(r"(?<!\\)\$")
_NOTATION = re.compile(r"[\\^_={}<>+]|^\w$")
_WORD = re.compile(r"[^\W\d_]{4,}")
_PROSE_WORDS = 3
"""So many words without one command are no LaTeX: an engine that knows no formulas gives the text it saw."""
_UNSAFE = re.compile(
    r"""\\\\                                                                   # a line break of LaTeX, not a command
    | \\(?P<link>href|url)(?![A-Za-z])(?!\s*+\{\s*+(?:https?://|mailto:)[^\s{}\\$%^]+\s*+\})
    | \\(?P<other>includegraphics|input|include|write|openin|openout|read|special|directlua|catcode|csname|require
        |usepackage|html[A-Za-z]+|class|cssId|style|data|bbox|mmlToken)(?![A-Za-z])
    """,
    re.VERBOSE,
)
"""What a renderer of formulas may follow, load, run or take for a page's own style."""
_TAG_START = re.compile(r"<(?=[a-zA-Z/!?])")


def has_formula(text: str) -> bool:
    """Whether two dollars fence what reads as a formula: those of amounts and of a shell fence none."""
    return any(match["math"] and _NOTATION.search(match["math"].strip("$")) for match in _DOLLARS.finditer(text))


def extract_latex(content: str) -> str:
    """The formula without its fence, on one line; empty where it is not one formula."""
    fence = _FENCED.fullmatch(content.strip())
    latex = " ".join((fence["body"] if fence else content).split())
    is_prose = "\\" not in latex and len(_WORD.findall(latex)) >= _PROSE_WORDS
    return "" if "$" in latex or is_prose else disarm_latex(separate_tags(latex))


def separate_tags(latex: str) -> str:
    """A formula in which no `<` opens a tag: a space keeps it from that, as formulas know no entities."""
    return _TAG_START.sub("< ", latex)


def disarm_formulas(text: str) -> str:
    r"""The text, in whose formulas links lead to http, https and mailto only, and nothing is loaded or run.

    Other commands of that sort become `\text`, so that what they were given is shown. Formulas are what stands between
    dollars, and all from the first of LaTeX's own delimiters to the last.
    """
    if "\\" not in text:
        return text
    start = min((at for at in map(text.find, (r"\(", r"\[")) if at >= 0), default=len(text))
    end = max(start, *map(text.rfind, (r"\)", r"\]")))
    text = text[:start] + disarm_latex(text[start:end]) + text[end:]
    return MATH.sub(lambda match: disarm_latex(match[0]), text)


def disarm_latex(latex: str) -> str:
    """As `disarm_formulas`, of one formula."""
    return _UNSAFE.sub(lambda match: r"\text" if match["link"] or match["other"] else match[0], latex)


def convert_delimiters(text: str, *, escape: bool = True) -> str:
    r"""`\(x\)` to `$x$` and `\[x\]` to `$$ x $$`.

    A text without such a pair is not touched. White space inside of a formula becomes single spaces. `escape`: where
    there are formulas, dollars that delimit none become `\$`, as Markdown's readers need it; in HTML they stay.
    """
    parts: list[str] = []
    end = 0
    for match in _DELIMITED.finditer(text):
        formula = _fence(match)
        if formula:
            parts += (text[end : match.start()], formula)
            end = match.end()
    parts.append(text[end:])
    if len(parts) == 1:
        return text
    if escape:
        parts[::2] = [_DOLLARS.sub(_escape_dollar, part) for part in parts[::2]]
    return "".join(parts)


def unescape_dollars(text: str) -> str:
    r"""Plain text again: `\$` to `$` outside of the formulas that it was kept apart from."""
    parts = MATH.split(text)
    if len(parts) > 1:
        parts[::2] = [part.replace(r"\$", "$") for part in parts[::2]]
    return "".join(parts)


def strip_delimiters(text: str) -> str:
    r"""A formula's number as it stands on the page: `\((3)\)`, `(\(3\))` or `$(3)$` to `(3)`."""
    fence = _FENCED.fullmatch(text.strip())
    if fence and fence["body"].strip():
        return fence["body"].strip()
    return _DELIMITED.sub(lambda match: (match["display"] or match["inline"] or match[0]).strip(), text)


def _fence(match: re.Match[str]) -> str:
    body = " ".join((match["display"] or match["inline"] or "").split())
    body = _BARE_DOLLAR.sub(r"\\$", body)
    if not body:
        return ""
    return f"$$ {body} $$" if match["display"] else f"${body}$"


def _escape_dollar(match: re.Match[str]) -> str:
    """A dollar sign of the page; formulas that the VLM wrote with dollars itself stay."""
    if match["math"] and _NOTATION.search(match["math"].strip("$")):
        return match[0]
    return match[0] if match[0].startswith("\\") else match[0].replace("$", r"\$")
