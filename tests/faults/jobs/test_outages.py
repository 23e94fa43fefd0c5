"""What a gateway needs goes away while it reads a job: it says so, serves all else, and goes on by itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from threading import Event

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
    post,
    read_first,
    read_size,
    submit,
)
from tests.support.postgres_server import PostgresServer
from tests.support.s3_server import BUCKET, S3Server, client_of, s3_server
from tests.support.service_process import Service
from tests.support.stub_engine import StubEngine
from tests.support.waiting import wait_until

PAGES = 12
DOCUMENT = numbered_pages(PAGES)
AN_HOUR_S = 3600


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file by which the gateway's clock is set, where libfaketime is there."""
    file = tmp_path_factory.mktemp("clock") / "offset"
    file.write_text("+0")
    return file


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, s3: S3Server, clock: Path
) -> Iterator[Fleet]:
    settings = {name: str(value) for name, value in s3.settings.items()} | {"s3_timeout_s": "2"}
    with StubEngine(answer=read_size) as engine:
        folder = tmp_path_factory.mktemp("fleet")
        with fleet(folder, engine, database_url=postgres.url("jobs"), **settings, **_set_by(clock)) as gateways:
            gateways.start()
            yield gateways


@pytest.fixture
def served(running: Fleet) -> Service:
    return running.gateways[0]


@pytest.fixture(scope="module")
def expected(running: Fleet) -> str:
    """Markdown of an undisturbed reading."""
    return str(post(running.gateways[0], "/ocr", DOCUMENT).json()["markdown"])


def test_a_database_that_is_away_costs_jobs_only(running: Fleet, postgres: PostgresServer, expected: str) -> None:
    served, rest = running.gateways[0], Event()
    running.engine.answer = read_first(2, rest)
    job = submit(served, DOCUMENT)
    await_pages(served, job, 2)
    postgres.stop()
    rest.set()
    wait_until(lambda: get(served, "/readyz").json()["limitations"], "the gateway to see it", served.log)
    refused = post(served, "/jobs", DOCUMENT)
    assert (refused.status_code, refused.json()["code"]) == (503, "jobs_unavailable")
    assert "database" in refused.json()["detail"]
    assert post(served, "/ocr", DOCUMENT).json()["markdown"] == expected
    assert get(served, f"/jobs/{job}").status_code == 200
    assert (get(served, "/readyz").status_code, get(served, "/health").json()["jobs"]) == (200, "unavailable")
    assert "ocr_jobs_available 0.0" in get(served, "/metrics").text
    postgres.start()
    wait_until(lambda: get(served, "/health").json()["jobs"] == "ready", "the gateway to see it", served.log)
    jobs = [job, submit(served, DOCUMENT)]
    await_end(served, jobs)
    assert find_faults(served, jobs, expected, PAGES) == []


def test_a_bucket_that_does_not_answer_makes_its_jobs_wait(served: Service, s3: S3Server, expected: str) -> None:
    client_of(s3).put_object(Bucket=BUCKET, Key="long.pdf", Body=DOCUMENT)
    s3.process.send_signal(signal.SIGSTOP)
    try:
        source = {"source": {"s3": "long.pdf"}, "task": "text", "images": "none"}
        job = local_http.post(f"{served.url}/jobs", json=source).json()["id"]
        wait_until(lambda: "S3_TIMEOUT_S" in _paused(served), "the job to wait", served.log)
    finally:
        s3.process.send_signal(signal.SIGCONT)
    await_end(served, [job])
    assert find_faults(served, [job], expected, PAGES) == []


def test_a_clock_that_is_set_back_changes_nothing(served: Service, clock: Path, expected: str) -> None:
    if not _set_by(clock):
        pytest.skip("libfaketime is for Linux on x86-64")
    before = submit(served, DOCUMENT)
    await_pages(served, before, 2)
    clock.write_text(f"-{AN_HOUR_S}")
    try:
        wait_until(lambda: _clock_of(served) < time.time() - AN_HOUR_S / 2, "the clock to be set back", served.log)
        after = submit(served, DOCUMENT)
        await_end(served, [before, after])
        created = [get(served, f"/jobs/{job}").json()["created"] for job in (before, after)]
        assert created[0] - created[1] > AN_HOUR_S / 2
        assert find_faults(served, [before, after], expected, PAGES) == []
    finally:
        clock.write_text("+0")


def _clock_of(service: Service) -> float:
    """Unix time by the gateway's clock."""
    return parsedate_to_datetime(get(service, "/livez").headers["date"]).timestamp()


def _paused(service: Service) -> str:
    """What the log says of jobs that wait."""
    return "\n".join(line for line in service.log.read_text().splitlines() if "job_paused" in line)


def _set_by(clock: Path) -> dict[str, str]:
    """Settings of a process whose wall clock is off by what the file says."""
    package = find_spec("libfaketime")
    if package is None or package.origin is None:
        return {}
    library = Path(package.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    return {
        "ld_preload": str(library),
        "faketime_timestamp_file": str(clock),
        "faketime_cache_duration": "1",
        "faketime_dont_fake_monotonic": "1",
    }
