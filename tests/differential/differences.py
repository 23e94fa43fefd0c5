"""Every way in which we do or say something else than PaddleX, each with its reason; what is not here is a defect.

`explains` knows one difference by what the two sides have, and by the case where the two sides alone could hide more.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.differential.comparison import PATCH, PROCESSOR_LIMITS, Deviation

_CROP = {"crop size", "crop pixels"}
_TEXT = {"markdown", "markdown's paragraphs", "block's content"}
_MISSING = {"call", "layout box", "block", "markdown"}
_SIDES = re.compile(r"(\d+)x(\d+)")


@dataclass(frozen=True, slots=True)
class Difference:
    name: str
    reason: str
    explains: Callable[[Deviation], bool]


def explanation(deviation: Deviation) -> Difference | None:
    return next((one for one in DIFFERENCES if one.explains(deviation)), None)


def _sides(one: Deviation) -> tuple[int, int]:
    """Width and height of PaddleX's crop."""
    found = _SIDES.match(str(one.theirs))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _is_refused(one: Deviation) -> bool:
    return one.what == "crop size" and str(one.theirs).endswith("read as None")


def _is_small(one: Deviation) -> bool:
    """At most 10 grey levels, and below a patch, where PaddleX's JPEG is enlarged many times."""
    return one.what == "crop pixels" and min(_sides(one)) < PATCH and float(str(one.ours).split()[1]) < 10


def _is_below_least(one: Deviation) -> bool:
    width, height = _sides(one)
    return one.what == "crop size" and one.case == "pixel limits asked for" and width * height < PROCESSOR_LIMITS[0]


def _is_twin_title(one: Deviation) -> bool:
    is_title = one.label in ("doc_title", "paragraph_title") or "two titles" in str(one.ours)
    return one.case == "boxes that are nearly one" and one.what in _MISSING and not one.theirs and is_title


def _is_lone_formula(one: Deviation) -> bool:
    is_formula = one.label == "inline_formula" or one.ours == "$x$ $y$"
    return one.case == "formulas within lines" and one.what in _MISSING and not one.theirs and is_formula


def _is_beyond_page(one: Deviation) -> bool:
    if not one.what.endswith("outline") or one.case != "boxes beyond the page":
        return False
    return {(min(max(x, 0), 900), y) for x, y in one.theirs} == set(one.ours)


def _is_moved_picture(one: Deviation) -> bool:
    """A picture or table that one side has in another place; lost, it would be missing in the Markdown too."""
    is_case = one.case == "paragraphs around a picture and a table"
    return is_case and one.what == "block" and one.label in ("image", "table")


def _is_unread_tag(one: Deviation) -> bool:
    if not one.case.startswith("pictures in a table"):
        return False
    return (one.what == "block" and not one.theirs) or (one.what == "markdown" and "img_in_image" in one.ours)


def _is_formula_of_bare_latex(one: Deviation) -> bool:
    if one.what == "block's content":
        return "formula" in one.label and one.ours == f"$$ {one.theirs} $$"
    return one.what == "markdown" and not one.theirs and one.ours == "$$"


def _is_same_but_blanks_around(one: Deviation) -> bool:
    return one.what == "block's content" and one.theirs.strip() == one.ours


def _is_joined(one: Deviation) -> bool:
    """The same characters in fewer paragraphs; of the rest only hyphens at a line's end may be gone."""
    if one.what not in _TEXT or one.theirs.count("\n\n") < one.ours.count("\n\n"):
        return False
    return _squeezed(one.theirs) == _squeezed(one.ours) or _squeezed(re.sub(r"-\s+", "", one.theirs)) == _squeezed(
        one.ours
    )


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _is_heading(one: Deviation) -> bool:
    """The same words with other number signs, or another dot or blank behind their number."""
    if one.what != "markdown" or one.theirs == one.ours:
        return False
    return re.sub(r"[#\s.]", "", one.theirs) == re.sub(r"[#\s.]", "", one.ours) and not one.theirs.isspace()


def _is_abstract(one: Deviation) -> bool:
    is_parted = one.what == "markdown's paragraphs" and one.theirs.startswith("## ")
    return (is_parted and _squeezed(one.theirs) == _squeezed(one.ours)) or (
        one.what == "markdown" and not one.theirs and one.ours == "##"
    )


def _is_price(one: Deviation) -> bool:
    return one.what in _TEXT and r"\$" in one.ours and one.ours.replace(r"\$", "") == one.theirs


def _is_escaped(one: Deviation) -> bool:
    return one.what == "markdown" and "&lt;" in one.ours and html.unescape(one.ours) == one.theirs


