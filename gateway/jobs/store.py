"""The files of jobs, one folder each below `DATA_DIR/jobs`: the document, what is asked for, each page when it is read.

    <id>/job.json         JobRecord, written last when a job is accepted
    <id>/document         the document's bytes, unless it is named by URL or by its key in a bucket
    <id>/plan.json        JobPlan, once the document was opened
    <id>/pages/00001.json StoredPage
    <id>/imgs/…           the pages' pictures, by their keys in the Markdown
    <id>/encoded/…        each page as the job's dialect says it, where that can't be made of the StoredPage later;
                          the StoredPage tells which
    <id>/warnings         what pages lack, a line of JSON for each page that lacks something
    <id>/attempts         a line for each process that has begun or let go of it
    <id>/end.json         JobEnd, when nothing is left to do

A file is there whole or not at all: it is written beside its place, flushed to the disk and put there. Where lines are
named, they are appended. Several gateways may share the folder. Of two that come to the same plan, page or end the
first one's stays: a gateway that was taken for dead may still be at it.
All functions block.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, Field

from gateway.intake.spool import SpooledFile
from gateway.model import DocumentInfo, OcrOptions, PageResult, Timings
from gateway.storage.keys import DOCUMENT_ID

JOBS = "jobs"
_WARNINGS, _ATTEMPTS = "warnings", "attempts"
_LET_GO = "-"
M = TypeVar("M", bound=BaseModel)


class Webhook(BaseModel):
    """Who is told of the job's end. `base_url`: what its links begin with."""

    url: str
    base_url: str


class JobRecord(BaseModel):
    """What a client has asked for. `owner`: digest of its API key. `created`: seconds since 1970."""

    id: str
    owner: str
    created: float
    keep_s: float
    name: str = ""
    url: str | None = None
    s3_key: str | None = None
    s3_bucket: str | None = None
    batch: str | None = None
    completed_by: str | None = Field(
        None, description="The last job of those that were submitted together: none of them counts before it is kept"
    )
    fingerprint: str = Field("", description="Digest of the document and its options, where an Idempotency-Key came")
    password: str | None = Field(None, description="Opens an encrypted PDF; forgotten when the job has ended")
    webhook: Webhook | None = None
    dialect: str = Field("ocr", description="Name of the API that the job came by")
    options: OcrOptions = Field(default_factory=OcrOptions)
    params: dict[str, Any] = Field(default_factory=dict, description="Options of `POST /ocr`, for its results")
    submission: dict[str, Any] = Field(default_factory=dict, description="What another dialect has to know of it")


class JobPlan(BaseModel):
    """The document as it was opened."""

    document: DocumentInfo
    pages: list[int] = Field(description="Numbers of the pages to read, ascending")
    started: float
    engine: str
    model: str


class StoredPage(BaseModel):
    """A page that was read. `images`: keys of its pictures."""

    result: PageResult
    timings: Timings
    images: list[str] = Field(default_factory=list)
    is_refused: bool = False
    encoded: str | None = Field(None, description="File of the page as the job's dialect says it")


class JobEnd(BaseModel):
    """How a job ended. `code` and `detail` say why, where it failed."""

    state: Literal["done", "failed"]
    ended: float
    status: int = 0
    code: str = ""
    detail: str = ""


class StoredJob(NamedTuple):
    """A folder of the store. `is_accepted`: False where the job's acceptance was cut off; `expires`: seconds since
    1970, None where the job has not ended; `age_s`: seconds since something was put into it."""

    job_id: str
    is_accepted: bool
    expires: float | None
    age_s: float


