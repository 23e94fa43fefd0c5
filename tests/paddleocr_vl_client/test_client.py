"""The client for threads, against a gateway."""

from __future__ import annotations

import io
import itertools
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from paddleocr_vl_client import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConflictError,
    InvalidResponseError,
    NotFoundError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnprocessableError,
    UnsupportedDocumentError,
)
from paddleocr_vl_client.connections import KEY_VARIABLE, URL_VARIABLE
from tests.paddleocr_vl_client.conftest import KEY
from tests.support.flaky_proxy import FlakyProxy, refusal
from tests.support.origin import origin
from tests.support.ports import free_port
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

QUICK = RetryPolicy(first_pause_s=0.01)
TEXT = "line one line two"
DAY = timedelta(days=1)


@pytest.fixture
def client(served: Gateway) -> Iterator[Client]:
    with Client(served.url, api_key=KEY, retries=QUICK) as found:
        yield found


@pytest.fixture
def flaky(proxy: FlakyProxy) -> Iterator[Client]:
    """By way of the proxy."""
    with Client(proxy.url, api_key=KEY, retries=QUICK) as found:
        yield found


SSE = {"Content-Type": "text/event-stream"}


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (httpx2.Response(200, headers=SSE), APIConnectionError, "broke off"),
        (httpx2.Response(200, headers=SSE, content=b"event: new\ndata: {}\n\n"), APIConnectionError, "broke off"),
        (httpx2.Response(200, text="<html>"), InvalidResponseError, "not a stream"),
        (httpx2.Response(301, headers={"Location": "https://x/ocr"}), APIStatusError, "https://x/ocr"),
    ],
    ids=["empty", "unknown event", "another server", "moved"],
)
def test_what_is_no_stream(answer: httpx2.Response, error: type[APIError], message: str) -> None:
    transport = httpx2.MockTransport(lambda _request: answer)
    with (
        Client("http://x", transport=transport, retries=RetryPolicy(max_retries=0)) as client,
        pytest.raises(error, match=message),
        client.stream(b"document"),
    ):
        pass


def test_the_page_of_another_server_is_no_document(tmp_path: Path) -> None:
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, text="<html>Please log in"))
    with Client("http://x", transport=transport) as client, pytest.raises(InvalidResponseError):
        client.convert(b"document", "markdown", tmp_path / "out.md")
    assert list(tmp_path.iterdir()) == []


def test_a_key_from_a_file_ends_with_a_line_break(served: Gateway, document: Path) -> None:
    with Client(served.url, api_key=f"{KEY}\n") as client:
        assert client.read(document).status == "ok"


@pytest.mark.parametrize("place", ["here", "http://", "http://localhost:port", "ftp://x"])
def test_what_is_no_url(place: str) -> None:
    with pytest.raises(ValueError, match="no URL"):
        Client(place)


def test_a_policy_that_never_gives_up() -> None:
    policy = RetryPolicy(max_retries=10_000, first_pause_s=0.5, max_pause_s=100)
    pause_s = policy.pause_s(5_000, APIConnectionError("away"))
    assert pause_s is not None
    assert 50 < pause_s < 150


def test_what_is_no_key() -> None:
    with pytest.raises(ValueError, match="key") as told:
        Client("http://x", api_key="ключ")
    assert "ключ" not in str(told.value)


def test_a_document_is_read_into_typed_values(client: Client, document: Path) -> None:
    found = client.read(document, pages="2-", include=["lines"], ignore_labels=["header"], chart=False)
    assert (found.status, found.document.name, found.document.pages_total) == ("ok", "three.pdf", 3)
    assert [page.page for page in found.pages] == [2, 3]
    block = found.pages[0].blocks[0]
    assert (block.id, block.label, block.content) == ("p2-b1", "text", "line one\nline two")
    assert block.bbox == (10, 0, 210, 30)


