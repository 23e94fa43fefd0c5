"""`paddleocr-vl watch`, `jobs` and `bench` against a gateway."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import httpx2
import pytest

from paddleocr_vl_client import Client
from paddleocr_vl_client.commands import watch
from paddleocr_vl_client.connections import KEY_VARIABLE, URL_VARIABLE
from tests.gateway.intake.files import pdf
from tests.paddleocr_vl_client.commands.command import run, running
from tests.paddleocr_vl_client.conftest import KEY
from tests.support.ports import free_port
from tests.support.server import Gateway
from tests.support.waiting import WAIT_S, wait_until

Run = Callable[..., CompletedProcess[bytes]]


@pytest.fixture
def command(served: Gateway, tmp_path: Path) -> Run:
    return lambda *words: run(tmp_path, *words, names={URL_VARIABLE: served.url})


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_key_that_is_refused(served: Gateway, tmp_path: Path, key: str) -> None:
    done = run(tmp_path, "jobs", "ls", names={URL_VARIABLE: served.url, KEY_VARIABLE: key})
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert KEY_VARIABLE in done.stderr.decode()


def test_watch(served: Gateway, tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "scans" / "out"
    (scans / "later").mkdir(parents=True)
    (scans / "before.pdf").write_bytes(pdf(1))
    with running(
        tmp_path, "watch", "scans", "-o", "scans/out", "-f", "pdf", names={URL_VARIABLE: served.url}
    ) as process:
        wait_until((out / "before.pdf.pdf").exists, "what was there before")
        (scans / "later" / "after.pdf").write_bytes(pdf(1))
        wait_until((out / "later" / "after.pdf.pdf").exists, "what came later")
        (scans / "broken.pdf").write_text("no document")
        (scans / "last.pdf").write_bytes(pdf(1))
        wait_until((out / "last.pdf.pdf").exists, "what came beside a broken one")
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert told.count(b"broken.pdf: ") == 1
    assert len(list(out.rglob("*.pdf"))) == 3


def test_watch_tries_again_what_may_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf(1))
    os.utime(tmp_path / "a.pdf", (4e9, 4e9))  # of a clock that is ahead
    answers = iter(
        [
            httpx2.Response(503, headers={"Retry-After": "1000"}),
            httpx2.Response(200, headers={"X-OCR-Status": "ok"}, text="read"),
        ]
    )
    asked = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return next(answers)

    @contextmanager
    def open_client(_options: Namespace) -> Iterator[Client]:
        with Client("http://gateway", transport=httpx2.MockTransport(answer)) as client:
            yield client

    monkeypatch.setattr(watch, "open_client", open_client)
    monkeypatch.setattr(watch, "_ticks", lambda _folder: range(4))
    monkeypatch.setattr(watch, "_FIRST_RETRY_S", 0.0)
    parser = ArgumentParser()
    watch.add_arguments(parser)
    watch.run(parser.parse_args([str(tmp_path), "-o", str(tmp_path / "out")]))
    assert (tmp_path / "out" / "a.pdf.md").read_text() == "read"
    assert len(asked) == 2


def test_watch_waits_for_a_service_that_is_away_for_months() -> None:
    """At a try an hour; a document that is written anew then is tried as soon as the first one was."""
    backlog, file = watch.Backlog(), Path("a.pdf")
    for _ in range(1100):
        backlog.add(file, 1.0)
        backlog.retry(file)
    assert backlog.has(file, 1.0)
    backlog.add(file, 2.0)
    backlog.retry(file)
    assert backlog._due[file] - time.monotonic() <= watch._FIRST_RETRY_S


def test_jobs(command: Run, served: Gateway, document: Path, tmp_path: Path) -> None:
    with Client(served.url, api_key=KEY) as client:
        job, other = (client.jobs.submit(document, batch=name).id for name in ("one", "two"))
    waited = command("jobs", "wait", job, "-f", "text")
    assert waited.stdout.decode().count("line one") == 6
    assert command("jobs", "wait", other, "-o", "other.md").returncode == 0
    assert (tmp_path / "other.md").read_text().count("line one") == 6
    (line,) = command("jobs", "ls", "--batch", "one").stdout.decode().splitlines()
    assert line.split()[:3] == [job, "done", "3/3"]
    assert json.loads(command("jobs", "get", other, "--json").stdout)["batch"] == "two"
    assert command("jobs", "cancel", job, other).returncode == 0
    away = command("jobs", "ls", "--url", f"http://127.0.0.1:{free_port()}")
    assert (away.returncode, len(away.stderr.splitlines())) == (3, 1)
    assert command("jobs", "get", f"x/../../jobs/{other}").returncode == 1
    gone = command("jobs", "get", job)
    assert (gone.returncode, gone.stdout, len(gone.stderr.splitlines())) == (1, b"", 1)


def test_names_of_jobs_send_nothing_to_the_terminal(command: Run, served: Gateway) -> None:
    with Client(served.url, api_key=KEY) as client:
        job = client.jobs.submit(b"no document", name="a\x1b[2Jb.pdf", batch="escape")
    (line,) = command("jobs", "ls", "--batch", "escape").stdout.decode().splitlines()
    assert line.split()[0] == job.id
    assert line.isprintable()


def test_a_job_without_a_name_has_that_of_its_document(command: Run, served: Gateway) -> None:
    source = {"sources": [{"base64": base64.b64encode(pdf(1)).decode()}], "batch": "nameless"}
    with Client(served.url, api_key=KEY) as client:
        taken = served.client.post("/jobs", json=source, headers={"x-api-key": KEY}).json()["jobs"][0]
        assert client.jobs.wait(taken["id"]).name == ""
    (line,) = command("jobs", "ls", "--batch", "nameless").stdout.decode().splitlines()
    assert line.split()[-1] == "document"


def test_a_job_that_failed(command: Run, served: Gateway) -> None:
    with Client(served.url, api_key=KEY) as client:
        job = client.jobs.wait(client.jobs.submit(b"no document").id)
    assert job.error is not None
    done = command("jobs", "wait", job.id)
    assert (done.returncode, done.stderr.decode()) == (1, f"paddleocr-vl: {job.error.detail}\n")


def test_bench(command: Run, served: Gateway, document: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pdf").write_text("no document")
    done = command("bench", str(document), "broken.pdf", "-n", "6", "-j", "1,3", "--json")
    assert done.returncode == 1
    loads = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(load["parallel"], load["documents"], load["pages"]) for load in loads] == [(1, 6, 9), (3, 6, 9)]
    assert loads[0]["errors"] == {"unsupported_media_type": 3}
    assert len(served.engine.requests) == 36
    table = command("bench", str(document), "-n", "2", "-j", "2")
    assert (table.returncode, len(table.stdout.splitlines())) == (0, 2)
    assert command("bench", str(document), "-j", "none").returncode == 2
    assert command("bench", str(document), "-f", "pdf").returncode == 2
    assert command("bench", str(document), "-n", "-1").returncode == 2
