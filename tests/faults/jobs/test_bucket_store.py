"""Jobs in a bucket, on a real S3 server: gateways need no common folder, and what goes away costs time only."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest

from tests.support import local_http
from tests.support.fleet import (
    Fleet,
    await_end,
    await_pages,
    find_faults,
    fleet,
    get,
    numbered_pages,
    pages_read,
    post,
    read_first,
    read_size,
    state_of,
    submit,
)
from tests.support.postgres_server import PostgresServer
from tests.support.s3_server import S3Server, client_of, s3_server
from tests.support.stub_engine import StubEngine
from tests.support.waiting import wait_until

PAGES = 12
DOCUMENT = numbered_pages(PAGES)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def engine() -> Iterator[StubEngine]:
    with StubEngine(answer=read_size) as running:
        yield running


@contextmanager
def bucket_fleet(folder: Path, engine: StubEngine, s3: S3Server, **settings: str) -> Iterator[Fleet]:
    """Gateways that have nothing in common but the bucket, below a prefix of the test's own."""
    own = {"data_store": "bucket", "s3_prefix": f"{folder.name}/", "s3_timeout_s": "3"}
    with fleet(folder, engine, **{**s3.settings, **own, **settings}) as running:
        yield running


def keys_of(s3: S3Server, folder: Path) -> list[str]:
    found = client_of(s3).list_objects_v2(Bucket=s3.settings["s3_bucket"], Prefix=f"{folder.name}/service/jobs/")
    return [one["Key"] for one in found.get("Contents", ())]


def test_another_gateway_without_a_common_folder_goes_on(
    tmp_path: Path, engine: StubEngine, s3: S3Server, postgres: PostgresServer
) -> None:
    folders = [str(tmp_path / name) for name in ("one", "two")]
    with bucket_fleet(tmp_path, engine, s3, database_url=postgres.url("bucket")) as gateways:
        first, second = (gateways.start(data_dir=folder) for folder in folders)
        expected = post(first, "/ocr", DOCUMENT).json()["markdown"]
        uploaded = local_http.post(f"{first.url}/v1/files", files={"file": ("a.pdf", DOCUMENT)}).json()["id"]
        engine.requests.clear()
        jobs = [submit(first, DOCUMENT) for _ in range(2)]
        for job in jobs:
            await_pages(second, job, 2)
        gateways.kill(first)
        await_end(second, jobs)
        faults = find_faults(second, jobs, expected, PAGES)
        content = get(second, f"/v1/files/{uploaded}/content").content
        assert local_http.delete(f"{second.url}/jobs/{jobs[0]}").status_code == 204
        assert get(second, f"/jobs/{jobs[0]}").status_code == 404
    assert faults == []
    assert content == DOCUMENT
    assert {key.split("/")[3] for key in keys_of(s3, tmp_path)} == {jobs[1]}
    # Each page but those that were in work when the gateway was killed is read once.
    assert pages_read(engine) < 2 * PAGES + 2 * 4


def test_a_bucket_that_goes_away_costs_time(tmp_path: Path, engine: StubEngine, s3: S3Server) -> None:
    going_on = Event()
    with bucket_fleet(tmp_path, engine, s3) as gateways:
        service = gateways.start()
        engine.answer = read_first(2, going_on)
        job = submit(service, DOCUMENT)
        await_pages(service, job, 1)
        s3.process.send_signal(signal.SIGSTOP)
        going_on.set()
        try:
            wait_until(lambda: "job_paused" in service.log.read_text(), "the pause", service.log)
            missing = get(service, f"/jobs/{job}")
            refused = post(service, "/jobs", DOCUMENT)
            expected = post(service, "/ocr", DOCUMENT).json()["markdown"]
        finally:
            s3.process.send_signal(signal.SIGCONT)
        await_end(service, [job])
        faults = find_faults(service, [job], expected, PAGES)
    assert (missing.status_code, missing.json()["code"]) == (503, "storage_unavailable")
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert expected.count("pixels") == PAGES, "documents that are not jobs need no bucket"
    assert faults == []


def test_jobs_outlive_the_folder_of_their_database(tmp_path: Path, engine: StubEngine, s3: S3Server) -> None:
    with bucket_fleet(tmp_path, engine, s3) as gateways:
        first = gateways.start(data_dir=str(tmp_path / "lost"))
        job = submit(first, DOCUMENT)
        await_end(first, [job])
        link = get(first, f"/jobs/{job}").json()["links"]["result"]
        gateways.kill(first)
        second = gateways.start(data_dir=str(tmp_path / "new"))
        assert state_of(second, job) == "done"
        assert get(second, httpx.URL(link).raw_path.decode()).json()["status"] == "ok", "signed by the first one"
