"""What must come out of each input: a TOML file with a table for each, and its comparison with an answer.

docs/development.md lists the keys. A table holds what must be true at once; `any` holds tables of which one must be.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from rapidfuzz.distance import Levenshtein

from tools.cases.matching import Line, disorder, find_line, find_text, rendered_lines, squeeze
from tools.ocr_service import Answer

FILE_NAME = "cases.toml"
TICKED, UNTICKED = r"(\[x\]|☑|☒|✓|✔)", r"(\[ ?\]|☐|□)"


def _as_list(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    return value if isinstance(value, list) else [value]


Texts = Annotated[list[str], BeforeValidator(_as_list)]
Numbers = Annotated[list[int], BeforeValidator(_as_list)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Exchange(_Table):
    """A raw HTTP request, and what its answer must hold; `{input}` in `body` stands for the bytes of the file."""

    method: str = "GET"
    path: str = "/ocr"
    headers: dict[str, str] = {}
    body: str = ""
    status: Numbers = [200]
    answer_headers: dict[str, str] = {}
    answer_contains: Texts = []


class Expectation(_Table):
    status: Numbers = [200]
    error: Texts = Field([], description="Codes of an error, one of which the answer has")
    result: Texts = Field([], description="`status` of the JSON answer, one of these")
    warning: Texts = Field([], description="Regular expressions, each found in some warning, whatever the case")
    angle: int | None = None
    size: tuple[int, int] | None = Field(None, description="Width and height of the first page, pixels, ± 2")
    min_characters: int = 0
    contains: Texts = []
    in_order: Texts = []
    starts_with: str | None = None
    excludes: Texts = []
    lines: Texts = Field([], description="Each a line of its own in the rendered Markdown")
    line_patterns: Texts = Field([], description="Regular expressions, each for the whole of some line")
    headings: Texts = []
    paragraphs: Texts = Field([], description="In the Markdown, and not in a heading")
    ticked: Texts = []
    unticked: Texts = []
    whole: str | None = Field(None, description="All the text, in order, but for `max_errors`")
    optional: Texts = Field([], description="Lines that `whole` may have more")
    max_errors: float = Field(0.02, description="Edits to make `whole` of the Markdown, as a share of its characters")
    cells: list[list[str]] = Field([], description="Rows of the tables' cells, in order")
    tolerance: float = Field(0.1, description="Share of a text's characters that may be misread")
    any: list[Expectation] = []


class Case(Expectation):
    input: str | None = Field(None, description="The file; without it the one that is named as the table")
    options: dict[str, str] = {}
    between: str | None = Field(None, description="A file sent between two sendings, whose answers must be alike")
    requests: list[Exchange] = Field([], description="Sent in place of the file")


class Expectations(_Table):
    settings: dict[str, str] = Field({}, description="Of the service that the tool starts")
    case: dict[str, Case]


def load_expectations(file: Path) -> Expectations:
    """Raises pydantic's ValidationError for a key that does not exist, OSError and TOMLDecodeError for the file."""
    with file.open("rb") as data:
        return Expectations.model_validate(tomllib.load(data))


def unmet(expected: Expectation, answer: Answer) -> list[str]:
    """Why the answer is not what is expected, a clause each; empty where it is."""
    reasons = [*_answer_reasons(expected, answer)]
    if answer.status == 200:
        lines = rendered_lines(answer.markdown)
        text = squeeze("".join(line.text for line in lines))
        reasons += [*_text_reasons(expected, text), *_line_reasons(expected, lines), *_page_reasons(expected, answer)]
    if expected.any:
        ways = [unmet(way, answer) for way in expected.any]
        if all(ways):
            reasons.append(" / or ".join("; ".join(way) for way in ways))
    return reasons


def _answer_reasons(expected: Expectation, answer: Answer) -> Iterator[str]:
    if answer.status not in expected.status:
        yield f"HTTP {answer.status} {answer.code or answer.body[:80].decode(errors='replace')}"
    if expected.error and answer.code not in expected.error:
        yield f"code {answer.code}"
    if expected.result and answer.fields.get("status") not in expected.result:
        yield f"status {answer.fields.get('status')}"
    for pattern in expected.warning:
        if not any(re.search(pattern, warning, re.IGNORECASE) for warning in answer.warnings):
            yield f"no warning with {pattern}"