def _is_loop(one: Deviation) -> bool:
    if one.case != "loops" or one.what not in _TEXT or not one.ours:
        return False
    return one.ours in one.theirs or one.theirs in one.ours or _squeezed(one.ours).startswith("12345678")


def _is_styled_chart(one: Deviation) -> bool:
    return one.what == "markdown" and "<thead>" in one.ours and one.theirs.endswith(one.ours.removeprefix("<table>"))


DIFFERENCES = (
    Difference(
        "log probabilities",
        "are asked for: a block's confidence is made of them",
        lambda one: one.what == "parameter logprobs" and one.theirs is None and one.ours is True,
    ),
    Difference(
        "streaming",
        "readings come as they are written: one that goes round in circles is stopped early",
        lambda one: (
            one.what in ("parameter stream", "parameter stream_options", "parameter stream_interval")
            and one.theirs is None
        ),
    ),
    Difference(
        "loops asked about",
        "are asked for once more: the second reading may end",
        lambda one: one.what == "calls told apart" and one.case == "loops",
    ),
    Difference(
        "refused crops",
        "beyond a ratio of 200 get white margins: PaddleOCR-VL's processor fails on them, and with it the document",
        _is_refused,
    ),
    Difference(
        "crops below 28 pixels",
        "show no marks of JPEG, which the processor enlarges with them in PaddleX's",
        _is_small,
    ),
    Difference(
        "minPixels below 112,896",
        "has no effect: vLLM takes no limits of single requests by default, its own least stands",
        _is_below_least,
    ),
    Difference(
        "boxes that hold each other", "keep the surer one: PaddleX deletes both, and the line is lost", _is_twin_title
    ),
    Difference(
        "formulas within lines that overlap",
        "stay: PaddleX deletes both, and neither is read",
        _is_lone_formula,
    ),
    Difference("outlines beyond the page", "end at its edge, as the boxes do", _is_beyond_page),
    Difference(
        "pictures beside a parted paragraph",
        "keep their place in the reading order; PaddleX moves them behind the paragraph's last part",
        _is_moved_picture,
    ),
    Difference(
        "pictures in a table whose tag was not read",
        "keep a block of their own: PaddleX drops them from the page",
        _is_unread_tag,
    ),
    Difference(
        "group numbers",
        "are those of blocks: PaddleX counts the pictures that it has dropped",
        lambda one: one.what == "block's group" and one.theirs == "none",
    ),
    Difference(
        "page_count",
        "is said of documents with pages; PaddleX's service hands on single pictures and says null",
        lambda one: one.what == "page's page_count" and one.theirs is None and isinstance(one.ours, int),
    ),
    Difference(
        "a seal that fills the page",
        "is no picture inside of the page",
        lambda one: one.what == "picture" and one.case == "whole page: seal" and one.ours is None,
    ),
    Difference("LaTeX without a fence", "gets one: Markdown would show its source", _is_formula_of_bare_latex),
    Difference("blanks around contents", "are left out", _is_same_but_blanks_around),
    Difference(
        "lines of a paragraph",
        "are joined, and words divided at a line's end made whole: PaddleX makes each line a paragraph",
        _is_joined,
    ),
    Difference(
        "levels and numbers of headings",
        "follow the number's depth, not each dot of the words; no dot or blank is taken away or put in",
        _is_heading,
    ),
    Difference("headings of abstracts", "stand on a line of their own, whatever comes behind the word", _is_abstract),
    Difference(
        "hyphens in contents lists",
        "stay: PaddleX deletes each at a line's end",
        lambda one: one.what == "markdown" and one.ours == f"{one.theirs}-",
    ),
    Difference("prices beside formulas", r"keep their sign as `\$`: PaddleX deletes it", _is_price),
    Difference("tags that a page shows", "are text in Markdown too, never HTML", _is_escaped),
    Difference(
        "loops",
        "leave one copy, and lines that are none of it; where a region has room for all of it, it is no loop",
        _is_loop,
    ),
    Difference(
        "filled cells without text",
        "are empty: PaddleX reads the next tag as their text",
        lambda one: one.what in _TEXT and one.theirs.replace("&lt;fcel&gt;", "") == one.ours,
    ),
    Difference(
        "cells that reach into each other",
        "share the grid without overlap, and no row is empty",
        lambda one: one.what in _TEXT and 'rowspan="2" colspan="2">A' in one.theirs and 'colspan="2">A' in one.ours,
    ),
    Difference(
        "numbers without a formula",
        "are shown where numbers are asked for: PaddleX drops them",
        lambda one: (
            one.case == "formulas with numbers" and one.what == "markdown" and (one.theirs, one.ours) == ("", "(2)")
        ),
    ),
    Difference("charts in plain Markdown", "carry no style, as tables don't", _is_styled_chart),
)
