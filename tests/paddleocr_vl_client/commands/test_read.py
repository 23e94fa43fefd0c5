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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePath
from subprocess import CompletedProcess
from threading import Event, Thread

import httpx2
import pytest

from paddleocr_vl_client import Client
from paddleocr_vl_client.commands.inputs import Input, expand_inputs
from paddleocr_vl_client.commands.reading import Reader
from paddleocr_vl_client.connections import KEY_VARIABLE, URL_VARIABLE
from tests.gateway.intake.files import pdf
from tests.paddleocr_vl_client.commands.command import run, running
from tests.paddleocr_vl_client.conftest import KEY
from tests.supervision.support import ROOT
from tests.support.fakes import text_regions
from tests.support.origin import origin
from tests.support.ports import free_port
from tests.support.server import Gateway
from tests.support.stub_engine import Reply
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


def test_pipes_in_a_folder_are_left_alone(read: Read, scans: Path, tmp_path: Path) -> None:
    os.mkfifo(scans / "pipe.png")
    assert read("scans", "-o", "out").returncode == 0
    assert written(tmp_path / "out") == {"a.pdf.md": 4, "more/B.PDF.md": 2}


def test_a_pipe_that_is_named_is_read(read: Read, tmp_path: Path) -> None:
    """As a shell's `<(…)` gives one."""
    os.mkfifo(tmp_path / "pipe")
    Thread(target=lambda: (tmp_path / "pipe").write_bytes(pdf(2))).start()
    done = read("pipe")
    assert (done.returncode, done.stdout.decode().count(TEXT)) == (0, 4)


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
    """Of documents: a document's regions are asked for in any order."""
    numbers = itertools.count()
    served.engine.answer = lambda _request: Reply("first" if next(numbers) < 2 else "second")
    done = read("scans/more/B.PDF", "scans/a.pdf", "-f", "text", "-j", "1")
    assert done.stdout.split() == [b"first"] * 2 + [b"second"] * 4


def test_standard_input(read: Read) -> None:
    done = read("-", "--pages", "2-", data=pdf(3))
    assert done.stdout.decode().count(TEXT) == 4


def test_another_document_at_the_standard_input_is_read(read: Read, tmp_path: Path) -> None:
    for pages in (1, 2):
        assert read("-", "-o", "out", data=pdf(pages)).returncode == 0
        assert written(tmp_path / "out") == {"stdin.md": 2 * pages}


def test_options_reach_the_service(read: Read, scans: Path) -> None:
    done = read("scans/a.pdf", "-f", "json", "-O", "include=lines,words", "-O", "dpi=72", "-O", "chart=true")
    pages = json.loads(done.stdout)["pages"]
    assert [page["dpi"] for page in pages] == [72, 72]
    assert read("scans/a.pdf", "-O", "dpi=1").returncode == 1
    for wrong in ("dpi", "nonsense=1", "format=html"):
        assert read("scans/a.pdf", "-O", wrong).returncode == 2


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


def test_another_format_is_written_beside_an_archive(read: Read, served: Gateway, scans: Path, tmp_path: Path) -> None:
    served.layout.regions = text_regions(2, "table")
    served.engine.answer = lambda _request: Reply("<table><tr><td>1</td><td>2</td></tr></table>")
    for kind in ("csv", "markdown"):
        assert read("scans/a.pdf", "-o", "out", "-f", kind).returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.pdf.md", "a.pdf.zip"]


