"""Program text: told by its syntax and its indentation, written as a fenced block."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.assembly.text.formulas import separate_tags, unescape_dollars

MIN_LINES = 3
SURE, INDENTED = 0.6, 0.35
"""Share of a text's lines that must look like program text; the second where lines are indented."""
MIN_INDENTED = 0.25
MAX_PROSE_WORDS = 9
"""A line with more plain words in a row is prose, or a comment."""

_NUMBER = re.compile(r"\s*\d{1,5}(?:\s|$)")
_KEYWORDS = (
    "def|class|import|from|return|if|elif|else|for|while|try|except|finally|with|raise|yield|async|await|pass|break"
    "|function|func|fn|var|let|const|public|private|protected|static|void|int|float|double|char|bool|struct|enum|switch"
    "|case|package|using|namespace|include|define|print|echo|do|done|fi|then|end|begin|procedure|repeat|until"
)
_SYNTAX = re.compile(
    rf"""^(?:[}}\])]+[;,]?$                                    # a closing bracket on its own
    | (?:\#(?!\d)|//|/\*|\*/|@\w+(?:\(|$)|\$\s[a-z]|>>>\s)     # comments, decorators, prompts
    | (?:{_KEYWORDS})\b.*(?:[:;{{(]|\b\w+\s*=|\))\s*$         # the head of a block, a declaration
    | (?:return|import|from|raise|break|pass|else|end|try|yield|continue|using|package)\b(?:\s+\S+){{0,5}}$
    | (?:\w+\s+)?[\w.\[\]*&]+\s*(?:[-+*/|&:]?=|<-|:=)\s*\S    # an assignment
    | [\w.]+\([^()]*(?:\([^()]*\)[^()]*)*\)\s*[;{{:]?$        # a call
    | </?\w[^>]*>                                             # a tag
    | "[\w\s-]+"\s*:                                          # JSON
    | [a-z_][\w.-]*:(?:\s+\S+)?$                             # YAML
    | \[[\w.:/\s-]+\]$                                        # a section of settings
    | (?:---|\+\+\+)\s[\w./]+$ | @@\s-\d+,                    # a change of files
    | (?:SELECT|INSERT\sINTO|DELETE\sFROM|CREATE\s\w+|FROM|WHERE|GROUP\sBY|ORDER\sBY)\s[a-z*"]
    | \"\"\"
    )
    | \{{$
    """,
    re.VERBOSE,
)
_PROMPT = re.compile(r"(?:\[?\w[\w.-]{0,40}@[\w.-]{1,60}[ :][ ~\w./\\\]-]{0,120}[$#%>]|PS [A-Z]:\\[^>]{0,120}>)\s")
"""A shell's: what a terminal shows stands in lines ..."""
_SURE_PROMPT = re.compile(r"(?:[^\d\s][$#%>]|/\S{0,120}\$|~ [$#%>])\s$")
"""... if one ends like this: behind an address may stand a percent sign. Else the same one must stand there twice."""
_CALL = re.compile(r"\w\(")
_STATEMENT_END = re.compile(r"(?:\w\+\+|\w--|\bbreak|\breturn\s\S+)$")
_PROSE = re.compile(rf"(?:[^\W\d_]+[,.]?\s+){{{MAX_PROSE_WORDS},}}")


def is_listing(text: str) -> bool:
    """Whether the lines of a text are a program's, or data in a program's notation."""
    lines = [_code_of(line) for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if line.strip()]
    if len(lines) < MIN_LINES or any(_PROSE.match(line.strip()) for line in lines):
        return False
    if _has_prompts(lines):
        return True
    indented = sum(line.startswith("  ") for line in lines)
    needed = INDENTED if indented >= MIN_INDENTED * len(lines) else SURE
    return sum(_is_program(line.strip()) for line in lines) >= needed * len(lines)


def is_laid_out(text: str) -> bool:
    """Whether white space within or before the lines of a text means something, as in a table set with spaces."""
    lines = [line for line in text.splitlines() if line.strip()]
    spaced = sum("  " in line.rstrip() for line in lines)
    return len(lines) >= MIN_LINES and spaced >= MIN_INDENTED * len(lines)


def is_program(text: str) -> bool:
    """Whether each line of a text looks like program text: part of a listing, if it stands beside one."""
    lines = [_code_of(line).strip() for line in text.splitlines() if line.strip()]
    return bool(lines) and all(_is_program(line) for line in lines)


def _has_prompts(lines: Sequence[str]) -> bool:
    prompts = [match[0] for line in lines if (match := _PROMPT.match(line.strip()))]
    return len(prompts) > len({prompt.split()[0] for prompt in prompts}) or any(map(_SURE_PROMPT.search, prompts))


def _is_program(line: str) -> bool:
    return bool(_SYNTAX.search(line)) or _is_statement(line)


def _is_statement(line: str) -> bool:
    """A call, an assignment or the like before a semicolon. One pattern for all takes the square of a line's length."""
    if not line.endswith(";"):
        return False
    body = line[:-1].rstrip()
    is_call = body.endswith(")") and bool(_CALL.search(body))
    return is_call or "=" in body[:-1] or bool(_STATEMENT_END.search(body))


def write_listing(text: str) -> str:
    """The text as a fenced block of Markdown, its lines as they are, but for a space in what would read as a tag.

    A fence keeps entities as they are, and not every program that reads Markdown knows fences.
    """
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = [line.rstrip() for line in separate_tags(unescape_dollars(text)).strip("\n").splitlines()]
    return "\n".join([fence, *lines, fence])


def _code_of(line: str) -> str:
    """The line without a number that stands beside it; its indentation stays."""
    number = _NUMBER.match(line)
    return line[number.end() :] if number else line
