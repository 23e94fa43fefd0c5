"""Jobs on a real gateway that is killed: what was accepted ends, and no page is lost, doubled or read without need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from tests.gateway.intake.files import mixed_pdf, pdf
from tests.support import local_http
from tests.support.answers import events_of
from tests.support.fleet import (
    IN_WORK,
    await_end,
    await_pages,
    fleet,
    get,
    numbered_pages,
    pages_done,
    pages_read,
    post,
    read_size,
    state_of,
    submit,
)
from tests.support.ports import free_port
from tests.support.service_process import Service, service_process
from tests.support.stub_engine import Reply, StubEngine, StubRequest
from tests.support.waiting import LONG_WAIT_S, wait_until
from tests.support.webhook_receiver import SECRET, receiver

PAGES = 24
DOCUMENT = numbered_pages(PAGES)


@pytest.fixture
def engine() -> Iterator[StubEngine]:
    with StubEngine(answer=read_size) as running:
        yield running


def test_whoever_has_waited_for_readiness_can_submit(tmp_path: Path, engine: StubEngine) -> None:
    """Jobs start when all else has: neither the first request nor the list of jobs is told to come again."""
    with service_process(tmp_path, engine) as service:
        accepted, listed = post(service, "/jobs", DOCUMENT), get(service, "/jobs")
        assert (accepted.status_code, listed.status_code) == (202, 200), accepted.text + listed.text
        assert [job["id"] for job in listed.json()["jobs"]] == [accepted.json()["id"]]


def test_a_killed_gateway_goes_on_where_it_was(tmp_path: Path, engine: StubEngine) -> None:
    with fleet(tmp_path, engine) as gateways:
        service = gateways.start()
        expected = post(service, "/ocr", DOCUMENT).json()
        engine.requests.clear()
        job = submit(service, DOCUMENT)
        for seen in (3, 8, 14):
            await_pages(service, job, seen)
            gateways.kill(service)
            service = gateways.start()
        await_end(service, [job])
        assert state_of(service, job) == "done"
        events = events_of(get(service, f"/jobs/{job}/events").text)
        result = get(service, f"/jobs/{job}/result").json()
        assert get(service, f"/jobs/{job}").json()["attempts"] == 4
    assert [data["page"] for name, data in events if name == "page"] == list(range(1, PAGES + 1))
    assert [page["page"] for page in result["pages"]] == list(range(1, PAGES + 1))
    assert result["status"] == "ok"
    assert result["markdown"] == expected["markdown"]
    assert len(set(result["markdown"].split("\n\n"))) == PAGES
    assert pages_read(engine) <= PAGES + 3 * IN_WORK


def test_a_job_that_was_only_accepted_is_read_after_a_restart(tmp_path: Path, engine: StubEngine) -> None:
    with fleet(tmp_path, engine, max_jobs="1") as gateways:
        service = gateways.start()
        engine.answer = lambda _request: Reply("never", delay_s=3600)
        jobs = [submit(service, pdf(1)) for _ in range(3)]
        gateways.kill(service)
        engine.answer = lambda _request: Reply("a page's text")
        service = gateways.start()
        await_end(service, jobs)
        for job in jobs:
            assert get(service, f"/jobs/{job}/result", params={"format": "markdown"}).text == "a page's text\n"


def await_event(event: Event, service: Service, job: str) -> bool:
    """Waits for the event or the job's failure; whether it was the event."""

    def is_over() -> bool:
        return event.is_set() or state_of(service, job) == "failed"

    wait_until(is_over, f"an event, or the end of job {job}", service.log, LONG_WAIT_S)
    return event.is_set()


def size_sent(engine: StubEngine, service: Service, document: bytes) -> tuple[int, int]:
    """Width and height of the document's only page, as the engine gets it."""
    engine.requests.clear()
    assert post(service, "/ocr", document).status_code == 200
    (size,) = {request.size for request in engine.requests if not request.is_canary}
    return size


def test_a_job_that_ends_each_gateway_is_given_up(tmp_path: Path, engine: StubEngine) -> None:
    """And those that are read beside it are not."""
    documents = mixed_pdf([(600, 200)]), mixed_pdf([(200, 600)])
    is_asked, may_answer = Event(), Event()
    with fleet(tmp_path, engine, max_jobs="2") as gateways:
        service = gateways.start()
        sizes = [size_sent(engine, service, document) for document in documents]

        def answer(request: StubRequest) -> Reply:
            if request.size == sizes[0]:
                is_asked.set()
                return Reply("never", delay_s=3600)
            return Reply("a page's text", after=may_answer if request.size == sizes[1] else None)

        engine.answer = answer
        jobs = [submit(service, document) for document in documents]
        kills = 0
        while await_event(is_asked, service, jobs[0]):
            gateways.kill(service)
            kills += 1
            is_asked.clear()
            if kills == 2:
                may_answer.set()
            service = gateways.start()
        await_end(service, jobs)
        failed = get(service, f"/jobs/{jobs[0]}").json()
        assert state_of(service, jobs[1]) == "done"
    assert failed["error"]["code"] == "job_given_up"
    assert failed["attempts"] == kills <= 5


def test_a_message_to_a_receiver_that_is_away_survives_a_kill(tmp_path: Path, engine: StubEngine) -> None:
    port = free_port()
    with fleet(tmp_path, engine, url_fetch="any", webhook_secret=SECRET) as gateways:
        service = gateways.start()
        job = submit(service, pdf(1), webhook=f"http://127.0.0.1:{port}/")
        wait_until(lambda: "webhook_failed" in service.log.read_text(), "the first attempt", service.log)
        gateways.kill(service)
        with receiver(port) as told:
            again = gateways.start()
            wait_until(lambda: told.of_job(job), "the message", again.log)
            assert (told.refused, [message["type"] for message in told.of_job(job)]) == ([], ["job.done"])


def test_gateways_with_one_database_leave_each_other_s_jobs_alone(tmp_path: Path, engine: StubEngine) -> None:
    with fleet(tmp_path, engine, database_url=f"sqlite:///{tmp_path / 'jobs.sqlite'}") as gateways:
        pair = [gateways.start(data_dir=str(tmp_path / name)) for name in ("one", "two")]
        jobs = [(service, submit(service, pdf(1))) for _ in range(6) for service in pair]
        for service, job in jobs:
            await_end(service, [job])
            assert (state_of(service, job), pages_done(service, job)) == ("done", 1)


def test_a_deleted_job_makes_room_for_another(tmp_path: Path, engine: StubEngine) -> None:
    with fleet(tmp_path, engine, max_queued_jobs="1") as gateways:
        service = gateways.start()
        engine.answer = lambda _request: Reply("never", delay_s=3600)
        job = submit(service, pdf(1))
        full = post(service, "/jobs", pdf(1))
        assert (full.status_code, full.json()["code"]) == (429, "too_many_jobs")
        assert local_http.delete(f"{service.url}/jobs/{job}").is_success
        submit(service, pdf(1))
