"""`make bench-tables`: how well the embedded engine finds a table's rows, columns and spans, with and without rules."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

from PIL import Image

from benchmarks.embedded.drawn_tables import STYLES, draw_tables
from benchmarks.report import table, verdict, write_report
from benchmarks.service import Service, start_service
from benchmarks.teds import teds
from tests.support.samples import has_omnidocbench, omnidocbench

GOALS = {"ruled": 0.95, "book": 0.85, "bare": 0.85}
Score = tuple[str, str, float]
"""Style, name and TEDS of a table."""


def drawn_scores(service: Service, folder: Path) -> Iterator[Score]:
    for drawn in draw_tables():
        file = folder / f"{drawn.style}-{drawn.name}.png"
        drawn.image.save(file)
        yield drawn.style, drawn.name, teds(read_table(service, file), drawn.html)


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


def style_row(style: str, scores: Sequence[Score]) -> list[str]:
    values = [value for one, _, value in scores if one == style]
    is_met = mean(values) >= GOALS[style]
    return [style, f"{mean(values):.3f}", f"{min(values):.3f}", f"≥ {GOALS[style]}", verdict(is_met)]


def main() -> None:
    with start_service(VLM_ENGINE="embedded") as service, tempfile.TemporaryDirectory() as folder:
        drawn = list(drawn_scores(service, Path(folder)))
        samples = list(sample_scores(service, Path(folder))) if has_omnidocbench() else []
    write_report(
        "tables",
        "Tables of the embedded engine: TEDS, 1 for the same rows, columns, spans and texts",
        "Drawn tables of six kinds: `ruled` with all rules, `book` with three rules across, `bare` with none.",
        table(["style", "mean", "worst", "goal", ""], [style_row(style, drawn) for style in STYLES]),
        table(["style", "kind", "TEDS"], [[style, name, f"{value:.3f}"] for style, name, value in drawn]),
        "## Tables of the OmniDocBench samples",
        table(["table", "TEDS"], [[name, f"{value:.3f}"] for name, value in samples]),
    )


if __name__ == "__main__":
    main()
