"""python -m tools.sweep CORPUS [--url URL] [--out FOLDER] [--pages N] [--jobs N] [--timeout S] [--gallery]

Sends every file below a folder to a service and writes down what became of it: a line of JSON a file, the answers, and
`summary.md`. A sweep that was stopped goes on where it was; a new one wants another folder, or an empty one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.report import ROOT
from tools.gallery import Card, page_picture, page_with_blocks, write_gallery
from tools.ocr_service import Answer, open_service
from tools.sweep.record import Journal, Record, make_record, send_patiently
from tools.sweep.summary import Circumstances, anomalies, render_summary
from tools.sweep.watch import Watch, watch_service
from tools.sweep.words import text_layer


@dataclass(frozen=True, slots=True)
class Sweep:
    url: str
    corpus: Path
    journal: Journal
    watch: Watch
    pages: int
    """Of each file, the first; 0: all."""
    timeout_s: float

    def read(self, name: str) -> Record:
        file = self.corpus / name
        answer = send_patiently(self.url, file, {}, self.pages, self.timeout_s)
        record = make_record(name, file, answer, self.pages, self.watch.rss_mb())
        self.journal.add(record, answer)
        print(f"{record.status} {record.result or record.code} {record.seconds:.1f} s {name}", file=sys.stderr)
        return record

    def read_alone(self, record: Record) -> None:
        """Was it the file, or what ran beside it?"""
        answer = send_patiently(self.url, self.corpus / record.file, {}, self.pages, self.timeout_s)
        self.journal.add(replace(record, alone=answer.status))


def corpus_files(corpus: Path) -> list[str]:
    """Paths below the folder, smallest file first; hidden ones are left out."""
    files = [file for file in corpus.rglob("*") if file.is_file() and not file.name.startswith(".")]
    files.sort(key=lambda file: (file.stat().st_size, str(file)))
    return [str(file.relative_to(corpus)) for file in files]


def run_sweep(sweep: Sweep, names: Iterable[str], jobs: int) -> None:
    """All that have no record yet; those that failed in the service's own fault once more, alone."""
    done = sweep.journal.load()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(sweep.read, [name for name in names if name not in done]))
    for record in sweep.journal.load().values():
        if (record.is_server_fault or record.has_lost_worker) and record.alone is None:
            sweep.read_alone(record)


def make_cards(sweep: Sweep, records: Sequence[Record]) -> list[Card]:
    """What is odd, with its page, its own text and what was read of it."""
    folder = sweep.journal.folder / "pictures"
    folder.mkdir(exist_ok=True)
    cards = []
    for kind, files in anomalies(records, sweep.timeout_s).items():
        for record in files:
            answer = Answer(record.status, sweep.journal.answer_file(record.file).read_bytes(), record.seconds)
            file = sweep.corpus / record.file
            texts = {"own text": text_layer(file, sweep.pages) or "", "read": answer.markdown}
            notes = [kind, f"{record.found_words} of {record.own_words} own words", *record.warnings]
            cards.append(Card(record.file, False, notes, keep_picture(folder, file, record.file, answer), texts))
    return cards


def keep_picture(folder: Path, file: Path, name: str, answer: Answer) -> str | None:
    picture = page_with_blocks(file, answer.pages[0]) if answer.pages else page_picture(file)
    if picture is None:
        return None
    target = folder / f"{name.replace('/', '+')}.png"
    picture.save(target)
    return f"{folder.name}/{target.name}"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.sweep", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--url", help="a service that runs already; default: one of its own, embedded engine")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "sweep")
    parser.add_argument("--pages", type=int, default=2, help="of each file, the first; 0: all")
    parser.add_argument("--jobs", type=int, default=2, help="files at once")
    parser.add_argument("--timeout", type=float, default=600, help="REQUEST_TIMEOUT_S of the service")
    parser.add_argument("--gallery", action="store_true", help="write index.html with the page of each odd file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    with open_service(options.url) as url:
        watch = watch_service(url)
        sweep = Sweep(url, options.corpus, Journal(options.out), watch, options.pages, options.timeout)
        rss_before, files_before = watch.rss_mb(), watch.files()
        run_sweep(sweep, corpus_files(options.corpus), options.jobs)
        left = sorted(watch.files() - files_before)
        seen = Circumstances(options.timeout, rss_before, watch.rss_mb(), left, watch.nameless_mb())
    records = list(sweep.journal.load().values())
    text = render_summary(records, seen)
    (options.out / "summary.md").write_text(text)
    print(text)
    if options.gallery:
        write_gallery(options.out / "index.html", "Sweep", make_cards(sweep, records))
    return int(any(one.is_server_fault or one.seconds > options.timeout for one in records))


if __name__ == "__main__":
    sys.exit(main())
