"""What was compared, for people: Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.differential.cases import Case
from tests.differential.comparison import Deviation
from tests.differential.differences import DIFFERENCES, explanation
from tests.differential.mends import MENDED, MENDS
from tests.differential.sides import Outcome

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "build" / "differential.md"


@dataclass(frozen=True, slots=True)
class Compared:
    case: Case
    theirs: Outcome
    ours: Outcome
    found: Sequence[Deviation]


def write_report(compared: Sequence[Compared]) -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(
        "\n\n".join([_summary(compared), _others(compared), _listed(compared), _mends(), _cases(compared)]) + "\n"
    )


def unlisted(found: Sequence[Deviation]) -> list[Deviation]:
    return [one for one in found if explanation(one) is None]


def _summary(compared: Sequence[Compared]) -> str:
    pages = sum(len(one.case.sheets) for one in compared)
    calls = sum(len(one.theirs.calls) for one in compared), sum(len(one.ours.calls) for one in compared)
    others = sum(len(unlisted(one.found)) for one in compared)
    return (
        "# PaddleX's PaddleOCR-VL pipeline and ours, on the same pages, boxes and readings\n\n"
        f"{len(compared)} requests, {pages} pages; {calls[0]} calls of PaddleX to the VLM, {calls[1]} of ours. "
        f"Differences that are not listed: {others}."
    )


def _others(compared: Sequence[Compared]) -> str:
    rows = [f"- {other}" for one in compared for other in unlisted(one.found)]
    return "\n".join(["## Differences that are not listed", "", *(rows or ["None."])])


def _listed(compared: Sequence[Compared]) -> str:
    names = Counter(known.name for one in compared for found in one.found if (known := explanation(found)))
    rows = [f"| {one.name} | {one.reason} | {names[one.name]} |" for one in DIFFERENCES]
    return "\n".join(["## Differences in single places", "", "| what | ours | times |", "|---|---|---|", *rows])


def _mends() -> str:
    rows = [f"| {one.name} | {one.reason} | {MENDED[one.name]} |" for one in MENDS]
    return "\n".join(["## Written in another way everywhere", "", "| what | ours | texts |", "|---|---|---|", *rows])


def _cases(compared: Sequence[Compared]) -> str:
    rows = [
        f"| {one.case.name} | {len(one.case.sheets)} | {len(one.theirs.calls)} | {len(one.ours.calls)} "
        f"| {len(one.found) - len(unlisted(one.found))} | {len(unlisted(one.found))} |"
        for one in compared
    ]
    head = ["| request | pages | their calls | our calls | listed | others |", "|---|---|---|---|---|---|"]
    return "\n".join(["## Requests", "", *head, *rows])
