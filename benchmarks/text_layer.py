"""`make bench-text-layer`: born-digital PDFs read with their text layers against the engine's reading of them, and
layers that lie.

Documents are made: what they show is known. Each goes to one service by either way in turn, so that what else the
machine does falls on both.
"""

from __future__ import annotations

import argparse
import io
import random
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fpdf import FPDF
from rapidfuzz.distance import Levenshtein
from reportlab.pdfgen.canvas import Canvas

from benchmarks.report import table, verdict, write_report
from benchmarks.service import Service, start_service
from gateway.text_layer.region_text import TEXT_LABELS
from tests.support.samples import samples_folder
from tests.support.subtle_lies import subtle_lies
from tests.support.text_layers import (
    ENGLISH,
    HEIGHT,
    RUSSIAN,
    SANS,
    SECOND,
    WIDTH,
    LayerPage,
    Line,
    broken_layers,
    draw_lines,
    paragraph,
    register_fonts,
    sound_layers,
)

PARAGRAPHS, LINES, LINE_WORDS = 6, (3, 7), (9, 12)
SEED = 17
PAGES = (1, 5, 20)
"""Of the documents made: fonts are proved once for a document, however long it is."""
GOAL_SPEED, GOAL_CALLS, GOAL_DISTANCE, GOAL_UNUSED = 8.0, 0.15, 0.005, 0.03
ALL_LABELS = {"ignore_labels": ""}


