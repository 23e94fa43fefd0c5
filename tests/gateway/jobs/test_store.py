"""What is kept of a job, whatever fails meanwhile."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from gateway.jobs.service import JobService
from gateway.jobs.store import StoredPage
from gateway.model import PageResult, Timings
from gateway.storage.objects import FolderObjects
from tests.gateway.jobs.idle import make_job, without_key

RECORD = f"jobs/{'a' * 32}/job.json"


@pytest.mark.parametrize("fails", ["write", "read"])
@pytest.mark.parametrize("has_key", [False, True])
def test_a_job_whose_keeping_fails_late_is_not_kept(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch, fails: str, has_key: bool
) -> None:
    """The record is written, the store is away for a moment then: a client that is told so finds no job later."""
    operation, failures = getattr(FolderObjects, fails), [OSError(errno.EIO, "Input/output error")]

    def fail_once(objects: FolderObjects, key: str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        answer = operation(objects, key, *rest, **options)
        if key == RECORD and failures:
            raise failures.pop()
        return answer

    own = make_job(b"own") if has_key else without_key(make_job(b"own"))
    monkeypatch.setattr(FolderObjects, fails, fail_once)
    with pytest.raises(OSError, match="Input/output"):
        jobs.store.create(*own)
    assert not jobs.store.has_job(own.record.id)


def test_a_job_whose_keeping_fails_leaves_that_of_another_gateway(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, read, failures = make_job(b"other"), FolderObjects.read, [OSError(errno.EIO, "Input/output error")]
    assert jobs.store.create(*other)

    def fail_once(objects: FolderObjects, key: str) -> bytes | None:
        if failures:
            raise failures.pop()
        return read(objects, key)

    monkeypatch.setattr(FolderObjects, "read", fail_once)
    with pytest.raises(OSError, match="Input/output"):
        jobs.store.create(*make_job(b"own"))
    kept = jobs.store.record(other.record.id)
    assert kept is not None
    assert jobs.store.open_document(kept).read() == b"other"


def test_a_job_without_a_key_is_kept_as_earlier_versions_read_it(jobs: JobService, tmp_path: Path) -> None:
    """Of gateways that share a store some are of the version before while all are replaced."""
    job = without_key(make_job(b"own"))
    jobs.store.create(*job)
    assert (tmp_path / "jobs" / job.record.id / "document").read_bytes() == b"own"


@pytest.mark.parametrize("left", [b"", b'["page 1: '])
def test_warnings_that_a_loss_of_power_has_cut_are_those_of_the_page(
    jobs: JobService, tmp_path: Path, left: bytes
) -> None:
    job = make_job(b"own")
    jobs.store.create(*job)
    lacks = ["a line of text was not read"]
    page = PageResult(page=1, width=1, height=1, dpi=200, status="partial", markdown="", blocks=[], warnings=lacks)
    jobs.store.write_page(job.record.id, StoredPage(result=page, timings=Timings()), {})
    (tmp_path / "jobs" / job.record.id / "warnings" / "00001.json").write_bytes(left)
    assert jobs.store.warnings(job.record) == lacks
