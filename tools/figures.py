"""Writes the figures of README.md and docs/performance.md from the tables in benchmarks/results, between two markers.

python -m tools.figures

A figure that is measured anew reaches the documents by `make docs`; no figure in them is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- figures: written by `make docs` from benchmarks/results -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table in `benchmarks/results/FILE.md`: of the first row below the heading `section` that begins with
    `row`. What stands below "written by hand" is not looked at."""

    file: str
    row: Sequence[str]
    column: str
    section: str = "\n"

    def read(self) -> str:
        """Raises LookupError where there is no such cell."""
        text = (RESULTS / f"{self.file}.md").read_text(encoding="utf-8").split("written by hand")[0]
        _, found, part = text.partition(self.section)
        if not found:
            raise LookupError(f"{self.file}.md has no section {self.section!r}")
        header: list[str] = []
        for line in part.splitlines():
            cells = [cell.strip().strip("*") for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|"):
                header = []
            elif not header:
                header = cells
            elif cells[: len(self.row)] == list(self.row) and self.column in header:
                return cells[header.index(self.column)]
        raise LookupError(f"{self.file}.md has no cell {self.row}, {self.column!r}")


@dataclass(frozen=True, slots=True)
class Figure:
    """`form` shows the cells' values in their order."""

    what: str
    form: str
    cells: Sequence[Cell]
    command: str


def _load(server: str, name: str) -> Figure:
    cells = [Cell("gateway", ("16", server), column, "## Speed") for column in ("pages/s", "CPU ms a page", "peak MB")]
    return Figure(f"{name}, 16 documents at once", "{} pages/s, {} ms CPU a page, {} MB", cells, "make bench")


SHORT = (
    Figure(
        "Markdown against the truth, nine OmniDocBench pages on a CPU: mean edit distance (0 is perfect)",
        "{}",
        [Cell("accuracy", ("mean",), "edit distance", "## OmniDocBench samples")],
        "make bench-accuracy",
    ),
    Figure(
        "The same pages: time, as a share of plain RapidOCR's",
        "{}",
        [Cell("embedded", ("all samples",), "ratio")],
        "make bench-embedded",
    ),
    _load("gateway", "This gateway"),
    _load("PaddleX serving", "PaddleX serving"),
    _load("GLM-OCR SDK server", "GLM-OCR SDK server"),
)
"""What the README shows."""

LONG = (
    *SHORT,
    Figure(
        "One page beyond the engine's own time",
        "{}",
        [Cell("gateway", ("one page beyond the engine's own time",), "figure")],
        "make bench",
    ),
    Figure(
        "This gateway, 64 documents at once",
        "{} pages/s",
        [Cell("gateway", ("64", "gateway"), "pages/s", "## Speed")],
        "make bench",
    ),
    Figure(
        "Regions a second through `/ocr`, as a share of what a real vLLM reads when asked straight (tiny checkpoint on "
        "a core of its own)",
        "{}",
        [Cell("vllm-efficiency", ("/ocr, layout recorded",), "ratio", "## vLLM on core 0")],
        "make bench-vllm",
    ),
    Figure(
        "Twice the load that can be read, ten minutes: goodput against capacity; time to a 429, median",
        "{}; {}",
        [
            Cell("overload", ("goodput against capacity",), "figure"),
            Cell("overload", ("time to a 429, median",), "figure"),
        ],
        "make bench-overload FULL=1",
    ),
    Figure(
        "Memory of one PDF of 1,000 scanned pages: at the peak; beyond documents of 20 pages",
        "{} MB; {}",
        [
            Cell("memory", ("one document of 1000 pages",), "peak MB"),
            Cell("memory", ("1000 pages beyond 20 pages",), "figure"),
        ],
        "make bench-memory FULL=1",
    ),
    Figure(
        "Growth of memory over an hour's work",
        "{}",
        [Cell("memory", ("growth while soaked",), "figure")],
        "make bench-memory FULL=1",
    ),
    Figure(
        "An engine that drops, breaks, stalls or delays 8 % of the calls: documents lost; 95th percentile against "
        "a well one",
        "{}; {}",
        [
            Cell("faults", ("documents not read whole",), "figure"),
            Cell("faults", ("p95 against the one without faults",), "figure"),
        ],
        "make bench-faults",
    ),
)
PAGES = {ROOT / "README.md": SHORT, ROOT / "docs" / "performance.md": LONG}


def table_text(figures: Sequence[Figure]) -> str:
    rows = ["| what | figure | measured by |", "|---|---|---|"]
    for figure in figures:
        values = figure.form.format(*(cell.read() for cell in figure.cells))
        rows.append(f"| {figure.what} | {values} | `{figure.command}` |")
    return "\n".join(rows)


def page_text(page: str, figures: Sequence[Figure]) -> str:
    """`page` with its figures as they are now. Raises ValueError where it has no markers."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError("the page has no markers for figures")
    return pattern.sub(lambda _: f"{BEGIN}\n{table_text(figures)}\n{END}", page)


def main() -> None:
    for page, figures in PAGES.items():
        page.write_text(page_text(page.read_text(encoding="utf-8"), figures), encoding="utf-8")


if __name__ == "__main__":
    main()
