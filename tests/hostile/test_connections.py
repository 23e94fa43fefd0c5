"""Heads, bodies and connections without end, of clients that need no key for them."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from tests.gateway.conftest import encoded
from tests.hostile.conftest import StartService
from tests.hostile.polite_caller import PoliteCaller
from tests.hostile.raw import connect, is_closed, read_to_end, send, send_all
from tests.support import local_http
from tests.support.service_process import Service
from tests.support.waiting import WAIT_S, wait_until

START = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
UPLOAD = b"POST /ocr HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
QUIET = 4
"""Connections of the polite caller and of what has not been closed yet."""
PEER_CONNECTIONS = 30
"""Three quarters of all."""
GROWTH_MB = 40
"""What a gateway may have more than before the attack: noise of pages read meanwhile."""


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    service = start_service(
        max_connections="40",
        header_timeout_s="4",
        max_upload_pause_s="4",
        max_download_pause_s="4",
        max_upload_mb="1",
    )
    # Jobs begin after readiness, and what they import would count as growth.
    wait_until(lambda: local_http.get(f"{service.url}/jobs").status_code == 200, "jobs", service.log)
    return service


@pytest.fixture
def polite(service: Service, call_politely: Callable[..., PoliteCaller]) -> PoliteCaller:
    return call_politely(service)


@pytest.fixture(autouse=True)
def _all_is_as_before(service: Service) -> Iterator[None]:
    before = service.rss_mb()
    yield
    wait_until(lambda: service.connections() <= QUIET, "closed connections", service.log)
    assert service.rss_mb() < before + GROWTH_MB


def endless(piece: bytes, megabytes: int = 50) -> Iterator[bytes]:
    return itertools.repeat(piece, megabytes * 1_000_000 // len(piece))


@pytest.mark.parametrize(
    ("head", "status", "setting"),
    [
        ([START, *endless(b"".join(b"X-%04d: aaaaaaaa\r\n" % number for number in range(4000)))], 431, "MAX_HEADERS"),
        ([START, b"X: ", *endless(b"a" * 65_536)], 431, "MAX_HEADER_BYTES"),
        ([START, *endless(b"a" * 65_536)], 431, "MAX_HEADER_BYTES"),
        ([START, (b"X: " + b"a" * 2000 + b"\r\n") * 50, b"\r\n"], 431, "MAX_HEADER_BYTES"),
        ([START, b"X: a\r\n" * 101, b"\r\n"], 431, "MAX_HEADERS"),
        ([b"GET /livez?", *endless(b"a" * 65_536)], 414, "MAX_URL_BYTES"),
        ([b"GET /livez?", b"a" * 9000, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"], 414, "MAX_URL_BYTES"),
    ],
    ids=["many", "one value", "one name", "large", "101", "URL", "long URL"],
)  # fmt: skip
def test_large_heads(service: Service, polite: PoliteCaller, head: list[bytes], status: int, setting: str) -> None:
    answer = send(service, *head)
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert answer.headers["content-type"] == "application/problem+json"
    assert setting in answer.problem["detail"]


def test_heads_as_large_as_allowed(service: Service) -> None:
    headers = {f"X-{number}": "a" * 300 for number in range(90)}
    assert local_http.get(f"{service.url}/livez", headers=headers).status_code == 200
    assert local_http.get(f"{service.url}/livez?{'a' * 8000}").status_code == 200


def test_half_open_connections(service: Service, polite: PoliteCaller) -> None:
    with ExitStack() as opened:
        clients = [opened.enter_context(connect(service)) for _ in range(300)]
        for client, opening in zip(clients, itertools.cycle((b"", b"G", b"\r\n", START, START + b"X: a"))):
            send_all(client, [opening])
        polite.served_again()
        wait_until(lambda: all(is_closed(client) for client in clients), "closed connections", service.log)


def test_trickling_head(service: Service) -> None:
    with connect(service) as client:
        send_all(client, itertools.chain([START], slowly(b"X: a\r\n")))
        answer = read_to_end(client)
    assert (answer.status, answer.problem["code"]) == (408, "header_timeout")
    assert "HEADER_TIMEOUT_S" in answer.problem["detail"]


def slowly(piece: bytes) -> Iterator[bytes]:
    """For longer than the service waits."""
    for _ in range(24):
        time.sleep(0.25)
        yield piece


@pytest.mark.parametrize(
    ("framing", "piece"),
    [(b"Content-Length: 1000\r\n\r\n", b"a"), (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n")],
)
def test_trickling_bodies(service: Service, polite: PoliteCaller, framing: bytes, piece: bytes) -> None:
    with ExitStack() as opened:
        clients = [opened.enter_context(connect(service)) for _ in range(20)]
        for sent in itertools.chain([UPLOAD + framing], slowly(piece)):
            for client in clients:
                send_all(client, [sent])
        answers = [read_to_end(client) for client in clients]
    assert {(answer.status, answer.headers["connection"]) for answer in answers} == {(408, "close")}
    assert all("MIN_TRANSFER_BYTES_S" in answer.problem["detail"] for answer in answers)


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (UPLOAD + b"Content-Length: 2000000\r\n\r\n", 413),
        (UPLOAD + b"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n", 413),
        (b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", 404),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
    ],
)
def test_answers_before_the_body(service: Service, request_head: bytes, status: int) -> None:
    """The rest of the request is not waited for, and who goes on sending gets the answer all the same."""
    for rest in ([], [b"5\r\n" + b"a" * 5 + b"\r\n"]):
        answer = send(service, request_head, *rest)
        assert (answer.status, answer.headers["connection"]) == (status, "close")


def test_refused_uploads_get_their_answer(service: Service) -> None:
    answer = local_http.post(
        f"{service.url}/ocr", content=b"a" * 30_000_000, headers={"Content-Type": "image/png"}, timeout=WAIT_S
    )
    assert answer.status_code == 413


def test_expected_bodies_are_asked_for(service: Service) -> None:
    with connect(service) as client:
        client.sendall(UPLOAD + b"Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"abc")
        assert read_to_end(client).status == 415


@pytest.mark.parametrize(
    "tail",
    [
        [b"1;", *endless(b"a" * 65_536)],
        [b"0\r\n", *endless(b"X: " + b"a" * 60_000 + b"\r\n")],
        [b"0\r\nX: ", *endless(b"a" * 65_536)],
    ],
    ids=["extension", "trailers", "trailer"],
)
def test_chunks_with_endless_frames(service: Service, polite: PoliteCaller, tail: list[bytes]) -> None:
    answer = send(service, UPLOAD, b"Transfer-Encoding: chunked\r\n\r\n", *tail)
    assert answer.status in (400, 431)


def test_chunks_of_one_byte(service: Service, polite: PoliteCaller) -> None:
    answer = send(service, UPLOAD, b"Transfer-Encoding: chunked\r\n\r\n", *endless(b"1\r\na\r\n" * 10_000, 1))
    assert (answer.status, answer.problem["code"], answer.headers["connection"]) == (400, "small_chunks", "close")


def test_chunks_of_lines(service: Service) -> None:
    """As a client sends a file that it reads line by line."""
    line = b"4a\r\n" + b"a" * 73 + b"\n\r\n"
    body = [b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", line * 5000, b"0\r\n\r\n"]
    assert send(service, UPLOAD, *body).status == 415


def test_trailers_are_no_headers(service: Service) -> None:
    head = b"POST /ocr HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = send(service, head, b"1\r\na\r\n0\r\nContent-Type: image/png\r\nX-Request-ID: trailer\r\n\r\n")
    assert answer.headers["x-request-id"] != "trailer"


def test_pipelined_flood(service: Service, polite: PoliteCaller) -> None:
    """Answers come in order as far as they go; then the connection is closed."""
    answer = send(service, (START + b"\r\n") * 20_000)
    assert 1 <= len(re.findall(rb"HTTP/1.1 200 ", answer.data)) < 20_000
    few = send(service, (START + b"\r\n") * 5, START + b"Connection: close\r\n\r\n")
    assert len(re.findall(rb"HTTP/1.1 200 ", few.data)) == 6


@pytest.mark.parametrize("takes", [0, 500], ids=["nothing", "slowly"])
def test_responses_that_are_not_taken(service: Service, polite: PoliteCaller, takes: int) -> None:
    script = re.search(r'src="([^"]+\.js)"', local_http.get(f"{service.url}/docs").text)
    assert script
    request = f"GET {script[1]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with ExitStack() as opened:
        clients = [opened.enter_context(connect(service, receive_buffer=4096)) for _ in range(20)]
        for client in clients:
            client.sendall(request * 3)

        def are_given_up() -> bool:
            for client in clients if takes else []:
                client.setblocking(False)
                with suppress(OSError):
                    client.recv(takes)
            time.sleep(0.5)
            return service.connections() <= QUIET

        wait_until(are_given_up, "closed connections", service.log)


def test_connections_at_work(service: Service) -> None:
    """Where all of an address's are in use, it is told so, and probes are answered all the same."""
    release, quick = threading.Event(), service.engine.answer
    service.engine.answer = lambda request: replace(quick(request), after=release)
    png = encoded("PNG")
    upload = UPLOAD.replace(b"/ocr", b"/ocr?task=text&images=none") + b"Content-Length: %d\r\n\r\n" % len(png)
    with ExitStack() as opened:
        opened.callback(setattr, service.engine, "answer", quick)
        opened.callback(release.set)
        clients = [opened.enter_context(connect(service)) for _ in range(PEER_CONNECTIONS)]
        for client in clients:
            client.sendall(upload + png)
        wait_until(lambda: service.connections() == PEER_CONNECTIONS and service.engine.running, "work", service.log)
        refused = send(service, b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (refused.status, refused.problem["code"]) == (429, "too_many_connections")
        assert "MAX_PEER_CONNECTIONS" in refused.problem["detail"]
        assert refused.headers["retry-after"]
        assert local_http.get(f"{service.url}/livez").status_code == 200
        release.set()
        for client in clients:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
