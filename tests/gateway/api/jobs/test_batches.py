"""Several documents in one `POST /jobs`: a job for each, all or none of them."""

from __future__ import annotations

import base64
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from gateway.errors import ServiceError
from gateway.jobs.queue import JobQueue
from gateway.jobs.store import JobStore
from tests.gateway.api.jobs.test_routes import end_of
from tests.support.answers import assert_problem
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import WAIT_S

MAX_QUEUED = 5


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, jobs=True, max_queued_jobs=MAX_QUEUED, max_upload_mb=2) as running:
        yield running


@pytest.fixture
def served(_running: Gateway) -> Iterator[Gateway]:
    _running.reset()
    yield _running
    for job in jobs_of(_running):
        _running.client.delete(f"/jobs/{job['id']}")
    _running.reset()


def jobs_of(served: Gateway, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.client.get("/jobs", params=query).json()["jobs"]
    return found


def inline(data: bytes, **more: str) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode(), **more}


def post_files(served: Gateway, *files: bytes, key: str | None = None, **options: str) -> httpx.Response:
    parts = [("file", (f"{at}.png", data)) for at, data in enumerate(files)]
    return served.client.post("/jobs", files=parts, data=options, headers={"idempotency-key": key} if key else {})


def test_parts_of_a_form_become_a_batch(served: Gateway, png: bytes, tiff: bytes) -> None:
    answer = post_files(served, png, tiff, batch="mine", format="text")
    batch = answer.json()
    assert (answer.status_code, answer.headers["location"], batch["batch"]) == (202, "/jobs?batch=mine", "mine")
    ended = [end_of(served, job) for job in batch["jobs"]]
    assert [(job["name"], job["state"], job["progress"]["total"]) for job in ended] == [
        ("0.png", "done", 1),
        ("1.png", "done", 3),
    ]
    listed = served.client.get(answer.headers["location"]).json()["jobs"]
    assert {job["id"] for job in listed} == {job["id"] for job in batch["jobs"]}
    assert served.client.get(ended[1]["links"]["result"]).headers["content-type"].startswith("text/plain")


def test_a_list_of_sources_becomes_a_batch(served: Gateway, png: bytes, tiff: bytes) -> None:
    """Larger than what is parsed in the gateway itself, so that a conversion worker takes the documents out."""
    padded = png + bytes(100_000)
    sources = [inline(tiff, name="t"), {"url": "http://localhost/x"}, inline(padded, name="p")]
    batch = served.client.post("/jobs", json={"sources": sources, "pages": "1"}).json()
    ended = [end_of(served, job) for job in batch["jobs"]]
    assert [(job["name"], job["state"]) for job in ended] == [("t", "done"), ("", "failed"), ("p", "done")]
    assert ended[1]["error"]["code"] == "url_not_allowed"
    assert [job["document"]["pages_total"] for job in ended if job["document"]] == [3, 1]
    assert len(jobs_of(served, batch=batch["batch"])) == 3


def test_one_source_in_a_list_is_a_batch_of_one(served: Gateway, png: bytes) -> None:
    batch = served.client.post("/jobs", json={"sources": [inline(png)]}).json()
    assert len(batch["jobs"]) == 1


def test_a_batch_that_does_not_fit_leaves_nothing(served: Gateway, png: bytes) -> None:
    assert_problem(post_files(served, *[png] * (MAX_QUEUED + 1)), 429, "too_many_jobs")
    assert jobs_of(served) == []
    assert list((served.service.settings.data_dir / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    ("sources", "status", "code"),
    [
        ([], 400, "no_source"),
        ({"base64": "eA=="}, 400, "no_source"),
        ([{"base64": "eA=="}, {}], 400, "no_source"),
        ([{"base64": "eA=="}, {"base64": ""}], 400, "empty_document"),
        ([{"base64": "eA=="}, {"base64": "?"}], 400, "invalid_base64"),
        ([{"base64": "eA==", "url": "http://x"}], 400, "ambiguous_source"),
        ([{"base64": "eA=="}] * 101, 422, "too_many_sources"),
    ],
)
def test_one_bad_source_refuses_all(served: Gateway, sources: object, status: int, code: str) -> None:
    assert_problem(served.client.post("/jobs", json={"sources": sources}), status, code)
    assert jobs_of(served) == []


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"base64": "?"}, "sources[1]"),
        ({"url": 5}, "`sources[1]`"),
        (None, "`sources[1]`"),
        ({"url": "http://127.0.0.1/x"}, "Document 2 of 3"),
    ],
)
def test_the_bad_one_of_a_batch_is_named(served: Gateway, png: bytes, bad: object, told: str) -> None:
    answer = served.client.post("/jobs", json={"sources": [inline(png), bad, inline(png)]})
    assert answer.status_code == 400
    assert told in answer.json()["detail"]


