"""What is kept of jobs, a folder of the store for each: the document, what is asked for, each page when it is read.

    jobs/<id>/job.json              JobRecord, written last when a job is accepted
    jobs/<id>/document              the document's bytes, unless it is named by URL or by its key in a bucket;
                                    `document-…` where an Idempotency-Key came, and the record tells which: of two
                                    gateways that get other documents with the same key each may have put its own there
    jobs/<id>/plan.json             JobPlan, once the document was opened
    jobs/<id>/pages/00001.json      StoredPage
    jobs/<id>/imgs/…                the pages' pictures, by their keys in the Markdown
    jobs/<id>/encoded/…             each page as the job's dialect says it, where that can't be made of the StoredPage
                                    later; the StoredPage tells which
    jobs/<id>/warnings/00001.json   what the page lacks, if it lacks something
    jobs/<id>/attempts/<process>    how many pages were kept when the process began, or that it let go of the job
    jobs/<id>/end.json              JobEnd, when nothing is left to do

Several gateways may share the store. Of two that come to the same plan, page or end the first one's stays: a gateway
that was taken for dead may still be at it.
All functions block, and raise what `ObjectStore` raises.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel, Field, ValidationError

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.model import DocumentInfo, PageResult, Timings
from gateway.reading_options import OcrOptions
from gateway.storage.keys import DOCUMENT_ID
from gateway.storage.objects import ObjectStore

JOBS = "jobs"
_RECORD, _END = "job.json", "end.json"
_LET_GO = b"-"
_WARNINGS_REMEMBERED = 10_000
"""Pages whose warnings, which never change, are not read again each time that a client looks at their job."""
M = TypeVar("M", bound=BaseModel)

log = structlog.get_logger(__name__)


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
    media_type: str = Field("", description="Of the document, as its sender declares it")
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
    document: str = Field("document", description="File of the document's bytes")
    options: OcrOptions = Field(default_factory=OcrOptions)
    trace: dict[str, str] = Field(default_factory=dict, description="W3C headers of the request that made the job")
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
    1970, None where the job has not ended; `age_s`: seconds since something was put into it; `size`: bytes."""

    job_id: str
    is_accepted: bool
    expires: float | None
    age_s: float
    size: int


@dataclass(slots=True)
class _Folder:
    """What a survey has seen of a job's folder. Times are seconds since 1970."""

    modified: float = 0.0
    is_accepted: bool = False
    ended: float | None = None
    size: int = 0


