"""`make bench-tables`: how well the embedded engine finds a table's rows, columns and spans, with and without rules."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from uuid import uuid4

from PIL import Image

from benchmarks.embedded.drawn_tables import STYLES, DrawnTable, Style, draw_tables
from benchmarks.embedded.table_kinds import KINDS
from benchmarks.report import table, verdict, write_report
from benchmarks.service import Service, start_service
from benchmarks.teds import teds
from tests.support.samples import has_omnidocbench, omnidocbench

GOALS: dict[Style, float] = {"ruled": 0.95, "columns": 0.95, "rows": 0.85, "book": 0.85, "shaded": 0.85, "bare": 0.85}
SEEDS = range(107, 114)
"""Of the drawn tables: one of each kind and style tells little. Nothing was tuned on these."""
JOBS = 4
"""Tables that are read at once."""
SLANTED: tuple[Style, ...] = ("ruled", "bare")
SLANTS = (-1.5, 1.5)
"""Styles of the tables that are drawn turned, too, and by how many degrees."""
Score = tuple[Style, str, float]
"""Style, kind and TEDS of a table."""


def drawn_scores(
    service: Service, folder: Path, seeds: Iterable[int], styles: Sequence[Style] = STYLES, slant: float = 0.0
) -> Iterator[Score]:
    def score(drawn: DrawnTable) -> Score:
        file = folder / f"{uuid4().hex}.png"
        drawn.image.save(file)
        return drawn.style, drawn.name, teds(read_table(service, file), drawn.html)

    with ThreadPoolExecutor(JOBS) as pool:
        for seed in seeds:
            yield from pool.map(score, draw_tables(seed, styles, slant))


def sample_scores(service: Service, folder: Path) -> Iterator[tuple[str, float]]:
    """Of the tables on OmniDocBench's samples, cut out at the truth's boxes."""
    for file, truth in zip(*omnidocbench(), strict=True):
        found = [box for box in truth["layout_dets"] if box["category_type"] == "table" and box.get("html")]
        for number, box in enumerate(found, 1):
            xs, ys = box["poly"][0::2], box["poly"][1::2]
            part = folder / f"{file.stem}-{number}.png"
            with Image.open(file) as page:
                page.convert("RGB").crop((min(xs), min(ys), max(xs), max(ys))).save(part)
            yield f"{file.stem}, {number}", teds(read_table(service, part), box["html"])


def read_table(service: Service, file: Path) -> str:
    markdown = service.ocr(file, task="table", images="none")["markdown"]
    return str(markdown)


def style_row(style: Style, scores: Sequence[Score]) -> list[str]:
    values = [value for one, _, value in scores if one == style]
    is_met = mean(values) >= GOALS[style]
    return [style, f"{mean(values):.3f}", f"{min(values):.3f}", f"≥ {GOALS[style]}", verdict(is_met)]


def kind_row(kind: str, scores: Sequence[Score]) -> list[str]:
    """Mean and worst of each style."""
    own = [[value for style, name, value in scores if (style, name) == (one, kind)] for one in STYLES]
    return [kind, *(f"{mean(values):.3f} / {min(values):.3f}" for values in own)]


def main() -> None:
    with start_service(VLM_ENGINE="embedded") as service, tempfile.TemporaryDirectory() as folder:
        drawn = list(drawn_scores(service, Path(folder), SEEDS))
        turned = [score for slant in SLANTS for score in drawn_scores(service, Path(folder), SEEDS[:1], SLANTED, slant)]
        samples = list(sample_scores(service, Path(folder))) if has_omnidocbench() else []
    header = ["style", "mean", "worst", "goal", ""]
    write_report(
        "tables",
        "Tables of the embedded engine: TEDS, 1 for the same rows, columns, spans and texts",
        f"{len(drawn)} drawn tables, {len(SEEDS)} of each kind and style: `ruled` with all rules, `rows` with one "
        "under each row, `book` with three rules across, `columns` with these and rules between columns, `shaded` with "
        "every second row shaded, `bare` with nothing.",
        table(header, [style_row(style, drawn) for style in STYLES]),
        table(["mean / worst of a kind", *STYLES], [kind_row(kind, drawn) for kind in KINDS]),
        f"## Turned by {SLANTS[1]}° either way ({len(turned)} tables)",
        table(header, [style_row(style, turned) for style in SLANTED]),
        "## Tables of the OmniDocBench samples",
        table(["table", "TEDS"], [[name, f"{value:.3f}"] for name, value in samples]),
    )


if __name__ == "__main__":
    main()
