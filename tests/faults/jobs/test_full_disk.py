"""The disk of the jobs is full while pages are written: on a file system of some megabytes, in a mount namespace."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

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
from tests.support.stub_engine import StubEngine
from tests.support.waiting import wait_until

PAGES = 12
DOCUMENT = numbered_pages(PAGES)
SIZE = "8m"
FULL = re.compile("No space left|disk is full")
"""As the file system says it, and as SQLite does, whichever comes first."""
ISOLATE = ("unshare", "--map-root-user", "--mount")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if subprocess.run([*ISOLATE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here: `unshare --map-root-user --mount` is refused")
    folder = tmp_path_factory.mktemp("fleet")
    data = folder / "data"
    data.mkdir()
    mount = f'mount -t tmpfs -o size={SIZE} tmpfs "{data}" && exec "$@"'
    with StubEngine(answer=read_size) as engine, fleet(folder, engine, max_upload_mb="1") as gateways:
        gateways.start(wrapper=(*ISOLATE, "sh", "-c", mount, "sh"))
        yield gateways


def test_a_job_waits_while_the_disk_is_full(running: Fleet) -> None:
    served = running.gateways[0]
    expected = post(served, "/ocr", DOCUMENT).json()["markdown"]
    rest = Event()
    running.engine.answer = read_first(2, rest)
    job = submit(served, DOCUMENT)
    await_pages(served, job, 2)
    filler = Path(f"/proc/{served.pid}/root{running.folder}/data/filler")
    fill(filler)
    rest.set()
    wait_until(lambda: FULL.search(served.log.read_text()), "the job to wait", served.log)
    refused = post(served, "/jobs", DOCUMENT)
    assert (refused.status_code, refused.json()["code"]) in ((507, "storage_full"), (503, "jobs_unavailable"))
    assert post(served, "/ocr", DOCUMENT).json()["markdown"] == expected
    assert get(served, "/readyz").status_code == 200
    filler.unlink()
    await_end(served, [job])
    assert find_faults(served, [job], expected, PAGES) == []


def fill(filler: Path) -> None:
    """Takes all that is left, to the last byte."""
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