class JobStore:
    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / JOBS

    def make_root(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)  # records hold the passwords of documents

    def create(self, record: JobRecord, content: SpooledFile | None) -> None:
        """Keeps a job; on return it outlives the machine's loss of power. Raises OSError and leaves nothing then."""
        folder = self.folder(record.id)
        self.make_root()
        folder.mkdir(exist_ok=True)
        try:
            if content is not None:
                _write_file(folder / "document", content.read_pieces())
            (folder / "pages").mkdir(exist_ok=True)
            self._write_once(record.id, "job.json", record)
            _sync_folder(self.root)
        except BaseException:
            self.delete(record.id)
            raise

    def record(self, job_id: str) -> JobRecord | None:
        """None for what is no job's id, too."""
        if not DOCUMENT_ID.fullmatch(job_id):
            return None
        return self._read(job_id, "job.json", JobRecord)

    def is_complete(self, record: JobRecord) -> bool:
        """Whether all jobs that were submitted with it were kept."""
        return record.completed_by is None or self.record(record.completed_by) is not None

    def plan(self, job_id: str) -> JobPlan | None:
        return self._read(job_id, "plan.json", JobPlan)

    def end(self, job_id: str) -> JobEnd | None:
        return self._read(job_id, "end.json", JobEnd)

    def write_plan(self, job_id: str, plan: JobPlan) -> None:
        self._write_once(job_id, "plan.json", plan)

    def write_end(self, job_id: str, end: JobEnd) -> None:
        self._write_once(job_id, "end.json", end)

    def forget_password(self, record: JobRecord) -> None:
        """For a job that needs it no more."""
        if record.password is not None:
            kept = record.model_copy(update={"password": None})
            self._replace_file(record.id, "job.json", kept.model_dump_json().encode())

    def open_document(self, job_id: str) -> SpooledFile:
        """A copy of the document's bytes for one reading; raises ServiceError 503 `storage_unavailable`."""
        return SpooledFile.from_path(self.folder(job_id) / "document")

    def write_page(
        self, job_id: str, page: StoredPage, pictures: Mapping[str, bytes], encoded: bytes | None = None
    ) -> None:
        """Keeps a page, what belongs to it first: a page that is there is there with its pictures.

        `encoded`: the page as the job's dialect says it.
        """
        for key, picture in pictures.items():
            self._replace_file(job_id, key, picture)
        if encoded is not None:
            name = f"encoded/{page.result.page:05d}-{uuid.uuid4().hex[:8]}.json"
            self._replace_file(job_id, name, encoded)
            page = page.model_copy(update={"encoded": name})
        if page.result.warnings:
            self._append(job_id, _WARNINGS, json.dumps([page.result.page, page.result.warnings]))
        self._write_once(job_id, _page_file(page.result.page), page)

    def page(self, job_id: str, number: int) -> StoredPage | None:
        return self._read(job_id, _page_file(number), StoredPage)

    def load_encoded_page(self, job_id: str, number: int) -> bytes | None:
        """The page as the job's dialect says it."""
        page = self.page(job_id, number)
        return self.picture(job_id, page.encoded) if page and page.encoded else None

    def warnings(self, job_id: str) -> list[str]:
        """Of the pages that were read, in their order."""
        # A page may stand there twice, where the process was killed before the page itself was kept.
        pages = dict(json.loads(line) for line in self._lines(job_id, _WARNINGS))
        return [warning for number in sorted(pages) for warning in pages[number]]

    def begin_attempt(self, job_id: str, process: str) -> None:
        """Notes that the process works on the job, and from where on. FileNotFoundError where it was deleted."""
        if process not in self._attempts(job_id):
            self._append(job_id, _ATTEMPTS, f"{process} {len(self.page_numbers(job_id))}")

    def end_attempt(self, job_id: str, process: str) -> None:
        """Notes that the process let go of the job without being killed. FileNotFoundError where it was deleted."""
        if process in self._attempts(job_id):
            self._append(job_id, _ATTEMPTS, f"{process} {_LET_GO}")

    def attempts(self, job_id: str) -> int:
        """How many processes have worked on the job."""
        return len(self._attempts(job_id))

    def lost_attempts(self, job_id: str, process: str) -> int:
        """How many processes beside this one have worked on the job and never let go of it, since its last page was
        kept."""
        kept = str(len(self.page_numbers(job_id)))
        return sum(seen == kept for worker, seen in self._attempts(job_id).items() if worker != process)

    def _attempts(self, job_id: str) -> dict[str, str]:
        """By process: how many pages were kept when it began, or `_LET_GO`."""
        return dict(line.rpartition(" ")[::2] for line in self._lines(job_id, _ATTEMPTS))

    def page_numbers(self, job_id: str) -> set[int]:
        """Numbers of the pages that were read."""
        with suppress(FileNotFoundError):
            return {int(Path(name).stem) for name in os.listdir(self.folder(job_id) / "pages") if name[0].isdigit()}
        return set()

    def picture(self, job_id: str, key: str) -> bytes | None:
        with suppress(OSError):
            return (self.folder(job_id) / key).read_bytes()
        return None

    def survey(self) -> tuple[list[StoredJob], int]:
        """All jobs, and the bytes of all files."""
        jobs, size = [], 0
        with suppress(FileNotFoundError), os.scandir(self.root) as entries:
            for entry in filter(os.DirEntry.is_dir, entries):
                with suppress(FileNotFoundError):  # deleted meanwhile
                    jobs.append(self._describe(entry))
                    size += _size(entry.path)
        return jobs, size

    def _describe(self, entry: os.DirEntry[str]) -> StoredJob:
        age_s = time.time() - entry.stat().st_mtime
        is_accepted = bool(DOCUMENT_ID.fullmatch(entry.name)) and os.path.exists(os.path.join(entry.path, "job.json"))
        end = self.end(entry.name) if is_accepted else None
        record = self.record(entry.name) if end else None
        return StoredJob(entry.name, is_accepted, end.ended + record.keep_s if end and record else None, age_s)

    def delete(self, job_id: str) -> int:
        """The bytes that this has freed. Nothing is put into the job any more, by whomever."""
        folder = self.folder(job_id)
        doomed = self.root / f".{job_id}-{uuid.uuid4().hex[:8]}"
        try:
            folder.rename(doomed)
        except FileNotFoundError:
            return 0
        size = _size(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        return size

    def folder(self, job_id: str) -> Path:
        return self.root / job_id

    def _read(self, job_id: str, name: str, model: type[M]) -> M | None:
        with suppress(FileNotFoundError, NotADirectoryError):
            return model.model_validate_json((self.folder(job_id) / name).read_bytes())
        return None

    def _append(self, job_id: str, name: str, line: str) -> None:
        descriptor = os.open(self.folder(job_id) / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)

    def _lines(self, job_id: str, name: str) -> list[str]:
        """Whole ones: the last may be cut off where the disk was full."""
        with suppress(FileNotFoundError, NotADirectoryError):
            text = (self.folder(job_id) / name).read_text(encoding="utf-8")
            return [line for line in text.splitlines(keepends=False)[: text.count("\n")] if line]
        return []

    def _replace_file(self, job_id: str, name: str, data: bytes) -> None:
        path = self.folder(job_id) / name
        path.parent.mkdir(exist_ok=True)
        _write_file(path, [data])

    def _write_once(self, job_id: str, name: str, content: BaseModel) -> None:
        """Where there is none yet."""
        _write_file(self.folder(job_id) / name, [content.model_dump_json().encode()], replaces=False)


def _size(root: str | Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def _page_file(number: int) -> str:
    return f"pages/{number:05d}.json"


def _write_file(path: Path, pieces: Iterable[bytes], *, replaces: bool = True) -> None:
    """`replaces`: False leaves a file that is there already. Raises OSError; FileNotFoundError where the folder was
    deleted meanwhile."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            if replaces:
                os.replace(file.name, path)
            else:
                with suppress(FileExistsError):
                    os.link(file.name, path)
                os.unlink(file.name)
        except BaseException:
            with suppress(OSError):
                os.unlink(file.name)
            raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
