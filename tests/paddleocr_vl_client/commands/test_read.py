"""`paddleocr-vl read` against a gateway."""

from __future__ import annotations

import io
import itertools
import json
import os
import pty
import signal
import termios
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from threading import Event

import pytest

from paddleocr_vl_client.connections import URL_VARIABLE
from tests.gateway.intake.files import pdf
from tests.paddleocr_vl_client.commands.command import run, running
from tests.paddleocr_vl_client.conftest import KEY
from tests.supervision.support import ROOT
from tests.support.fakes import text_regions
from tests.support.origin import origin
from tests.support.server import Gateway
from tests.support.stub_engine import Reply, free_port
from tests.support.waiting import WAIT_S, wait_until

TEXT = "line one line two"
LONG = 21
"""Pages of a document that is read as a job."""

Read = Callable[..., CompletedProcess[bytes]]


@pytest.fixture
def read(served: Gateway, tmp_path: Path) -> Read:
    """`paddleocr-vl read`, at the gateway, in a temporary folder."""
    return lambda *words, **more: run(tmp_path, "read", *words, names={URL_VARIABLE: served.url}, **more)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder with documents in it and in a folder below, and with other files."""
    folder = tmp_path / "scans"
    (folder / "more").mkdir(parents=True)
    (folder / "a.pdf").write_bytes(pdf(2))
    (folder / "more" / "B.PDF").write_bytes(pdf(1))
    (folder / "notes.txt").write_text("no document")
    (folder / ".hidden.pdf").write_bytes(pdf(1))
    return folder


def written(folder: Path) -> dict[str, int]:
    """Files below it, with how often each holds the engine's text."""
    return {str(file.relative_to(folder)): file.read_text().count(TEXT) for file in folder.rglob("*") if file.is_file()}


def test_a_folder_is_mirrored(read: Read, scans: Path, tmp_path: Path) -> None:
    done = read("scans", "-o", "out")
    assert (done.returncode, done.stdout) == (0, b"")
    assert written(tmp_path / "out") == {"a.pdf.md": 4, "more/B.PDF.md": 2}


def test_a_second_run_reads_only_what_is_new(read: Read, served: Gateway, scans: Path) -> None:
    read("scans", "-o", "scans/out")
    before = len(served.engine.requests)
    again = read("scans", "-o", "scans/out", "-f", "markdown")
    assert (again.returncode, len(served.engine.requests)) == (0, before)
    assert b"read before: 2" in again.stderr
    later = (scans / "out" / "a.pdf.md").stat().st_mtime + 10
    os.utime(scans / "a.pdf", (later, later))
    read("scans", "-o", "scans/out")
    assert len(served.engine.requests) == before + 4
    read("scans", "-o", "scans/out", "--force", "--pages", "1")
    assert len(served.engine.requests) == before + 8


def test_results_on_the_standard_output_are_in_order(read: Read, served: Gateway, scans: Path) -> None:
    numbers = itertools.count()
    served.engine.answer = lambda _request: Reply(f"text {next(numbers)}")
    done = read("scans/more/B.PDF", "scans/a.pdf", "-f", "text", "-j", "1")
    assert done.stdout.split() == [word for number in range(6) for word in (b"text", str(number).encode())]


def test_standard_input(read: Read) -> None:
    done = read("-", "--pages", "2-", data=pdf(3))
    assert done.stdout.decode().count(TEXT) == 4


def test_options_reach_the_service(read: Read, scans: Path) -> None:
    done = read("scans/a.pdf", "-f", "json", "-O", "include=lines,words", "-O", "dpi=72", "-O", "chart=true")
    pages = json.loads(done.stdout)["pages"]
    assert [page["dpi"] for page in pages] == [72, 72]
    assert read("scans/a.pdf", "-O", "nonsense=1").returncode == 1
    assert read("scans/a.pdf", "-O", "nonsense").returncode == 2