@dataclass
class Way:
    """What one way of reading has cost and given over all documents."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    pages: int = 0
    calls: int = 0
    distances: list[float] = field(default_factory=list)
    blocks: int = 0
    taken: int = 0

    def add(self, answer: dict[str, Any], seconds: float, cpu_s: float, truths: Sequence[str]) -> None:
        self.seconds += seconds
        self.cpu_s += cpu_s
        self.pages += answer["usage"]["pages"]
        self.calls += answer["usage"]["regions"]
        for page, truth in zip(answer["pages"], truths, strict=True):
            texts = [block for block in page["blocks"] if block["label"] in TEXT_LABELS]
            self.blocks += len(texts)
            self.taken += sum(block["source"] == "text_layer" for block in texts)
            read = strip("".join(block["content"] for block in page["blocks"]))
            self.distances.append(Levenshtein.normalized_distance(read, strip(truth)))

    @property
    def speed(self) -> float:
        return self.pages / self.seconds

    @property
    def distance(self) -> float:
        return sum(self.distances) / len(self.distances)


def strip(text: str) -> str:
    return re.sub(r"\s+", "", text)


def make_documents(count: int) -> Iterator[tuple[str, bytes, list[str]]]:
    """Of `count` pages each: name, PDF and the text of each page, of several producers and fonts."""
    dice = random.Random(SEED)
    latin = " ".join((*ENGLISH, *SECOND)).split()
    for font in ("Helvetica", "Times-Roman", "Sans"):
        languages = [latin, " ".join(RUSSIAN).split()] if font == "Sans" else [latin]
        pages = [make_page(dice, languages, number) for number in range(1, count + 1)]
        yield f"reportlab, {font}", write_by_reportlab(pages, font), list(map(text_of, pages))
    pages = [make_page(dice, [latin], number) for number in range(1, count + 1)]
    yield "fpdf2, embedded font", write_by_fpdf(pages), list(map(text_of, pages))


def make_page(dice: random.Random, languages: Sequence[Sequence[str]], number: int) -> list[Line]:
    """Paragraphs of the languages in turn. `languages`: words of each."""
    words = languages[0]
    lines = paragraph([f"{number}. {' '.join(dice.sample(words, 4)).capitalize()}"], 70, 17)
    top = 115.0
    for paragraph_number in range(PARAGRAPHS):
        words = languages[paragraph_number % len(languages)]
        count = dice.randint(*LINES)
        texts = [" ".join(dice.choices(words, k=dice.randint(*LINE_WORDS))) for _ in range(count)]
        lines += paragraph(texts, top, 9.5)
        top += count * 9.5 * 1.3 + 16
    return [*lines, Line(str(number), WIDTH / 2, 40, 9.5)]


def text_of(lines: Sequence[Line]) -> str:
    return "\n".join(line.text for line in lines)


def write_by_reportlab(pages: Sequence[Sequence[Line]], font: str) -> bytes:
    stream = io.BytesIO()
    register_fonts()
    canvas = Canvas(stream, pagesize=(WIDTH, HEIGHT))
    for lines in pages:
        draw_lines(canvas, lines, font)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def write_by_fpdf(pages: Sequence[Sequence[Line]]) -> bytes:
    pdf = FPDF(unit="pt", format=(WIDTH, HEIGHT))
    pdf.add_font("Sans", fname=str(SANS))
    for lines in pages:
        pdf.add_page()
        for line in lines:
            pdf.set_font("Sans", size=line.size)
            pdf.text(line.x, HEIGHT - line.baseline, line.text)
    return bytes(pdf.output())


def compare(service: Service, folder: Path, count: int) -> dict[str, Way]:
    """Both ways for documents of `count` pages."""
    ways = {"auto": Way(), "never": Way()}
    for at, (_, data, truths) in enumerate(make_documents(count)):
        file = folder / f"{count}-{at}.pdf"
        file.write_bytes(data)
        for mode, way in ways.items():
            started, before = time.perf_counter(), cpu_time(service)
            answer = service.ocr(file, images="none", text_layer=mode, **ALL_LABELS)
            way.add(answer, time.perf_counter() - started, cpu_time(service) - before, truths)
    return ways


def add_up(ways: Iterable[Way]) -> Way:
    total = Way()
    for way in ways:
        total.seconds += way.seconds
        total.cpu_s += way.cpu_s
        total.pages += way.pages
        total.calls += way.calls
        total.distances += way.distances
        total.blocks += way.blocks
        total.taken += way.taken
    return total


def read_samples(service: Service, folder: Path) -> Iterator[list[str]]:
    """Of each real PDF: its blocks of text, those of them from its layer, and the time of both ways."""
    for file in sorted(folder.glob("*.pdf")):
        seconds = {}
        for mode in ("never", "auto"):
            started = time.perf_counter()
            answer = service.ocr(file, images="none", text_layer=mode)
            seconds[mode] = time.perf_counter() - started
        texts = [block for page in answer["pages"] for block in page["blocks"] if block["label"] in TEXT_LABELS]
        taken = sum(block["source"] == "text_layer" for block in texts)
        yield [file.name, str(len(texts)), str(taken), f"{seconds['auto']:.2f}", f"{seconds['never']:.2f}"]


def cpu_time(service: Service) -> float:
    """Seconds of CPU that the service has taken so far."""
    times = [process.cpu_times() for tier in service.tiers().values() for process in tier]
    return float(sum(one.user + one.system for one in times))


def read_layers(service: Service, folder: Path, pages: Sequence[LayerPage]) -> tuple[int, int, list[str]]:
    """Blocks of text, those that were taken from the layer, and of those what nobody sees."""
    blocks = taken = 0
    wrong = []
    for page in pages:
        file = folder / "layer.pdf"
        file.write_bytes(page.data)
        shown = strip("".join(line.text for line in page.lines))
        for block in service.ocr(file, images="none", **ALL_LABELS)["pages"][0]["blocks"]:
            blocks += block["label"] in TEXT_LABELS
            if block["source"] == "text_layer":
                taken += 1
                wrong += [] if strip(block["content"]) in shown else [f"{page.name}: {block['content'][:60]!r}"]
    return blocks, taken, wrong


def compare_speed(auto: Way, never: Way) -> str:
    return f"{auto.speed:.2f} against {never.speed:.2f}: {auto.speed / never.speed:.2f} ×"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, nargs="+", default=PAGES, help="of each document")
    parser.add_argument("--every", type=int, default=1, help="of so many layers that lie, or are sound, one is read")
    asked = parser.parse_args()
    lies = [*broken_layers(), *subtle_lies()][:: asked.every]
    truths = sound_layers()[:: asked.every]
    with start_service(VLM_ENGINE="embedded") as service, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        read_layers(service, folder, truths[:1])  # models allocate at their first page
        by_count = {count: compare(service, folder, count) for count in asked.pages}
        samples = list(read_samples(service, samples_folder() / "pdf"))
        blocks, taken, wrong = read_layers(service, folder, truths)
        wrong += read_layers(service, folder, lies)[2]
    auto, never = (add_up(ways[mode] for ways in by_count.values()) for mode in ("auto", "never"))
    unused, speed, calls = 1 - auto.taken / auto.blocks, auto.speed / never.speed, auto.calls / never.calls
    speeds, distances = compare_speed(auto, never), f"{auto.distance:.4f}; the engine's: {never.distance:.4f}"
    saved = (never.cpu_s / never.pages) / (auto.cpu_s / auto.pages)
    cpu = f"{auto.cpu_s / auto.pages:.2f} against {never.cpu_s / never.pages:.2f}: {saved:.2f} × less"
    counts = f"{auto.calls} of {never.calls}: {calls:.0%}"
    rows = [
        ["pages/s, text layer against `never`", speeds, f"≥ {GOAL_SPEED:g} ×", verdict(speed >= GOAL_SPEED)],
        *(
            [f"the same, documents of {count} pages", compare_speed(ways["auto"], ways["never"]), "", ""]
            for count, ways in by_count.items()
        ),
        ["seconds of CPU a page", cpu, "", ""],
        ["engine calls", counts, f"≤ {GOAL_CALLS:.0%}", verdict(calls <= GOAL_CALLS)],
        ["mean edit distance", distances, f"≤ {GOAL_DISTANCE}", verdict(auto.distance <= GOAL_DISTANCE)],
        ["sound blocks not used", f"{unused:.1%}", f"≤ {GOAL_UNUSED:.0%}", verdict(unused <= GOAL_UNUSED)],
        [f"the same, {len(truths)} documents of one page", f"{1 - taken / blocks:.1%} of {blocks}", "", ""],
        [f"blocks taken wrongly, with {len(lies)} layers that lie", str(len(wrong)), "0", verdict(not wrong)],
    ]
    lengths = ", ".join(map(str, asked.pages))
    made = f"{auto.pages} pages in documents of {lengths}, by two producers in four fonts, made by the benchmark."
    real = table(["olmOCR-bench's sample", "blocks of text", "from its layer", "s", "s by `never`"], samples)
    failures = "\n".join(["Taken wrongly:", "", *(f"- {one}" for one in wrong)]) if wrong else ""
    sections = [made, table(["what", "measured", "goal", ""], rows), real, *filter(None, [failures])]
    write_report("text-layer", "Text layer: born-digital PDFs with the embedded engine", *sections)


if __name__ == "__main__":
    main()
