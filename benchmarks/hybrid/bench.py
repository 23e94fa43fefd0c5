"""`make bench-hybrid`: scans read by a VLM alone, and with the embedded engine beside it (`recognition=hybrid`).

The VLM is a scripted one: what counts is how many calls are made to it. What the embedded engine reads in its place is
held against the truth as if the VLM never made a mistake, which is the worst that can be said of it.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.hybrid.pages import DEGRADED, ScannedPage, document_pages, language_pages, sample_pages
from benchmarks.processes import free_port
from benchmarks.report import table, verdict, write_report
from benchmarks.scoring import plain
from benchmarks.service import Service, start_service
from gateway.settings import Settings
from tests.support.stub_engine import Reply, StubEngine

GOAL_CALLS, GOAL_DISTANCE = 0.5, 0.005
TIMEOUT_S = 500.0
"""For the start, and for the embedded engine, so that no call is the VLM's because this machine is busy."""
DEFAULT_TIMEOUT_S: float = Settings.model_fields["line_reader_timeout_s"].default
NO_TRUTH = 0.3
"""Share of a block's characters that are not in the page's truth, from which on the truth is taken to lack the block,
as that of OmniDocBench lacks text in charts."""
_DASHES = re.compile("[\u2010-\u2015\u2212-]")


@dataclass
class Corpus:
    """`distances`: of each page, what the blocks that the embedded engine has read have wrong, as a share of the page's
    truth. Calls: to the VLM `alone`, to it `beside` the embedded engine, to that (`line_reader`), and those of them
    that were too `late`, as on a busy machine."""

    name: str
    alone: int = 0
    beside: int = 0
    line_reader: int = 0
    characters: int = 0
    taken: int = 0
    unknown: int = 0
    late: int = 0
    distances: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, page: ScannedPage, vlm: Mapping[str, Any], hybrid: Mapping[str, Any]) -> None:
        self.alone += vlm["usage"]["regions"]
        self.beside += hybrid["usage"]["regions"]
        self.line_reader += hybrid["usage"]["line_reader_calls"]
        truth, wrong = normalize(page.text), 0
        self.characters += len(truth)
        for block in hybrid["pages"][0]["blocks"]:
            if block["engine"] != "embedded" or not (text := normalize(block["content"])):
                continue
            edits = count_edits(text, truth)
            if edits > NO_TRUTH * len(text):
                self.unknown += 1
                continue
            self.taken += len(text)
            wrong += edits
            self.faults += [f"{page.name}: {edits} of {len(text)} in {text[:40]!r}"] if edits else []
        self.distances.append(wrong / max(len(truth), 1))

    @property
    def distance(self) -> float:
        return mean(self.distances)

    @property
    def row(self) -> list[str]:
        share = self.beside / self.alone
        return [
            self.name,
            str(len(self.distances)),
            f"{self.beside} of {self.alone}: {share:.0%}",
            str(self.line_reader),
            str(self.late),
            f"{self.taken / self.characters:.0%}",
            f"{self.distance:.4f}",
            f"{max(self.distances):.4f}",
            str(self.unknown),
        ]


def normalize(text: str) -> str:
    """As it is scored: without markup, white space, dashes and the widths of East Asian signs, of which the truths have
    now one form and now another."""
    return _DASHES.sub("", unicodedata.normalize("NFKC", plain(text)))


def count_edits(text: str, truth: str) -> int:
    """Levenshtein distance of the text to the part of the truth that is most like it.

    The first row of the matrix is zero, for the part may begin anywhere (Sellers 1980, "The theory and computation of
    evolutionary distances: pattern recognition").
    """
    letters = np.array([ord(letter) for letter in truth], dtype=np.int64)
    at = np.arange(len(truth) + 1)
    row = np.zeros(len(truth) + 1, dtype=np.int64)
    for number, letter in enumerate(text, 1):
        best = np.minimum(row[:-1] + (letters != ord(letter)), row[1:] + 1)
        row = np.minimum.accumulate(np.concatenate([[number], best]) - at) + at
    return int(row.min())