def test_a_url(read: Read, tmp_path: Path) -> None:
    with origin() as elsewhere:
        elsewhere.files["/here/a b.pdf"] = pdf(2)
        done = read(f"{elsewhere.url}/here/a%20b.pdf", "-o", "out", "--pages", "1", "-O", "dpi=72", "-O", "seal=true")
    assert (done.returncode, done.stderr) == (0, b"")
    assert written(tmp_path / "out") == {"a b.pdf.md": 2}


@pytest.mark.parametrize(
    ("kind", "ending", "start"), [("docx", "docx", b"PK"), ("pdf", "pdf", b"%PDF"), ("alto", "xml", b"<?xml")]
)
def test_other_formats(read: Read, scans: Path, tmp_path: Path, kind: str, ending: str, start: bytes) -> None:
    assert read("scans/a.pdf", "-o", "out", "-f", kind).returncode == 0
    assert (tmp_path / "out" / f"a.pdf.{ending}").read_bytes().startswith(start)


def test_tables_of_a_document_are_an_archive(read: Read, served: Gateway, scans: Path, tmp_path: Path) -> None:
    served.layout.regions = text_regions(2, "table")
    served.engine.answer = lambda _request: Reply("<table><tr><td>1</td><td>2</td></tr></table>")
    assert read("scans/a.pdf", "-o", "out", "-f", "csv").returncode == 0
    (output,) = (tmp_path / "out").iterdir()
    assert output.suffix == ".zip"
    assert len(zipfile.ZipFile(io.BytesIO(output.read_bytes())).namelist()) == 4
    asked = len(served.engine.requests)
    read("scans/a.pdf", "-o", "out", "-f", "csv")
    assert len(served.engine.requests) == asked


def test_one_broken_document_costs_itself_alone(read: Read, scans: Path, tmp_path: Path) -> None:
    (scans / "broken.pdf").write_text("no document")
    done = read("scans", "-o", "out", "--json")
    assert done.returncode == 1
    assert written(tmp_path / "out") == {"a.pdf.md": 4, "more/B.PDF.md": 2}
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    told = {Path(line["source"]).name: (line["status"], line.get("code")) for line in lines}
    assert told == {
        "a.pdf": ("ok", None), "B.PDF": ("ok", None), "broken.pdf": ("failed", "unsupported_media_type")
    }  # fmt: skip
    assert done.stderr.startswith(b"scans/broken.pdf: The document looks like plain text")


def test_what_is_missing_is_told(read: Read, served: Gateway, scans: Path) -> None:
    served.layout.by_page = {2: ValueError("layout")}
    done = read("scans/a.pdf", "--json")
    assert done.returncode == 0
    assert b"incomplete" in done.stderr
    line = json.loads(done.stdout)
    assert (line["status"], "page 2" in line["warnings"], line["content"].count(TEXT)) == ("partial", True, 2)
    assert read("scans/a.pdf", "--strict").returncode == 4


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("none.pdf",), 2, "none.pdf does not exist."),
        (("a.pdf", "-f", "docx", "--json"), 2, "docx is not text"),
        (("a.pdf", "./a.pdf", "x/a.pdf", "-o", "out"), 2, "same file"),
        (("empty",), 2, "no document"),
        (("a.pdf", "--url", f"http://127.0.0.1:{free_port()}"), 3, "can't be reached"),
        (("a.pdf", "--url", "here"), 2, "no URL"),
        (("a.pdf", "-o", "a.pdf"), 1, "a.pdf"),
    ],
)
def test_errors_are_one_sentence(
    read: Read, tmp_path: Path, words: tuple[str, ...], status: int, sentence: str
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "empty").mkdir()
    for file in ("a.pdf", "x/a.pdf"):
        (tmp_path / file).write_bytes(pdf(1))
    done = read(*words)
    assert (done.returncode, done.stdout) == (status, b"")
    (line,) = done.stderr.decode().splitlines()
    assert sentence in line


