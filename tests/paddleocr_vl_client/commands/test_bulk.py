"""`paddleocr-vl bulk` against a gateway and a real S3."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pyarrow.dataset
import pytest
from pyarrow.fs import S3FileSystem

from paddleocr_vl_client.commands import bulk as command
from paddleocr_vl_client.commands.failures import CommandError, say
from paddleocr_vl_client.connections import KEY_VARIABLE, URL_VARIABLE
from supervision.cli import build_parser
from tests.gateway.intake.files import pdf
from tests.paddleocr_vl_client.commands.command import run, running
from tests.paddleocr_vl_client.conftest import KEY
from tests.support.flaky_proxy import FlakyProxy, refusal
from tests.support.ports import free_port
from tests.support.s3_server import BUCKET, SECRET, S3Server, client_of, s3_server
from tests.support.s3_server import KEY as ACCESS_KEY
from tests.support.server import Gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until

TEXT = "line one line two"
CALLS = 2
"""Of the engine, for a page."""
FILES, AT_ONCE = 60, 4
REGION = "ru-central-1"
WHOLE = 10**9
"""Bytes of an answer that the proxy passes on."""
BROKEN = b"%PDF-1.7 and no more of a PDF"

Bulk = Callable[..., int]


@pytest.fixture
def bulk(served: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bulk:
    """`paddleocr-vl bulk`, at the gateway, in a temporary folder, but in this process. Gives the exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(URL_VARIABLE, served.url)
    monkeypatch.setenv(KEY_VARIABLE, KEY)

    def run_here(*words: str) -> int:
        options = build_parser(["bulk"]).parse_args(["bulk", *words])
        try:
            return command.run(options)
        except CommandError as error:
            say(str(error))
            return error.status

    return run_here


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder with two documents, one that is broken, and what is none."""
    folder = tmp_path / "scans"
    (folder / "more.pdf.md").mkdir(parents=True)
    (folder / "more.pdf").write_bytes(pdf(2))
    (folder / "more.pdf.md" / "B.PDF").write_bytes(pdf(1))
    (folder / "broken.pdf").write_bytes(BROKEN)
    (folder / "notes.txt").write_text("no document")
    (folder / ".hidden.pdf").write_bytes(pdf(1))
    return folder


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


def rows_of(place: Path | str, files: Any = None) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - pyarrow has no types
    """The table's rows by key; each key has one."""
    rows = pyarrow.dataset.dataset(str(place), filesystem=files, format="parquet").to_table().to_pylist()
    found = {row["key"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_folder(served: Gateway, scans: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "bulk", "scans", "scans/out", names={URL_VARIABLE: served.url})
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"2 done (3 pages), 1 set aside" in done.stderr

    out = scans / "out"
    rows = rows_of(out / "table")
    assert {key: (row["status"], row["pages"]) for key, row in rows.items()} == {
        "more.pdf": ("ok", 2),
        "more.pdf.md/B.PDF": ("ok", 1),
        "broken.pdf": ("failed", 0),
    }
    for key in ("more.pdf", "more.pdf.md/B.PDF"):
        result = out / rows[key]["result"]
        document = json.loads(result.read_text())
        assert result.with_suffix(".md").read_text() == document["markdown"]
        assert document["markdown"].count(TEXT) == CALLS * rows[key]["pages"]
        assert document["document"]["name"] == Path(key).name
        assert rows[key]["characters"] == len(document["markdown"])
    assert rows["broken.pdf"]["code"] == json.loads((out / rows["broken.pdf"]["result"]).read_text())["code"] != ""


def test_a_second_run_reads_what_is_new_and_retries_what_failed_if_told_so(
    bulk: Bulk, served: Gateway, scans: Path, tmp_path: Path
) -> None:
    bulk("scans", "out")
    (scans / "broken.pdf").write_bytes(pdf(1))
    (scans / "new.pdf").write_bytes(pdf(1))
    before = len(served.layout.asked)
    assert bulk("scans", "out") == 0
    assert len(served.layout.asked) == before + 1
    assert rows_of(tmp_path / "out" / "table")["broken.pdf"]["status"] == "failed"

    assert bulk("scans", "out", "--retry-failed") == 0
    assert len(served.layout.asked) == before + 2
    assert {row["status"] for row in rows_of(tmp_path / "out" / "table").values()} == {"ok"}
    assert not [file for file in (tmp_path / "out" / "failed").rglob("*") if file.is_file()]


def test_rows_that_a_killed_run_did_not_write_are_made_of_its_results(
    bulk: Bulk, served: Gateway, scans: Path, tmp_path: Path
) -> None:
    bulk("scans", "out")
    before = rows_of(tmp_path / "out" / "table")
    shutil.rmtree(tmp_path / "out" / "table")
    asked = len(served.layout.asked)
    bulk("scans", "out")
    assert rows_of(tmp_path / "out" / "table") == before
    assert len(served.layout.asked) == asked


class Gate:
    """An engine that answers so many calls; the others wait until it is `opened`."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.opened = Event()

    def answer(self, _request: object) -> Reply:
        self.left -= 1
        return Reply("line one\nline two", after=None if self.left >= 0 else self.opened)


def test_a_run_that_is_killed_twice_reads_each_file_once(s3: S3Server, served: Gateway, tmp_path: Path) -> None:
    storage = client_of(s3)
    for number in range(FILES - 1):
        storage.put_object(Bucket=BUCKET, Key=f"in/{number % 7}/page {number}%.pdf", Body=pdf(1))
    storage.put_object(Bucket=BUCKET, Key="in/broken.pdf", Body=BROKEN)
    names = {
        URL_VARIABLE: served.url, "AWS_ENDPOINT_URL": s3.url, "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
    }  # fmt: skip
    words = ("bulk", f"s3://{BUCKET}/in", f"s3://{BUCKET}/out/", "-j", str(AT_ONCE))

    for _ in ("killed at a third", "killed at two thirds"):
        gate = Gate(CALLS * FILES // 3)
        served.engine.answer = gate.answer
        with running(tmp_path, *words, names=names) as process:
            wait_until(lambda gate=gate: gate.left < 0, "a third")  # type: ignore[misc]
            process.kill()
        gate.opened.set()
        wait_until(lambda: not served.engine.running, "the end of what was in work")
    served.engine.answer = lambda _request: Reply("line one\nline two")
    done = run(tmp_path, *words, names=names)

    assert done.returncode == 1
    listed = storage.list_objects_v2(Bucket=BUCKET, Prefix="out/documents/")["Contents"]
    assert len({one["Key"] for one in listed if one["Size"]}) == 2 * (FILES - 1)
    files = S3FileSystem(endpoint_override=s3.url, region=REGION, access_key=ACCESS_KEY, secret_key=SECRET)
    rows = rows_of(f"{BUCKET}/out/table", files)
    assert len(rows) == FILES
    assert [key for key, row in rows.items() if row["status"] != "ok"] == ["broken.pdf"]
    in_work = 2 * AT_ONCE
    assert len(served.layout.asked) <= FILES - 1 + in_work


def ray_processes() -> set[int]:
    """Of all users; what has ended, and waits for nobody but the system's first process, is none."""
    return {
        one.pid
        for one in psutil.process_iter(["name", "status"])
        if one.info["name"].startswith(("ray::", "raylet", "gcs_server")) and one.info["status"] != psutil.STATUS_ZOMBIE
    }


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (make test-bulk)")
def test_on_ray_it_goes_on_where_threads_stopped(bulk: Bulk, served: Gateway, scans: Path, tmp_path: Path) -> None:
    """One run on a Ray of its own, which ends with it."""
    before = ray_processes()
    (scans / "more.pdf").rename(tmp_path / "later.pdf")
    bulk("scans", "out")
    (tmp_path / "later.pdf").rename(scans / "later.pdf")
    asked = len(served.layout.asked)
    words = ("bulk", "scans", "out", "--ray-address", "local", "-j", "2")
    home = tmp_path / "home"
    home.mkdir()
    done = run(tmp_path, *words, names={URL_VARIABLE: served.url, "TMPDIR": "/tmp", "HOME": str(home)})

    assert done.returncode == 0, done.stderr.decode()
    assert len(served.layout.asked) == asked + 2
    assert rows_of(tmp_path / "out" / "table")["later.pdf"]["pages"] == 2
    wait_until(lambda: not ray_processes() - before, "the end of Ray")
    assert not list(home.iterdir())


def test_a_file_at_which_the_service_fails_is_set_aside_after_some_tries(
    bulk: Bulk, proxy: FlakyProxy, scans: Path, tmp_path: Path
) -> None:
    for file in (scans / "broken.pdf", scans / "more.pdf"):
        file.unlink()
    # A question after the service's health comes before each try, and one before all.
    proxy.faults.extend([WHOLE, *(WHOLE, refusal("503 Unavailable", "engine_unavailable")) * 2])
    assert bulk("scans", "out", "--url", proxy.url, "-j", "1", "--tries", "2") == 1
    assert not proxy.faults
    row = rows_of(tmp_path / "out" / "table")["more.pdf.md/B.PDF"]
    assert (row["status"], row["code"], row["error"]) == ("failed", "engine_unavailable", "Not now.")
    assert bulk("scans", "out", "--url", proxy.url, "--retry-failed") == 0


def test_a_busy_service_is_waited_for(bulk: Bulk, proxy: FlakyProxy, scans: Path) -> None:
    busy = refusal("429 Too Many Requests", "too_many_requests", "Retry-After: 0.01")
    (scans / "broken.pdf").unlink()
    proxy.faults.extend([WHOLE, WHOLE, *[busy] * 5])
    assert bulk("scans", "out", "--url", proxy.url, "-j", "1", "--tries", "1") == 0
    assert not proxy.faults


def test_no_file_is_to_blame_for_a_wrong_key_or_a_lost_service(
    bulk: Bulk, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    assert bulk("scans", "out", "--url", nobody, "--url", nobody, "--wait", "0.1") == 3
    assert "No service is ready" in capsys.readouterr().err
    monkeypatch.setenv(KEY_VARIABLE, "another")
    assert bulk("scans", "out") == 1
    assert "key" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_several_services_share_the_files(bulk: Bulk, served: Gateway, proxy: FlakyProxy, scans: Path) -> None:
    for number in range(20):
        (scans / f"{number}.pdf").write_bytes(pdf(1))
    asked = len(served.layout.asked)
    nobody = f"http://127.0.0.1:{free_port()}"
    assert bulk("scans", "out", "--url", nobody, "--url", proxy.url, "--url", served.url) == 1
    assert len(served.layout.asked) == asked + 23
    assert proxy.connections > 1


@pytest.mark.parametrize("words", [("scans", "out", "-j", "0"), ("empty", "out"), ("scans", "out", "--tries", "0")])
def test_what_can_not_be_done_is_said(bulk: Bulk, scans: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "empty").mkdir()
    assert bulk(*words) == 2


def test_a_name_that_is_no_utf_8_is_told(bulk: Bulk, scans: Path) -> None:
    Path(os.fsdecode(os.fsencode(scans) + b"/\xf1.pdf")).write_bytes(pdf(1))
    with pytest.raises(OSError, match="no UTF-8"):
        bulk("scans", "out")


@pytest.mark.parametrize(("package", "address"), [("pyarrow", ()), ("ray", ("--ray-address", "auto"))])
def test_what_is_not_installed_is_told(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], package: str, address: tuple[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert bulk("scans", "out", *address) == 1
    assert f"{package}: pip install 'paddleocr-vl-service[bulk]'" in capsys.readouterr().err
