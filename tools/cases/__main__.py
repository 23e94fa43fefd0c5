"""python -m tools.cases FOLDER [--expect FILE] [--url URL] [--out FOLDER] [--before FOLDER] [--only TEXT]

Sends every input of a folder to a service, compares what comes back with what must come, prints a table with reasons,
and writes `index.html`: each page beside its Markdown of an earlier run and of this one. Exit status 1 where a case is
wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks.report import ROOT, table
from tools.cases.expectations import FILE_NAME, Case, Exchange, load_expectations, unmet
from tools.gallery import Card, page_picture, page_with_blocks, write_gallery
from tools.ocr_service import Answer, open_service, send_document

SENDINGS_BETWEEN = 6
"""More than there are render workers, so that each of them has had the file."""


NO_INPUTS = {".txt", ".json", ".py", ".sh", ".toml", ".md"}
"""What stands beside an input with the same name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    input: Path | None
    answer: Answer | None
    """None where raw requests were sent."""
    reasons: Sequence[str]


def find_input(folder: Path, name: str, case: Case) -> Path | None:
    """The case's file; None where the folder has none."""
    if case.input:
        file = folder / case.input
        return file if file.is_file() else None
    return next((file for file in sorted(folder.glob(f"{name}.*")) if file.suffix not in NO_INPUTS), None)


def run_case(url: str, folder: Path, name: str, case: Case) -> Outcome:
    file = find_input(folder, name, case)
    if file is None:
        return Outcome(name, None, None, ["its input is not in the folder"])
    if case.requests:
        data = file.read_bytes()
        return Outcome(
            name, file, None, [reason for request in case.requests for reason in run_exchange(url, request, data)]
        )
    answer = send_document(url, file, case.options)
    reasons = unmet(case, answer)
    if case.between:
        for _ in range(SENDINGS_BETWEEN):
            send_document(url, folder / case.between, {})
        later = {(again.status, again.code) for again in (send_document(url, file, case.options) for _ in range(4))}
        reasons += [f"later HTTP {status} {code}" for status, code in later - {(answer.status, answer.code)}]
    return Outcome(name, file, answer, reasons)


def run_exchange(url: str, request: Exchange, data: bytes) -> list[str]:
    """Why the answer to a raw request is not what is expected."""
    before, marker, after = request.body.encode().partition(b"{input}")
    content = before + (data if marker else b"") + after
    answer = httpx2.request(
        request.method, f"{url}{request.path}", headers=request.headers, content=content, timeout=None, trust_env=False
    )
    what = f"{request.method} {request.path}"
    reasons = [] if answer.status_code in request.status else [f"{what}: HTTP {answer.status_code} {answer.text[:80]}"]
    reasons += [
        f"{what}: {name}: {answer.headers.get(name)}"
        for name, value in request.answer_headers.items()
        if answer.headers.get(name) != value
    ]
    return reasons + [f"{what}: no {text}" for text in request.answer_contains if text not in answer.text]


def keep_outcome(outcome: Outcome, out: Path, before: Path) -> Card:
    """Writes answer, Markdown and picture. The former run's Markdown becomes that before, unless another was named."""
    markdown = out / f"{outcome.name}.md"
    former = before / markdown.name
    if before == out / "before" and markdown.is_file():
        before.mkdir(exist_ok=True)
        shutil.copyfile(markdown, former)
    notes = [*outcome.reasons]
    texts = {}
    if outcome.answer:
        markdown.write_text(outcome.answer.markdown)
        (out / f"{outcome.name}.json").write_bytes(outcome.answer.body)
        notes += [f"warning: {text}" for text in outcome.answer.warnings]
        texts = {"before": former.read_text() if former.is_file() else "", "after": outcome.answer.markdown}
    return Card(outcome.name, not outcome.reasons, notes, keep_picture(outcome, out), texts)


def keep_picture(outcome: Outcome, out: Path) -> str | None:
    if outcome.input is None:
        return None
    pages = outcome.answer.pages if outcome.answer else []
    picture = page_with_blocks(outcome.input, pages[0]) if pages else page_picture(outcome.input)
    if picture is None:
        return None
    picture.save(out / f"{outcome.name}.png")
    return f"{outcome.name}.png"


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    rows = [[one.name, "wrong" if one.reasons else "right", _clip("; ".join(one.reasons))] for one in outcomes]
    right = sum(not one.reasons for one in outcomes)
    return f"{table(['case', 'verdict', 'why'], rows)}\n\n{right} of {len(outcomes)} right"


def _clip(text: str, length: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[:length]}…"


def run_cases(url: str, folder: Path, cases: Mapping[str, Case]) -> Iterator[Outcome]:
    for name, case in cases.items():
        outcome = run_case(url, folder, name, case)
        print(f"{name}: {'wrong' if outcome.reasons else 'right'}", file=sys.stderr)
        yield outcome


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.cases", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("folder", type=Path, help="of the inputs")
    parser.add_argument("--expect", type=Path, help=f"default: {FILE_NAME} in the folder")
    parser.add_argument("--url", help="a service that runs already; default: one of its own, embedded engine")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "cases")
    parser.add_argument(
        "--before", type=Path, help="an earlier run's folder; default: the former run in the same place"
    )
    parser.add_argument("--only", help="cases whose name holds this text")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    expected = load_expectations(options.expect or options.folder / FILE_NAME)
    cases = {name: case for name, case in expected.case.items() if not options.only or options.only in name}
    options.out.mkdir(parents=True, exist_ok=True)
    outcomes, cards = [], []
    with open_service(options.url, expected.settings) as service:
        for outcome in run_cases(service, options.folder, cases):
            outcomes.append(outcome)
            cards.append(keep_outcome(outcome, options.out, options.before or options.out / "before"))
    write_gallery(options.out / "index.html", "Cases", cards)
    print(outcome_table(outcomes))
    print(f"\nPages beside their Markdown: {options.out / 'index.html'}")
    return int(any(one.reasons for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