def test_another_server_at_the_address(read: Read, served: Gateway, scans: Path) -> None:
    done = read("scans/a.pdf", "--url", f"http://127.0.0.1:{served.engine.port}/v1")
    assert (done.returncode, b"not this service" in done.stderr) == (3, True)


def test_a_long_document_is_a_job_that_the_next_run_finds(read: Read, served: Gateway, tmp_path: Path) -> None:
    (tmp_path / "long.pdf").write_bytes(pdf(LONG))
    go_on = Event()
    served.engine.answer = lambda _request: Reply("line one\nline two", after=go_on)
    words = ("read", "long.pdf", "-o", "out")
    with running(tmp_path, *words, names={URL_VARIABLE: served.url}) as process:
        wait_until(lambda: served.engine.requests, "the first page's call")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=WAIT_S)
        assert (process.returncode, told) == (130, b"paddleocr-vl: Interrupted.\n")
    go_on.set()
    assert read("long.pdf", "-o", "out").returncode == 0
    assert written(tmp_path / "out") == {"long.pdf.md": 2 * LONG}
    assert len(served.engine.requests) == 2 * LONG
    assert served.client.get("/jobs", headers={"x-api-key": KEY}).json()["jobs"] == []


def test_an_interrupt_waits_for_no_answer(served: Gateway, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf(1))
    served.engine.answer = lambda _request: Reply(hang=True)
    with running(tmp_path, "read", "a.pdf", "a.pdf", "-j", "1", names={URL_VARIABLE: served.url}) as process:
        wait_until(lambda: served.engine.requests, "the call")
        process.send_signal(signal.SIGINT)
        output, told = process.communicate(timeout=WAIT_S)
    assert (process.returncode, output, told) == (130, b"", b"paddleocr-vl: Interrupted.\n")
    wait_until(lambda: served.engine.aborted, "the end of the call")


def test_progress_is_shown_on_a_terminal(served: Gateway, tmp_path: Path) -> None:
    (tmp_path / "long.pdf").write_bytes(pdf(LONG))
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 100))
    with running(tmp_path, "read", "long.pdf", stderr=its, names={URL_VARIABLE: served.url}) as process:
        os.close(its)
        with open(ours, "rb", buffering=0) as terminal:
            shown = _read_terminal(terminal)
        output, _ = process.communicate(timeout=WAIT_S)
    assert output.decode().count(TEXT) == 2 * LONG
    assert f"/{LONG} [" in shown
    assert "1/1 [" in shown


def _read_terminal(terminal: io.FileIO | io.RawIOBase) -> str:
    """All that is written to it; Linux says the end with EIO."""
    pieces = bytearray()
    try:
        while piece := terminal.read(4096):
            pieces += piece
    except OSError:
        pass
    return pieces.decode()


def test_a_reader_that_leaves(served: Gateway, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf(1))
    with running(tmp_path, "read", "a.pdf", names={URL_VARIABLE: served.url}) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, told = process.communicate(timeout=WAIT_S)
    assert (process.returncode, told) == (1, b"")


@pytest.mark.service
def test_a_service_is_started_and_stopped_where_none_runs(tmp_path: Path) -> None:
    """It leaves nothing behind in the working folder, whose settings are not its own."""
    (tmp_path / ".env").write_text("VLM_ENGINE=nonsense\n")
    names = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PORT": str(free_port()), "VLM_ENGINE": "embedded"}
    done = run(tmp_path, "read", str(ROOT / "examples" / "slide-en.png"), names=names)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"# ")
    assert {path.name for path in tmp_path.iterdir()} == {".env", "cache"}


def test_a_service_that_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf(1))
    names = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PORT": str(free_port()), "VLM_ENGINE": "nonsense"}
    done = run(tmp_path, "read", "a.pdf", names=names)
    assert (done.returncode, b"VLM_ENGINE=nonsense is not accepted" in done.stderr) == (3, True)