def test_an_idempotency_key_finds_the_same_batch(served: Gateway, png: bytes, tiff: bytes) -> None:
    first = post_files(served, png, tiff, key="k").json()
    again = post_files(served, png, tiff, key="k")
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.json()["batch"], [job["id"] for job in again.json()["jobs"]]) == (
        first["batch"],
        [job["id"] for job in first["jobs"]],
    )
    assert_problem(post_files(served, png, png, key="k"), 422, "idempotency_key_reused")
    assert len(jobs_of(served)) == 2


def test_ocr_still_takes_one_document(served: Gateway, png: bytes) -> None:
    parts = [("file", png), ("file", png)]
    assert_problem(served.client.post("/ocr", files=parts), 400, "ambiguous_source")
    assert_problem(served.client.post("/ocr", json={"sources": [inline(png)]}), 400, "no_source")


def test_what_was_withdrawn_is_read_when_it_comes_again(
    served: Gateway, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away between the two jobs of a batch: nothing is kept, and a retry begins anew."""
    enqueue, begun = JobQueue.enqueue, itertools.count()

    async def fail_second(queue: JobQueue, *job: str, **options: str) -> None:
        if next(begun) == 1:
            raise ServiceError(503, "jobs_unavailable", "The jobs' database does not answer.")
        await enqueue(queue, *job, **options)

    monkeypatch.setattr(JobQueue, "enqueue", fail_second)
    assert_problem(post_files(served, png, png, key="again"), 503, "jobs_unavailable")
    assert jobs_of(served) == []
    batch = post_files(served, png, png, key="again").json()
    assert [end_of(served, job)["state"] for job in batch["jobs"]] == ["done", "done"]


def test_a_request_that_fails_takes_nothing_from_its_twin(
    served: Gateway, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that gave up waiting sends its request again, and the database goes away in the second one."""
    enqueue, free_bytes, begun = JobQueue.enqueue, JobStore.free_bytes, itertools.count()
    both = threading.Barrier(2)

    async def fail_second(queue: JobQueue, *job: str, **options: str) -> None:
        if next(begun) == 1:
            raise ServiceError(503, "jobs_unavailable", "The jobs' database does not answer.")
        await enqueue(queue, *job, **options)

    def wait_for_both(store: JobStore) -> int | None:
        with suppress(threading.BrokenBarrierError):
            both.wait(1)
        return free_bytes(store)

    monkeypatch.setattr(JobQueue, "enqueue", fail_second)
    monkeypatch.setattr(JobStore, "free_bytes", wait_for_both)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: post_files(served, png, key="twin"), range(2)))
    assert sorted(answer.status_code for answer in answers) == [202, 503]
    accepted = next(answer.json() for answer in answers if answer.status_code == 202)
    assert end_of(served, accepted)["state"] == "done"


def test_requests_at_once_take_no_more_places_than_there_are(
    served: Gateway, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes, both = JobStore.free_bytes, threading.Barrier(2)

    def wait_for_both(store: JobStore) -> int | None:
        both.wait(WAIT_S)
        return free_bytes(store)

    monkeypatch.setattr(JobStore, "free_bytes", wait_for_both)
    served.engine.answer = lambda _request: Reply("never", delay_s=3600)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: post_files(served, *[png] * (MAX_QUEUED - 1)), range(2)))
    assert sorted(answer.status_code for answer in answers) == [202, 429]