def test_a_document_without_tables_is_told(read: Read, scans: Path) -> None:
    done = read("scans/a.pdf", "-f", "csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"scans/a.pdf: the document holds no table\n")


def test_an_archive_is_no_line_of_json(read: Read, served: Gateway, scans: Path) -> None:
    served.layout.regions = text_regions(2, "table")
    served.engine.answer = lambda _request: Reply("<table><tr><td>1</td><td>2</td></tr></table>")
    done = read("scans/a.pdf", "-f", "csv", "--json")
    line = json.loads(done.stdout)
    assert (done.returncode, line["status"], "-o" in line["error"]) == (1, "failed", True)
    assert read("scans/a.pdf", "-f", "csv").stdout.startswith(b"PK")


def test_any_name_of_a_file(read: Read, tmp_path: Path) -> None:
    """Bytes that are no UTF-8, as long as names can be, and too long for an output: each costs itself at most."""
    folder = os.fsencode(tmp_path / "scans")
    os.mkdir(folder)
    long, too_long = "я" * 124 + ".pdf", "я" * 125 + ".pdf"
    for name in (b"\xf1\xf7\xb8\xf2.pdf", long.encode(), too_long.encode()):
        (Path(os.fsdecode(folder + b"/" + name))).write_bytes(pdf(1))
    done = read("scans", "-o", "out", "--json")
    lines = {Path(line["source"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert {name: line["status"] for name, line in lines.items()} == {
        "\ufffd\ufffd\ufffd\ufffd.pdf": "ok", long: "ok", too_long: "failed"
    }  # fmt: skip
    assert lines[too_long]["error"].endswith("File name too long.")
    outputs = os.listdir(os.fsencode(tmp_path / "out"))
    assert sorted(outputs) == sorted([b"\xf1\xf7\xb8\xf2.pdf.md", f"{long}.md".encode()])
    assert read("scans", "-o", "out").stderr.count(b"\n") == 2


def test_outputs_beside_their_documents_are_no_documents(read: Read, scans: Path) -> None:
    for _ in range(2):
        assert read("scans", "-o", "scans", "-f", "pdf").returncode == 0
    names = sorted(str(path.relative_to(scans)) for path in scans.rglob("*.[pP][dD][fF]"))
    assert names == [".hidden.pdf", "a.pdf", "a.pdf.pdf", "more/B.PDF", "more/B.PDF.pdf"]


def test_a_folder_that_cannot_be_opened_is_told(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not left out as if it were empty."""
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "more":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        expand_inputs([str(scans)])


def test_files_of_one_name_to_the_standard_output(read: Read, scans: Path) -> None:
    (scans / "more" / "a.pdf").write_bytes(pdf(1))
    done = read("scans/a.pdf", "scans/more/a.pdf", "scans/a.pdf")
    assert (done.returncode, done.stdout.decode().count(TEXT)) == (0, 6)


def test_a_pattern_that_no_shell_has_expanded(read: Read, scans: Path, tmp_path: Path) -> None:
    (scans / "b.pdf").write_bytes(pdf(1))
    assert read("scans/*.pdf", "-o", "out").returncode == 0
    assert sorted(written(tmp_path / "out")) == ["a.pdf.md", "b.pdf.md"]


def test_a_link_to_nothing_does_not_exist(read: Read, scans: Path) -> None:
    (scans / "broken.pdf").symlink_to(scans / "nothing.pdf")
    done = read("scans/broken.pdf")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"broken.pdf does not exist" in done.stderr
    assert read("scans/br*.pdf").returncode == 2


def test_a_wrong_key_ends_the_run_at_once(served: Gateway, scans: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "read", "scans", "-j", "1", names={URL_VARIABLE: served.url, KEY_VARIABLE: "wrong"})
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, b"", 1)


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
        (("none/*.pdf",), 2, "none/*.pdf does not exist."),
        (("ftp://a/b.pdf",), 2, "URLs begin with http://, https:// or s3://."),
        (("a.pdf", "-O", "charts=true"), 2, "options are chart, dpi,"),
        (("a.pdf", "-f", "docx", "--json"), 2, "docx is not text"),
        (("a.pdf", "./a.pdf", "x/a.pdf", "-o", "out"), 2, "same file"),
        (("empty",), 2, "no document"),
        (("",), 2, "no name"),
        (("a.pdf", "x", "-f", "docx"), 2, "docx is not text"),
        (("a.pdf", "--url", f"http://127.0.0.1:{free_port()}"), 3, "can't be reached"),
        (("a.pdf", "--url", "here"), 2, "no URL"),
        (("a.pdf", "--url", "http://localhost:port"), 2, "no URL"),
        (("a.pdf", "-o", "a.pdf"), 2, "a.pdf is no folder"),
        (("a.pdf", "-o", "a.pdf/out"), 2, "a.pdf is no folder"),
        (("a.pdf", "-o", ""), 2, "no name"),
        (("a.pdf", "-o", "-", "-f", "docx", "--json"), 2, "docx is not text"),
        (("a.pdf", "-j", "0"), 2, "whole number"),
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


def test_a_key_without_the_scope_of_jobs_reads_a_long_document_by_a_request(tmp_path: Path) -> None:
    """It ends no run, as a key does that reads nothing."""
    (tmp_path / "long.pdf").write_bytes(pdf(LONG))

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/jobs":
            return httpx2.Response(403, json={"code": "scope_missing", "detail": "The key lacks the scope `jobs`."})
        return httpx2.Response(200, headers={"X-OCR-Status": "ok"}, text="read")

    with Client("http://gateway", transport=httpx2.MockTransport(answer)) as client:
        reader = Reader(client, "markdown", {}, None)
        reading, content = reader.read(Input(str(tmp_path / "long.pdf"), PurePath("long.pdf")), lambda *_: None)
    assert (reading.status, content) == ("ok", b"read")


def test_copies_of_a_long_document_are_jobs_of_their_own(read: Read, scans: Path, tmp_path: Path) -> None:
    data = pdf(LONG)
    for name in ("long.pdf", "copy.pdf", "more/long.pdf"):
        (scans / name).write_bytes(data)
    done = read("scans", "-o", "out", "--json")
    assert done.returncode == 0, done.stdout
    assert {name: count for name, count in written(tmp_path / "out").items() if count == 2 * LONG}.keys() == {
        "long.pdf.md", "copy.pdf.md", "more/long.pdf.md"
    }  # fmt: skip


def test_results_go_to_the_standard_output_by_its_usual_name(read: Read, scans: Path, tmp_path: Path) -> None:
    assert read("scans/a.pdf", "-o", "-").stdout == read("scans/a.pdf").stdout
    assert os.listdir(tmp_path) == ["scans"]


def test_names_of_files_send_nothing_to_the_terminal(read: Read, tmp_path: Path) -> None:
    (tmp_path / "red\x1b[31m\n.pdf").write_bytes(b"no document")
    done = read("red\x1b[31m\n.pdf")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("red\ufffd[31m\ufffd.pdf: ")


def test_spaces_in_names_of_files_are_shown(read: Read, tmp_path: Path) -> None:
    """Those of macOS (a narrow one before PM), of Chinese and of French names."""
    name = "Screenshot 9.41\u202fPM\u3000page\u00a02.pdf"
    (tmp_path / name).write_bytes(b"no document")
    (line,) = read(name).stderr.decode().splitlines()
    assert line.startswith(f"{name}: ")


class Stalling(BaseHTTPRequestHandler):
    """A service that is ready, and sends an answer's beginning."""

    def do_GET(self) -> None:
        self._begin(b'{"reasons": []}', 15)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._begin(b"words", 1000)
        self.rfile.read(1)  # until the client is gone

    def _begin(self, body: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("X-OCR-Status", "ok")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_half_written(tmp_path: Path, sent: signal.Signals) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf(1))
    out = tmp_path / "out"
    with ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = {URL_VARIABLE: f"http://127.0.0.1:{server.server_port}"}
        with running(tmp_path, "read", "a.pdf", "-o", "out", names=place) as process:
            wait_until(lambda: out.is_dir() and os.listdir(out), "the beginning of the result")
            process.send_signal(sent)
            assert process.wait(WAIT_S) == 130
        server.shutdown()
    assert os.listdir(out) == []


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