def _page_reasons(expected: Expectation, answer: Answer) -> Iterator[str]:
    page = answer.pages[0] if answer.pages else {}
    if expected.angle is not None and page.get("angle") != expected.angle:
        yield f"angle {page.get('angle')}"
    size = (page.get("width", 0), page.get("height", 0))
    if expected.size and any(abs(side - wanted) > 2 for side, wanted in zip(size, expected.size, strict=True)):
        yield f"page of {size[0]} x {size[1]} pixels"
    if expected.cells and (wrong := _wrong_cells(expected.cells, answer.markdown)):
        yield f"{wrong} cells wrong"


def _text_reasons(expected: Expectation, text: str) -> Iterator[str]:
    if len(text) < expected.min_characters:
        yield f"{len(text)} characters"
    for wanted in expected.contains:
        if not find_text(wanted, text, expected.tolerance):
            yield f"missing: {wanted}"
    yield from disorder(expected.in_order, text, expected.tolerance)
    for unwanted in expected.excludes:
        if squeeze(unwanted) in text:
            yield f"should not be there: {unwanted}"
    if expected.starts_with:
        place = find_text(expected.starts_with, text[: 2 * len(expected.starts_with)], expected.tolerance)
        if not place or place[0] > 2:
            yield f"does not start with: {expected.starts_with}"


def _line_reasons(expected: Expectation, lines: Sequence[Line]) -> Iterator[str]:
    missing: dict[str, tuple[list[str], Callable[[Line], bool]]] = {
        "not a line": (expected.lines, lambda line: True),
        "not a heading": (expected.headings, lambda line: line.is_heading),
    }
    for reason, (texts, suits) in missing.items():
        suitable = [line for line in lines if suits(line)]
        yield from (f"{reason}: {text}" for text in texts if not find_line(text, suitable, expected.tolerance))
    for pattern in expected.line_patterns:
        if not any(re.fullmatch(pattern, line.text) for line in lines):
            yield f"no line like {pattern}"
    plain = squeeze("".join(line.text for line in lines if not line.is_heading))
    yield from (
        f"not a paragraph: {text}" for text in expected.paragraphs if not find_text(text, plain, expected.tolerance)
    )
    for mark, texts in ((TICKED, expected.ticked), (UNTICKED, expected.unticked)):
        yield from (f"not marked {mark}: {text}" for text in texts if not _is_marked(text, mark, lines))
    if expected.whole is not None:
        yield from _whole_reasons(expected, lines)


def _is_marked(text: str, mark: str, lines: Sequence[Line]) -> bool:
    """Whether the nearest mark before the text, in its line, is this one."""
    pattern = rf"(?i){mark}\s*(?:[|:]\s*)?{re.escape(text)}"
    return any(re.search(pattern, line.text) for line in lines)


def _whole_reasons(expected: Expectation, lines: Sequence[Line]) -> Iterator[str]:
    wanted = squeeze(expected.whole or "")
    kept = [line.text for line in lines if not find_line(line.text, _as_lines(expected.optional), expected.tolerance)]
    errors = Levenshtein.distance(wanted, squeeze("".join(kept)))
    if errors > expected.max_errors * len(wanted):
        yield f"{errors} edits from the whole text of {len(wanted)} characters"


def _as_lines(texts: Sequence[str]) -> list[Line]:
    return [Line("p", text) for text in texts]


def _wrong_cells(rows: Sequence[Sequence[str]], markdown: str) -> int:
    """Cells of `rows` that the tables of the Markdown do not hold in their places, row by row."""
    found = [
        [squeeze(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", markdown, re.DOTALL)
    ]
    found += [[""]] * (len(rows) - len(found))
    return sum(
        not (place < len(read) and read[place] == squeeze(cell))
        for row, read in zip(rows, found, strict=False)
        for place, cell in enumerate(row)
    )
