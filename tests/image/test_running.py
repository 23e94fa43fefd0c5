"""Both images at work: as the users, with the file systems and the environments that platforms give them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil
import pytest

from tests.image.container import run, wait_until_ready
from tests.supervision.support import ROOT
from tests.support import local_http
from tests.support.ports import free_port
from tests.support.waiting import wait_until
from tools.verify_image.image import Options
from tools.verify_image.rootfs import Rootfs, RootfsContainer

pytestmark = pytest.mark.timeout(900)

GRACE_S = 30
"""What platforms grant between SIGTERM and SIGKILL."""
NOWHERE = {"HOME": None, "USER": None, "LOGNAME": None}
ARTICLE = ROOT / "examples" / "article-ru.png"


@dataclass(frozen=True, slots=True)
class Serving:
    container: RootfsContainer
    url: str

    def stop(self) -> int:
        self.container.terminate()
        return self.container.unshare.wait(GRACE_S)


@contextmanager
def serving(image: Rootfs, folder: Path, options: Options, output: int | None = None) -> Iterator[Serving]:
    port = free_port()
    ports = {"PORT": str(port), "VLM_PORT": str(free_port())}
    options = replace(options, environment={**ports, **options.environment})
    with image.start_in(folder, options, output) as running:
        wait_until_ready(running, f"http://127.0.0.1:{port}")
        yield Serving(running, f"http://127.0.0.1:{port}")


def read(service: Serving) -> httpx.Response:
    with ARTICLE.open("rb") as picture:
        files = {"file": (ARTICLE.name, picture)}
        return local_http.post(f"{service.url}/ocr", files=files, data={"format": "markdown"})


def assert_article(answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text
    assert answer.text.startswith("# Сколько звёзд видно из районного центра")


def tiers(log: str) -> set[str]:
    """Who wrote the log, each line of which has to be a JSON object."""
    return {json.loads(line)["logger"].partition(".")[0] for line in log.splitlines()}


USERS = {
    "as the image says": Options(),
    "root": Options("0:0"),
    "any user, read-only, no home, hardly any shm": Options("12345:0", True, environment=NOWHERE, shm="64k"),
    "any group, a home that is not there": Options("12345:54321", environment={"HOME": "/nonexistent", "NOTE": "a\nb"}),
}


@pytest.mark.parametrize("options", USERS.values(), ids=USERS)
def test_the_example_is_read(cpu_image: Rootfs, tmp_path: Path, options: Options) -> None:
    with serving(cpu_image, tmp_path, options) as service:
        assert_article(read(service))
        user = int((options.user or cpu_image.image.user).partition(":")[0])
        first = psutil.Process(service.container.first)
        assert {process.uids().real for process in first.children(recursive=True)} == {user}
        assert service.stop() == 0
    assert tiers(service.container.log()) == {"gateway", "vlm", "supervisord"}
    written = {file.relative_to(tmp_path / "upper") for file in (tmp_path / "upper").rglob("*") if file.is_file()}
    assert {file for file in written if not f"/{file}".startswith(tuple(cpu_image.image.writable))} == set()


def test_a_read_only_image_with_temp_alone_serves_too(cpu_image: Rootfs, tmp_path: Path) -> None:
    """CACHE_DIR names a place that is not mounted."""
    options = Options("12345:0", True, environment={"CACHE_DIR": "/app/elsewhere", "HOME": "/app/elsewhere/home"})
    with serving(cpu_image, tmp_path, options) as service:
        assert_article(read(service))
    assert "/app/elsewhere is not writable; caches go to /app/temp/cache" in service.container.log()


@pytest.mark.parametrize("channel", ["pipe", "socket"])
def test_the_log_comes_out_of_an_output_that_another_user_has_opened(
    cpu_image: Rootfs, tmp_path: Path, channel: str
) -> None:
    """As where a container starts as root and drops its privileges."""
    ours, theirs = os.pipe() if channel == "pipe" else [end.detach() for end in socket.socketpair()]
    with open(ours, "rb") as log, serving(cpu_image, tmp_path, Options("12345:0"), output=theirs) as service:
        os.close(theirs)
        assert service.stop() == 0
        assert tiers(log.read().decode()) == {"gateway", "vlm", "supervisord"}


def test_what_is_in_work_is_finished_or_handed_back_at_a_stop(cpu_image: Rootfs, tmp_path: Path) -> None:
    with serving(cpu_image, tmp_path, Options("12345:0")) as service, ThreadPoolExecutor() as clients:
        documents = [clients.submit(read, service) for _ in range(2)]
        metrics = f"{service.url}/metrics"
        wait_until(lambda: "ocr_documents_in_work 2.0" in local_http.get(metrics).text, "two documents in work")
        assert service.stop() == 0
        for answer in [document.result() for document in documents]:
            if answer.status_code == 503:  # a machine so slow that the time granted was not enough
                assert answer.json()["code"] == "shutting_down"
            else:
                assert_article(answer)


def test_other_commands_are_passed_on(cpu_image: Rootfs, tmp_path: Path) -> None:
    doctor = run(cpu_image, tmp_path / "doctor", Options("12345:0", arguments=["doctor", "--json"]))
    assert (doctor.returncode, json.loads(doctor.stdout)["ok"]) == (0, True)
    shell = run(cpu_image, tmp_path / "shell", Options("12345:0", arguments=["bash", "-c", "echo $HOME; exit 3"]))
    assert (shell.returncode, shell.stdout) == (3, "/app/cache/home\n")


def test_without_a_gpu_the_gpu_image_serves_with_the_embedded_engine(gpu_image: Rootfs, tmp_path: Path) -> None:
    with serving(gpu_image, tmp_path, Options("12345:0", True, environment=NOWHERE)) as service:
        assert_article(read(service))
        assert service.stop() == 0
