"""One input, read into its output file or into memory."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from paddleocr_vl_client.client import Client
from paddleocr_vl_client.commands.failures import describe_os_error
from paddleocr_vl_client.commands.inputs import ENDINGS, STDIN, ZIP_ENDING, Input
from paddleocr_vl_client.errors import APIError, APIStatusError, AuthenticationError, PermissionDeniedError
from paddleocr_vl_client.events import failure_of
from paddleocr_vl_client.models import Conversion, Job
from paddleocr_vl_client.options import Format, ReadOptions
from paddleocr_vl_client.pauses import is_passing, poll_pauses
from paddleocr_vl_client.sources import Source, printable

MAX_REQUEST_PAGES = 20
"""A longer PDF becomes a job: it shows its pages, has no deadline of a request, and is found again by the next run."""
NO_JOBS = frozenset({"jobs_unavailable", "scope_missing"})
"""Codes of a service that takes no jobs now, or none with this key: a request reads the document then."""
_ZIP = "application/zip"
_PDFIUM = threading.Lock()

OnProgress = Callable[[int, int | None], None]
"""Is told how many pages were read, and of how many (None: not known yet)."""


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an input; a line of `--json`. `content` is what was read where no file was written; `may_pass`:
    what it failed of may pass by itself."""

    source: str
    status: Literal["ok", "partial", "failed", "skipped"]
    output: str | None = None
    warnings: str = ""
    code: str = ""
    error: str = ""
    may_pass: bool = False
    seconds: float = 0.0
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads inputs, for several threads at once. `folder` is the output folder; None: into memory.

    `overwrites`: whether what is written already is read again; `needs_text`: in memory no archive is taken.
    """

    client: Client
    format: Format
    options: ReadOptions
    folder: Path | None
    overwrites: bool = False
    needs_text: bool = False

    def read(self, one: Input, on_progress: OnProgress) -> tuple[Reading, bytes | None]:
        """What became of it, and its content where there is no output folder. Raises what no document would fare better
        with: AuthenticationError, PermissionDeniedError."""
        start = time.monotonic()
        try:
            target = self._target(one)
            if target is not None and not self.overwrites and (written := self._find_written(one, target)):
                return Reading(one.place, "skipped", str(written)), None
            found = self._convert(one, target, on_progress)
            output = _rename_archive(found, target)
        except (AuthenticationError, PermissionDeniedError):
            raise
        except APIError as error:
            code = error.code if isinstance(error, APIStatusError) else ""
            return _fail(one, start, str(error), code, may_pass=is_passing(error))
        except OSError as error:
            return _fail(one, start, describe_os_error(error, one.place))
        if target is None and self.needs_text and found.media_type == _ZIP:
            reason = "The document has several tables, which are an archive: name a folder for it with -o."
            return _fail(one, start, reason)
        reading = Reading(
            one.place, found.status, str(output) if output else None, warnings=found.warnings, seconds=_since(start)
        )
        return reading, found.content

    def _target(self, one: Input) -> Path | None:
        if self.folder is None:
            return None
        place = self.folder / one.output
        return place.with_name(place.name + ENDINGS[self.format])

    def _find_written(self, one: Input, target: Path) -> Path | None:
        """The output of an earlier run, unless the input is newer, as what comes by the standard input always is.

        Outputs are written whole or not at all.
        """
        if one.place == STDIN:
            return None
        outputs = (target, target.with_suffix(ZIP_ENDING)) if self.format == "csv" else (target,)
        changed = Path(one.place).stat().st_mtime if one.is_file else 0.0
        return next((output for output in outputs if output.exists() and output.stat().st_mtime >= changed), None)

    def _convert(self, one: Input, target: Path | None, on_progress: OnProgress) -> Conversion:
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
        source: Source = sys.stdin.buffer if one.place == STDIN else one.place
        # A pipe can be read once only, so nobody looks into it before it is sent.
        if not one.is_file or not Path(one.place).is_file() or _count_pages(Path(one.place)) <= MAX_REQUEST_PAGES:
            return self.client.convert(source, self.format, target, **self.options)
        try:
            return convert_by_job(
                self.client,
                Path(one.place),
                self.format,
                self.options,
                place=os.path.abspath(one.place),
                target=target,
                on_progress=on_progress,
            )
        except APIStatusError as error:
            if error.code not in NO_JOBS:
                raise
        return self.client.convert(source, self.format, target, **self.options)


def convert_by_job(
    client: Client,
    file: Path,
    format: Format,
    options: ReadOptions,
    *,
    place: str,
    target: Path | None = None,
    name: str | None = None,
    on_progress: OnProgress = lambda _done, _total: None,
) -> Conversion:
    """The document, read by a job that has no deadline; the next run finds it where this one is interrupted.

    Removed from the service when its result is here. `place` tells it from its copies, whose jobs end at other times;
    `name` stands for the file's own.
    """
    jobs = client.jobs
    key = _fingerprint(file, {**options, "format": format, "place": printable(place)})
    job = jobs.submit(file, name=name, format=format, idempotency_key=key, **options)
    job = _follow(client, job, on_progress)
    failure = failure_of(job)
    if failure is None:
        # Should this fail, the next run finds the job and need not read the document again.
        found = jobs.convert(job.id, format, target)
    jobs.cancel(job.id)
    if failure is not None:
        raise failure
    return found


def _follow(client: Client, job: Job, on_progress: OnProgress) -> Job:
    """The job at its end."""
    for pause_s in poll_pauses(None):
        on_progress(job.progress.done, job.progress.total)
        if job.has_ended:
            break
        time.sleep(pause_s)
        job = client.jobs.get(job.id)
    return job


def _fail(one: Input, start: float, error: str, code: str = "", *, may_pass: bool = False) -> tuple[Reading, None]:
    return Reading(one.place, "failed", code=code, error=error, may_pass=may_pass, seconds=_since(start)), None


def _rename_archive(found: Conversion, target: Path | None) -> Path | None:
    """The output's path, with the ending of what it is."""
    if target is not None and found.media_type == _ZIP:
        return target.replace(target.with_suffix(ZIP_ENDING))
    return target


def _count_pages(file: Path) -> int:
    """Of a PDF; 1 for anything else, and for what PDFium can't open."""
    with file.open("rb") as opened:
        if not opened.read(1024).count(b"%PDF-"):
            return 1
    # PDFium may be in one thread only, whatever the document.
    with _PDFIUM:
        import pypdfium2  # takes 10 ms, which only PDFs have to wait for

        try:
            with pypdfium2.PdfDocument(file) as document:
                return len(document)
        except pypdfium2.PdfiumError:
            return 1


def _fingerprint(file: Path, options: dict[str, Any]) -> str:
    """The same for the same bytes and options in each run."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    digest.update(msgspec.json.encode(options, order="sorted"))
    return f"paddleocr-vl-{digest.hexdigest()}"


def _since(start: float) -> float:
    return round(time.monotonic() - start, 3)