class JobStore:
    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._load_warnings = lru_cache(maxsize=_WARNINGS_REMEMBERED)(self._read_warnings)
        self._expiry: dict[tuple[str, float], float | None] = {}
        """Of the jobs that have ended, and when: as the last survey found them."""
        self._owners: dict[str, str] = {}
        """Of the jobs whose bytes were counted last."""

    @property
    def place(self) -> str:
        """What messages call where jobs are kept."""
        return self._objects.place

    def prepare(self) -> None:
        """Raises where nothing can be kept."""
        self._objects.prepare(JOBS)

    def free_bytes(self) -> int | None:
        """None where nobody knows."""
        return self._objects.free_bytes()

    def create(self, record: JobRecord, content: SpooledFile | None) -> bool:
        """Keeps a job; on return it outlives the machine's loss of power. False where another gateway has kept one of
        the same id before. Where it raises it leaves nothing, unless the store is away for that too."""
        # Without a key no other gateway makes a job of this id, and earlier versions look for no other name.
        name = f"document-{uuid.uuid4().hex}" if record.fingerprint else "document"
        own = record.model_copy(update={"document": name})
        try:
            if content is not None:
                self._objects.write(_key(record.id, own.document), content)
            self._objects.write(_key(record.id, _RECORD), _dump(own), replaces=False)
            return self._is_kept(own)
        except BaseException:
            with suppress(OSError, ServiceError):
                self._delete_draft(own)
            raise

    def _is_kept(self, own: JobRecord) -> bool:
        """Whether it is this record that the job has, and not that of another gateway."""
        kept = self.record(own.id)
        return kept is not None and kept.document == own.document

    def _delete_draft(self, own: JobRecord) -> None:
        """Leaves another gateway's job, and what may become one. The record may be there though its writing failed."""
        names = set(self._objects.list_names(f"{JOBS}/{own.id}"))
        if names <= {own.document, _RECORD} and (_RECORD not in names or self._is_kept(own)):
            self.delete(own.id)

    def record(self, job_id: str) -> JobRecord | None:
        """None for what is no job's id, too."""
        if not DOCUMENT_ID.fullmatch(job_id):
            return None
        return self._read(job_id, _RECORD, JobRecord)

    def has_job(self, job_id: str) -> bool:
        return self._objects.exists(_key(job_id, _RECORD))

    def is_complete(self, record: JobRecord) -> bool:
        """Whether all jobs that were submitted with it were kept."""
        return record.completed_by is None or self.record(record.completed_by) is not None

    def plan(self, job_id: str) -> JobPlan | None:
        return self._read(job_id, "plan.json", JobPlan)

    def end(self, job_id: str) -> JobEnd | None:
        return self._read(job_id, _END, JobEnd)

    def write_plan(self, job_id: str, plan: JobPlan) -> None:
        """FileNotFoundError where the job was deleted, as in all that follow which write."""
        self._write(job_id, "plan.json", _dump(plan))

    def write_end(self, job_id: str, end: JobEnd) -> None:
        self._write(job_id, _END, _dump(end))

    def forget_password(self, job_id: str) -> None:
        """For a job that needs it no more."""
        record = self.record(job_id)
        if record is not None and record.password is not None:
            kept = record.model_copy(update={"password": None})
            self._write(job_id, _RECORD, _dump(kept), replaces=True)

    def open_document(self, record: JobRecord) -> SpooledFile:
        """The document's bytes for one reading; FileNotFoundError where the job was deleted."""
        content = self._objects.open(_key(record.id, record.document))
        if content is None:
            raise FileNotFoundError(record.id)
        return content

    def write_page(
        self, job_id: str, page: StoredPage, pictures: Mapping[str, bytes], encoded: bytes | None = None
    ) -> None:
        """Keeps a page, what belongs to it first: a page that is there is there with its pictures.

        `encoded`: the page as the job's dialect says it.
        """
        number = page.result.page
        for key, picture in pictures.items():
            self._write(job_id, key, picture, replaces=True)
        if encoded is not None:
            name = f"encoded/{number:05d}-{uuid.uuid4().hex[:8]}.json"
            self._write(job_id, name, encoded)
            page = page.model_copy(update={"encoded": name})
        if page.result.warnings:
            # The page holds them too: the disk need not be waited for twice.
            self._write(job_id, f"warnings/{number:05d}.json", json.dumps(page.result.warnings).encode(), lasts=False)
        self._write(job_id, _page_name(number), _dump(page))

    def page(self, job_id: str, number: int) -> StoredPage | None:
        return self._read(job_id, _page_name(number), StoredPage)

    def load_encoded_page(self, job_id: str, number: int) -> bytes | None:
        """The page as the job's dialect says it."""
        page = self.page(job_id, number)
        return self.picture(job_id, page.encoded) if page and page.encoded else None

    def warnings(self, record: JobRecord) -> list[str]:
        """Of the pages that were read, in their order."""
        names = sorted(self._objects.list_names(_key(record.id, "warnings")))
        return [warning for name in names for warning in self._load_warnings(record.id, record.created, name)]

    def _read_warnings(self, job_id: str, created: float, name: str) -> list[str]:
        """`created`: of the job; an `Idempotency-Key` may make one again that was deleted."""
        content = self._objects.read(_key(job_id, f"warnings/{name}"))
        with suppress(ValueError):
            warnings: list[str] = json.loads(content or b"")
            return warnings
        page = self.page(job_id, int(name.removesuffix(".json")))  # a loss of power has left the file empty, or cut it
        return page.result.warnings if page else []

    def begin_attempt(self, job_id: str, process: str) -> None:
        """Notes that the process works on the job, and from where on."""
        self._write(job_id, f"attempts/{process}", str(len(self.page_numbers(job_id))).encode())

    def end_attempt(self, job_id: str, process: str) -> None:
        """Notes that the process let go of the job without being killed."""
        if self._objects.exists(_key(job_id, f"attempts/{process}")):
            self._write(job_id, f"attempts/{process}", _LET_GO, replaces=True)

    def attempts(self, job_id: str) -> int:
        """How many processes have worked on the job."""
        return len(self._objects.list_names(_key(job_id, "attempts")))

    def count_losses(self, job_id: str, process: str) -> int:
        """How many processes beside this one have worked on the job and never let go of it, since its last page was
        kept."""
        kept = str(len(self.page_numbers(job_id))).encode()
        others = set(self._objects.list_names(_key(job_id, "attempts"))) - {process}
        return sum(self._objects.read(_key(job_id, f"attempts/{other}")) == kept for other in others)

    def page_numbers(self, job_id: str) -> set[int]:
        """Numbers of the pages that were read."""
        return {int(name.removesuffix(".json")) for name in self._objects.list_names(_key(job_id, "pages"))}

    def picture(self, job_id: str, key: str) -> bytes | None:
        return self._objects.read(_key(job_id, key))

    def survey(self) -> list[StoredJob]:
        """All jobs."""
        folders: dict[str, _Folder] = {}
        for one in self._objects.survey(JOBS):
            _, job_id, *rest = one.key.split("/")
            folder = folders.setdefault(job_id, _Folder())
            folder.modified = max(folder.modified, one.modified)
            folder.is_accepted |= rest == [_RECORD] and DOCUMENT_ID.fullmatch(job_id) is not None
            folder.ended = one.modified if rest == [_END] else folder.ended
            folder.size += one.size
        self._expiry = {
            (job_id, folder.ended): self._find_expiry(job_id, folder.ended)
            for job_id, folder in folders.items()
            if folder.is_accepted and folder.ended is not None
        }
        now = time.time()
        return [
            StoredJob(
                job_id,
                folder.is_accepted,
                self._expiry.get((job_id, folder.ended or 0.0)),
                now - folder.modified,
                folder.size,
            )
            for job_id, folder in folders.items()
        ]

    def sizes_by_owner(self, jobs: Sequence[StoredJob]) -> dict[str, dict[str, int]]:
        """What the jobs take: bytes by id, by owner. Reads each record once: a job's id is of one owner only."""
        new = (one.job_id for one in jobs if one.is_accepted and one.job_id not in self._owners)
        found = {record.id: record.owner for record in (self._read_safely(self.record, one) for one in new) if record}
        ids = {one.job_id for one in jobs}
        self._owners = {job_id: owner for job_id, owner in (self._owners | found).items() if job_id in ids}
        sizes: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for one in jobs:
            if owner := self._owners.get(one.job_id):
                sizes[owner][one.job_id] = one.size
        return sizes

    def _find_expiry(self, job_id: str, ended: float) -> float | None:
        if (known := self._expiry.get((job_id, ended))) is not None:
            return known
        end, record = self._read_safely(self.end, job_id), self._read_safely(self.record, job_id)
        return end.ended + record.keep_s if end and record else None

    def _read_safely(self, read: Callable[[str], M | None], job_id: str) -> M | None:
        """None for what can't be read, too: one broken job must not hold up what is done of all."""
        try:
            return read(job_id)
        except (OSError, ValidationError) as error:
            log.warning("job_unreadable", id=job_id, reason=type(error).__name__)
            return None

    def delete(self, job_id: str) -> None:
        """Nothing is put into the job any more, by whomever."""
        self._objects.delete(f"{JOBS}/{job_id}", _key(job_id, _RECORD))

    def _read(self, job_id: str, name: str, model: type[M]) -> M | None:
        content = self._objects.read(_key(job_id, name))
        return None if content is None else model.model_validate_json(content)

    def _write(self, job_id: str, name: str, content: bytes, *, replaces: bool = False, lasts: bool = True) -> None:
        self._objects.write(_key(job_id, name), content, replaces=replaces, within=_key(job_id, _RECORD), lasts=lasts)


def _key(job_id: str, name: str) -> str:
    return f"{JOBS}/{job_id}/{name}"


def _page_name(number: int) -> str:
    return f"pages/{number:05d}.json"


def _dump(content: BaseModel) -> bytes:
    return content.model_dump_json().encode()
