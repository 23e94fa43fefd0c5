"""Text with formulas in a paragraph of Word."""

from __future__ import annotations

import re
from typing import Any

from gateway.assembly.docx.equations import equation
from gateway.assembly.text.formulas import MATH
from gateway.assembly.text.reflow import LINE_BREAK

Paragraph = Any
"""A python-docx paragraph."""

_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML can't hold, however it is escaped."""


def write_text(paragraph: Paragraph, text: str, *, font: str | None = None) -> None:
    """Adds Markdown's text: its hard line breaks, and its formulas as equations, or as LaTeX where they can't be."""
    parts = MATH.split(_REFUSED.sub("", text).replace(LINE_BREAK, "\n"))
    for at, part in enumerate(parts):
        if at % 2:
            write_formula(paragraph, part.strip("$"), part)
        elif part:
            run = paragraph.add_run(part.replace(r"\$", "$") if len(parts) > 1 else part)
            if font:
                run.font.name = font


def write_formula(paragraph: Paragraph, latex: str, otherwise: str) -> None:
    """Adds an equation; `otherwise` where the LaTeX can't be one."""
    found = equation(_REFUSED.sub("", latex).strip())
    if found is None:
        paragraph.add_run(_REFUSED.sub("", otherwise))
    else:
        paragraph._p.append(found)
