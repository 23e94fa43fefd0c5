"""What became of each file: one line of JSON for each, so that a sweep that was stopped goes on where it was."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tools.cases.matching import rendered_lines
from tools.ocr_service import NO_ANSWER, Answer, send_document
from tools.sweep.words import count_found, count_words, text_layer

BUSY, BUSY_TRIES = 429, 20
GRACE_S = 30
"""Beyond its own limit, for which the service is waited for before it counts as hanging."""
LOST_WORKER = re.compile(r"(page|document)_(crashed|timeout)|document_rejected|out_of_memory")


@dataclass(frozen=True, slots=True)
class Record:
    file: str
    """Path below the corpus."""
    status: int
    code: str | None
    result: str | None
    """`status` of the JSON answer."""
    seconds: float
    pages: int
    own_words: int | None
    """Of the text layer; None where the file has none, as pictures do."""
    read_words: int
    found_words: int
    """Of the own words, those that were read."""
    rss_mb: float | None
    warnings: list[str] = field(default_factory=list)
    alone: int | None = None
    """HTTP status when it was sent once more with nothing beside it."""

    @property
    def recall(self) -> float | None:
        return self.found_words / self.own_words if self.own_words else None

    @property
    def is_empty(self) -> bool:
        """Answered without a word, though the file's own text has two and more."""
        return self.status == 200 and not self.read_words and (self.own_words or 0) >= 2

    @property
    def has_lost_worker(self) -> bool:
        return any(LOST_WORKER.search(text) for text in [self.code or "", *self.warnings])

    @property
    def is_server_fault(self) -> bool:
        return self.status == NO_ANSWER or self.status >= 500


@dataclass(frozen=True, slots=True)
class Journal:
    """The folder of a sweep: `records.jsonl`, and the JSON answers below `answers/`."""

    folder: Path
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def file(self) -> Path:
        return self.folder / "records.jsonl"

    def load(self) -> dict[str, Record]:
        """By file; of several lines for a file the last."""
        if not self.file.is_file():
            return {}
        records = [Record(**_fields(line)) for line in self.file.read_text().splitlines() if line.endswith("}")]
        return {record.file: record for record in records}

    def add(self, record: Record, answer: Answer | None = None) -> None:
        with self.lock, self.file.open("a") as lines:
            lines.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
        if answer:
            file = self.answer_file(record.file)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(answer.body)

    def answer_file(self, name: str) -> Path:
        return self.folder / "answers" / f"{name}.json"


def _fields(line: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(line)
    return fields


def send_patiently(url: str, file: Path, options: Mapping[str, str], pages: int, timeout_s: float) -> Answer:
    """The answer to a file's first pages (0: all); a busy service is asked again, a file with fewer pages for all."""
    options = {**options, "pages": f"1-{pages}"} if pages else options
    answer = send_document(url, file, options, timeout_s + GRACE_S)
    for _ in range(BUSY_TRIES):
        if answer.code == "invalid_pages":
            options = {name: value for name, value in options.items() if name != "pages"}
        elif answer.status == BUSY:
            time.sleep(float(answer.headers.get("retry-after", "5")))
        else:
            break
        answer = send_document(url, file, options, timeout_s + GRACE_S)
    return answer


def make_record(name: str, file: Path, answer: Answer, pages: int, rss_mb: float | None) -> Record:
    own = text_layer(file, pages)
    own_words = count_words(own) if own is not None else None
    read = count_words(" ".join(line.text for line in rendered_lines(answer.markdown)))
    return Record(
        file=name,
        status=answer.status,
        code=answer.code,
        result=answer.fields.get("status") if answer.status == 200 else None,
        seconds=round(answer.seconds, 2),
        pages=len(answer.pages),
        own_words=own_words.total() if own_words is not None else None,
        read_words=read.total(),
        found_words=count_found(own_words, read) if own_words else 0,
        rss_mb=rss_mb and round(rss_mb, 1),
        warnings=answer.warnings,
    )