def measure(service: Service, folder: Path, name: str, pages: Iterable[ScannedPage]) -> Corpus:
    corpus, before = Corpus(name), count_late(service)
    for page in pages:
        file = folder / "page.png"
        Image.fromarray(page.pixels).save(file)
        vlm, hybrid = (service.ocr(file, images="none", recognition=mode) for mode in ("vlm", "hybrid"))
        corpus.add(page, vlm, hybrid)
    corpus.late = count_late(service) - before
    return corpus


def count_late(service: Service) -> int:
    text = httpx.get(f"{service.url}/metrics", trust_env=False).text
    [line] = [line for line in text.splitlines() if line.startswith("ocr_line_reader_late_total")]
    return round(float(line.split()[1]))


def wait_for_line_reader(service: Service) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while httpx.get(f"{service.url}/health", trust_env=False).json()["line_reader"]["state"] != "ready":
        if time.monotonic() > deadline:
            raise SystemExit("The embedded engine beside the VLM did not become ready.")
        time.sleep(0.5)


def corpora(pages: int, *, is_degraded: bool) -> Iterator[tuple[str, Callable[[], Iterator[ScannedPage]]]]:
    yield "OmniDocBench samples", sample_pages
    for degradation in DEGRADED if is_degraded else ():
        yield f"the same, {degradation}", lambda: sample_pages(degradation)  # noqa: B023 - called before the next one
    yield "made documents, scanned", lambda: document_pages(pages)
    yield "made pages in 24 languages", language_pages


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=2, help="of each made document")
    parser.add_argument("--only", default="", help="corpora whose name holds this")
    parser.add_argument("--degraded", action="store_true", help="read the samples badly scanned, too")
    asked = parser.parse_args()
    with StubEngine(kind="vllm", answer=lambda _request: Reply("read by the VLM")) as vlm:
        started = start_service(
            TIMEOUT_S,
            VLM_ENGINE="external",
            VLM_BASE_URL=vlm.base_url,
            LINE_READER_PORT=str(free_port()),
            LINE_READER_TIMEOUT_S=str(TIMEOUT_S),
        )
        with started as service, tempfile.TemporaryDirectory() as folder:
            wait_for_line_reader(service)
            chosen = [one for one in corpora(asked.pages, is_degraded=asked.degraded) if asked.only in one[0]]
            found = [measure(service, Path(folder), name, pages()) for name, pages in chosen]
    write_results(found)


def write_results(found: list[Corpus]) -> None:
    header = ["corpus", "pages", "calls to the VLM", "to the embedded engine", "too late",
              "of all characters read by it", "edit distance added", "worst page", "not in the truth"]  # fmt: skip
    samples = found[0]
    share, distance = samples.beside / samples.alone, samples.distance
    goals = [
        ["calls to the VLM, against it alone", f"{share:.0%}", f"≤ {GOAL_CALLS:.0%}", verdict(share <= GOAL_CALLS)],
        ["edit distance added", f"{distance:.4f}", f"≤ {GOAL_DISTANCE}", verdict(distance <= GOAL_DISTANCE)],
    ]
    faults = sorted(fault for corpus in found for fault in corpus.faults)
    write_report(
        "hybrid",
        "Hybrid: scans read by a VLM with the embedded engine beside it",
        "The VLM is scripted, so its calls are counted and its own mistakes are not: the edit distance is what the "
        "readings that were taken from the embedded engine have wrong, mean of the pages, as if the VLM had read the "
        "same without a mistake. It is 0 where none is taken. Blocks are held against the part of the page's truth "
        "that is most like them, without white space, dashes and widths.\n\n"
        f"The embedded engine had {TIMEOUT_S:.0f} s for each text (`LINE_READER_TIMEOUT_S`, by default "
        f"{DEFAULT_TIMEOUT_S:.0f} s), so that none is the VLM's because the machine is busy or slow.",
        f"## {samples.name}",
        table(["what", "measured", "goal", ""], goals),
        "## All corpora",
        table(header, [corpus.row for corpus in found]),
        "## What was read wrong",
        "\n".join(f"- {fault}" for fault in faults) or "Nothing.",
    )


if __name__ == "__main__":
    main()
