"""The whole service as `make run` starts it: supervisord, both tiers, real models, real documents."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.supervision.support import ROOT, family, is_running, launched, wait_until
from tests.support import local_http
from tests.support.missing import needs_russian
from tests.support.ports import free_port
from tests.support.waiting import WAIT_S

pytestmark = pytest.mark.service

LAUNCH = [sys.executable, "-m", "supervision.launch"]
ARTICLE = ROOT / "examples" / "article-en.png"
REPORT = ROOT / "examples" / "report-mixed.pdf"


@dataclass
class Service:
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def is_ready(self) -> bool:
        try:
            return local_http.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def wait_until_ready(self) -> None:
        wait_until(self.is_ready, "readiness", self.log)

    def read(self, document: Path, **options: str) -> httpx.Response:
        files = {"file": (document.name, document.read_bytes())}
        return local_http.post(f"{self.url}/ocr", files=files, data=options)

    def tier(self, module: str) -> psutil.Process:
        """The process that supervisord runs for `module`."""
        return next(child for child in psutil.Process(self.process.pid).children() if module in child.cmdline())


def settings(folder: Path) -> dict[str, str]:
    return {
        "PORT": str(free_port()),
        "VLM_PORT": str(free_port()),
        "HOST": "127.0.0.1",
        "TMPDIR": str(folder),
        "TEMP_DIR": str(folder / "temp"),
        "OUTPUT_DIR": str(folder / "output"),
        "DATA_DIR": str(folder / "data"),
    }


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    names = settings(folder) | {"INFERENCE_RUNTIME": "auto"}
    with launched(folder / "log", LAUNCH, **names) as process:
        running = Service(process, f"http://127.0.0.1:{names['PORT']}", folder / "log")
        running.wait_until_ready()
        yield running


def assert_article(answer: httpx.Response) -> None:
    """The article's headings stand in its Markdown, in the order of its two columns."""
    assert answer.status_code == 200, answer.text
    headings = ("Reading the River", "Abstract", "Introduction")
    places = [answer.text.find(heading) for heading in headings]
    assert -1 not in places
    assert places == sorted(places)
    assert "people judged a flood by how many steps of the church" in " ".join(answer.text.split())


def test_the_address_and_a_line_to_try_are_printed_when_it_can_serve(service: Service) -> None:
    text = service.log.read_text()
    assert "curl" in text
    assert service.url.rpartition(":")[2] in text.split("curl", 1)[1].splitlines()[0]


def test_an_example_is_read_in_order(service: Service) -> None:
    assert_article(service.read(ARTICLE, format="markdown"))


@needs_russian
def test_pages_of_a_scanned_pdf_are_streamed(service: Service) -> None:
    answer = service.read(REPORT, stream="true", images="none")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [
        (lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: ")))
        for lines in (event.splitlines() for event in answer.text.split("\n\n") if event.startswith("event: "))
    ]
    pages = [data for name, data in events if name == "page"]
    assert [name for name, _ in events] == ["meta", *["page"] * len(pages), "done"]
    assert len(pages) == events[0][1]["document"]["pages_total"] > 1
    assert all(page["markdown"] for page in pages)


def test_the_next_request_succeeds_after_the_vlm_tier_was_killed(service: Service) -> None:
    victim = service.tier("vlm_backend.embedded")
    victim.kill()
    assert_article(service.read(ARTICLE, format="markdown"))
    assert service.tier("vlm_backend.embedded").pid != victim.pid


def test_a_killed_gateway_comes_back_and_leaves_no_worker_behind(service: Service) -> None:
    victim = service.tier("gateway")
    workers = victim.children(recursive=True)
    victim.kill()
    wait_until(lambda: not any(map(is_running, workers)), "the end of the killed gateway's workers")
    service.wait_until_ready()
    assert_article(service.read(ARTICLE, format="markdown"))


def stop(process: subprocess.Popen[bytes]) -> None:
    everyone = family(process)
    process.terminate()
    process.wait(WAIT_S)
    wait_until(lambda: not any(map(is_running, everyone)), "the end of all processes")


def test_sigterm_stops_everything_and_a_second_start_serves(tmp_path: Path) -> None:
    names = settings(tmp_path)
    for start in ("first", "second"):
        log = tmp_path / f"{start}.log"
        with launched(log, LAUNCH, **names) as process:
            running = Service(process, f"http://127.0.0.1:{names['PORT']}", log)
            running.wait_until_ready()
            stop(process)
        assert "Traceback" not in log.read_text()