def test_each_kind_of_source(client: Client, document: Path) -> None:
    data = document.read_bytes()
    reader, writer = os.pipe()
    threading.Thread(target=lambda: _write(writer, data)).start()
    with document.open("rb") as file, os.fdopen(reader, "rb") as pipe:
        file.seek(10)
        found = [
            client.read(str(document)),
            client.read(file),
            client.read(data, name="given.pdf"),
            client.read(io.BytesIO(data)),
            client.read(pipe),
        ]
    assert [one.document.name for one in found] == ["three.pdf", "three.pdf", "given.pdf", "document", "document"]
    assert {one.document.sha256 for one in found} == {found[0].document.sha256}


@pytest.mark.parametrize("change", [1, -1])
def test_a_file_that_changes_while_it_is_sent(client: Client, change: int, tmp_path: Path) -> None:
    """A scanner writes it still: what the service got would be no document, or a part of one."""

    file = tmp_path / "scan.png"
    file.write_bytes(bytes(100_000))

    class Written(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            os.truncate(file, 100_000 + change * 10_000)
            return super().read(-1 if size is None else size) or b""

    with Written(file) as opened, pytest.raises(OSError, match="changed while it was sent"):
        client.read(opened)


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def test_a_url_is_fetched_by_the_service(client: Client, document: Path) -> None:
    with origin() as elsewhere:
        elsewhere.files["/here/a.pdf"] = document.read_bytes()
        found = client.read(f"{elsewhere.url}/here/a.pdf", pages="2", include=["lines"], dpi=72, chart=True)
        assert (found.document.name, [page.page for page in found.pages], found.pages[0].dpi) == ("a.pdf", [2], 72)
        with pytest.raises(BadRequestError) as raised:
            client.read(f"{elsewhere.url}/none.pdf")
    assert raised.value.code == "url_unreachable"


def test_pages_come_while_others_are_read(client: Client, served: Gateway, document: Path) -> None:
    is_seen, calls = threading.Event(), itertools.count(1)
    text = "line one\nline two"
    served.engine.answer = lambda _request: Reply(text, after=is_seen if next(calls) == 6 else None)
    with client.stream(document) as stream:
        assert stream.start.pages == (1, 2, 3)
        pages = iter(stream)
        first = next(pages)
        assert stream.end is None
        is_seen.set()
        rest = list(pages)
    assert [page.page for page in (first, *rest)] == [1, 2, 3]
    assert stream.end is not None
    assert stream.end.usage.pages == 3


@pytest.mark.parametrize(
    ("source", "options", "kind", "code"),
    [
        (b"", {}, BadRequestError, "empty_document"),
        (b"no document", {}, UnsupportedDocumentError, "unsupported_media_type"),
        (None, {"pages": "9"}, UnprocessableError, "invalid_pages"),
        (None, {"dpi": 1}, UnprocessableError, "invalid_option"),
    ],
)
def test_refusals_are_typed(
    client: Client, document: Path, source: bytes | None, options: dict[str, object], kind: type[Exception], code: str
) -> None:
    with pytest.raises(kind) as raised:
        client.read(document if source is None else source, **options)  # type: ignore[arg-type]
    error = raised.value
    assert isinstance(error, kind)
    assert (error.code, bool(error.request_id), str(error)) == (code, True, error.detail)  # type: ignore[attr-defined]


def test_all_that_holds_bytes_is_read(client: Client, document: Path) -> None:
    data = document.read_bytes()
    for source in (bytearray(data), memoryview(data), str(document)):
        assert client.read(source, pages="1").status == "ok"


def test_what_is_no_document_is_told(client: Client, document: Path) -> None:
    with document.open(encoding="latin-1") as text:
        for source in (12, None, text):
            with pytest.raises(TypeError, match="opened with 'rb', not"):
                client.read(source)  # type: ignore[arg-type]


def test_no_key_and_a_wrong_one(served: Gateway, document: Path) -> None:
    for key in (None, "another"):
        with Client(served.url, api_key=key) as client, pytest.raises(AuthenticationError):
            client.read(document)


def test_settings_of_the_environment(served: Gateway, document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, served.url + "/")
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with Client() as client:
        assert client.read(document).status == "ok"
        assert client.health()["status"] == "healthy"


def test_nobody_listens(document: Path) -> None:
    once = RetryPolicy(max_retries=0)
    nowhere = f"http://127.0.0.1:{free_port()}"
    with Client(nowhere, retries=once) as client, pytest.raises(APIConnectionError, match="can't be reached"):
        client.read(document)
    with pytest.raises(ValueError, match="no URL"):
        Client("localhost:8081")


def test_a_lost_answer_is_fetched_without_reading_again(
    flaky: Client, proxy: FlakyProxy, served: Gateway, document: Path
) -> None:
    """Once nothing of the answer arrives, then half of its head, then half of its body."""
    proxy.faults.extend([0, 60, 900])
    found = flaky.read(document)
    assert len(found.pages) == 3
    assert proxy.connections == 4
    assert len(served.engine.requests) == 6


def test_retry_after_is_obeyed(proxy: FlakyProxy, served: Gateway, document: Path) -> None:
    proxy.faults.extend([refusal("429 Too Many Requests", "queue_full", "Retry-After: 0")] * 3)
    with Client(proxy.url, api_key=KEY, retries=RetryPolicy(first_pause_s=10_000, max_pause_s=20_000)) as client:
        assert client.read(document).status == "ok"
    proxy.faults.append(refusal("503 Service Unavailable", "vlm_unavailable", "Retry-After: 9"))
    impatient = RetryPolicy(max_pause_s=8)
    with Client(proxy.url, api_key=KEY, retries=impatient) as client, pytest.raises(ServerError) as raised:
        client.read(document)
    assert raised.value.retry_after_s == 9


def test_tries_end(proxy: FlakyProxy, served: Gateway, document: Path) -> None:
    proxy.faults.extend([refusal("429 Too Many Requests", "queue_full", "Retry-After: 0")] * 3)
    twice = RetryPolicy(max_retries=2)
    with Client(proxy.url, api_key=KEY, retries=twice) as client, pytest.raises(RateLimitError):
        client.read(document)
    assert proxy.connections == 3


@pytest.mark.parametrize("code", ["deadline_exceeded", "url_timeout"])
def test_what_would_only_fail_again_is_not_tried(flaky: Client, proxy: FlakyProxy, document: Path, code: str) -> None:
    proxy.faults.append(refusal("504 Gateway Timeout", code))
    with pytest.raises(ServerError):
        flaky.read(document)
    assert proxy.connections == 1


def test_a_stream_that_breaks_off(flaky: Client, proxy: FlakyProxy, document: Path) -> None:
    proxy.faults.extend([0, 1500])
    with flaky.stream(document) as stream, pytest.raises(APIConnectionError):
        list(stream)
    assert proxy.connections == 2


def test_conversion_in_memory_and_to_a_file(flaky: Client, proxy: FlakyProxy, document: Path, tmp_path: Path) -> None:
    told = flaky.convert(document, "markdown")
    assert (told.media_type, told.status, told.warnings) == ("text/markdown", "ok", "")
    assert told.content is not None
    assert told.content.decode().count(TEXT) == 6
    proxy.faults.append(500)
    target = tmp_path / "to" / "document.docx"
    target.parent.mkdir()
    written = flaky.convert(document, "docx", target)
    assert written.content is None
    assert target.read_bytes().startswith(b"PK")
    assert list(target.parent.iterdir()) == [target]
    (tmp_path / "other").touch()
    assert target.stat().st_mode == (tmp_path / "other").stat().st_mode
    with pytest.raises(UnprocessableError):
        flaky.convert(document, "pdf", tmp_path / "none.pdf", pages="7")
    assert not list(tmp_path.glob("*none*"))


def test_job(client: Client, served: Gateway, document: Path, tmp_path: Path) -> None:
    go_on = threading.Event()
    served.engine.answer = lambda _request: Reply("line one\nline two", after=go_on)
    job = client.jobs.submit(document, batch="letters", idempotency_key="same")
    assert client.jobs.submit(document, batch="letters", idempotency_key="same").id == job.id
    assert not client.jobs.get(job.id).has_ended
    with pytest.raises(ConflictError):
        client.jobs.result(job.id)
    with pytest.raises(APITimeoutError):
        client.jobs.wait(job.id, timeout_s=0.2)
    go_on.set()
    done = client.jobs.wait(job.id)
    assert (done.state, done.progress.done, done.progress.total) == ("done", 3, 3)
    assert [one.id for one in client.jobs.list(batch="letters")] == [job.id]
    assert client.jobs.result(job.id).markdown.count(TEXT) == 6
    client.jobs.convert(job.id, "text", tmp_path / "job.txt")
    assert (tmp_path / "job.txt").read_text().count("line one") == 6
    client.jobs.cancel(job.id)
    with pytest.raises(NotFoundError):
        client.jobs.get(job.id)


def test_pages_of_a_job_go_on_after_a_lost_connection(flaky: Client, proxy: FlakyProxy, document: Path) -> None:
    job = flaky.jobs.wait(flaky.jobs.submit(document).id)
    proxy.faults.extend([0, 1900])
    before = proxy.connections
    with Client(proxy.url, api_key=KEY, retries=QUICK) as client:
        assert [page.page for page in client.jobs.pages(job.id)] == [1, 2, 3]
        assert proxy.connections == before + 3
        assert [page.page for page in client.jobs.pages(job.id, after=2)] == [3]


def test_a_failed_job_has_the_documents_own_error(client: Client) -> None:
    job = client.jobs.wait(client.jobs.submit(b"no document", name="a.pdf").id)
    assert job.state == "failed"
    with pytest.raises(UnsupportedDocumentError):
        client.jobs.result(job.id)
    with pytest.raises(UnsupportedDocumentError):
        list(client.jobs.pages(job.id))


def test_jobs_are_listed_page_by_page(client: Client, document: Path) -> None:
    submitted = [client.jobs.submit(document, pages="1", batch="many").id for _ in range(102)]
    assert [job.id for job in client.jobs.list(batch="many")] == submitted[::-1]


def test_the_import_is_light() -> None:
    program = "import sys, paddleocr_vl_client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"numpy", "gateway", "pydantic", "PIL", "fastapi", "aiohttp", "common"}


def test_certificates_are_for_https(
    served: Gateway, certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """http works without any, as in an image that has none; https asks for one that is trusted."""
    trusted, server = certificate
    with serve_https(server) as url:
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with Client(url) as client:
            assert client.health() == {"reasons": []}
        monkeypatch.delenv("SSL_CERT_FILE")
        with Client(url, retries=RetryPolicy(max_retries=0)) as client, pytest.raises(APIConnectionError):
            client.health()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    with Client(served.url, api_key=KEY) as client:
        assert client.health()["reasons"] == []


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself: the certificate, and it with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")]), datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder = tmp_path_factory.mktemp("certificate")
    trusted, server = folder / "trusted.pem", folder / "server.pem"
    trusted.write_bytes(signed)
    server.write_bytes(signed + private)
    return trusted, server


class Healthy(BaseHTTPRequestHandler):
    """A service that is ready."""

    def do_GET(self) -> None:
        body = b'{"reasons": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve_https(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_large_file_is_never_whole_in_memory(served: Gateway, tmp_path: Path) -> None:
    """400 MB are sent by a process that may have half of that."""
    large = tmp_path / "large.pdf"
    with large.open("wb") as file:
        file.truncate(400_000_000)
    program = f"""
import resource, sys
from paddleocr_vl_client import APIError, Client, RetryPolicy
resource.setrlimit(resource.RLIMIT_DATA, (200_000_000, 200_000_000))
try:
    Client({served.url!r}, api_key={KEY!r}, retries=RetryPolicy(max_retries=0)).read({str(large)!r})
except APIError as error:
    print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "unsupported_media_type", done.stderr
