"""One caller with many requests that last, and another beside it, whose pages must go on being read.

What is asserted is who is served while the hostile requests still hold what they hold, and not how long that takes:
they last longer than the test.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from benchmarks.hostile.attacks import scan_bomb, shading_bomb
from tests.hostile.conftest import StartService
from tests.hostile.polite_caller import PoliteCaller
from tests.support import local_http
from tests.support.service_process import Service
from tests.support.waiting import WAIT_S, wait_until

HOSTILE, POLITE = "hostile", "polite"
MANY = 64

CallPolitely = Callable[[Service, str | None], PoliteCaller]


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    """No upload is ended while the test runs."""
    return start_service(api_keys=f"{HOSTILE},{POLITE}", max_uploads=str(MANY), max_upload_pause_s="3600")


@contextmanager
def requests(service: Service, count: int, content: bytes, announced: int | None = None) -> Iterator[None]:
    """So many requests of the hostile caller, sent and not answered; `announced`: of a body that never ends."""
    head = (
        f"POST /ocr HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nX-API-Key: {HOSTILE}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {announced or len(content)}\r\n\r\n"
    )
    with ExitStack() as held:
        for _ in range(count):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=WAIT_S))
            connection.sendall(head.encode() + content)
        yield


def gauge(service: Service, name: str) -> float:
    text = local_http.get(f"{service.url}/metrics", headers={"X-API-Key": POLITE}).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def post(service: Service, key: str) -> httpx.Response:
    return local_http.post(f"{service.url}/ocr", headers={"X-API-Key": key}, content=b"no document")


def test_slow_uploads_keep_nobody_out(service: Service, call_politely: CallPolitely) -> None:
    caller = call_politely(service, POLITE)
    with requests(service, MANY, b"\x89PNG", announced=1_000_000):
        wait_until(lambda: gauge(service, "ocr_uploads") >= MANY, "all uploads begun", service.log)
        assert gauge(service, "ocr_documents_in_work") <= 1, "an upload is no document in work yet"
        refused = post(service, HOSTILE)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
        assert int(refused.headers["retry-after"]) >= 1
        caller.served_again()
        assert gauge(service, "ocr_uploads") >= MANY
    wait_until(lambda: gauge(service, "ocr_uploads") <= 1, "places for uploads that are free again", service.log)


@pytest.mark.parametrize(
    "bomb", [lambda: scan_bomb(3000, 240_000), lambda: shading_bomb(20_000)], ids=["JPEG scans", "PDF shadings"]
)
def test_bombs_keep_nobody_out(
    start_service: StartService, call_politely: CallPolitely, bomb: Callable[[], bytes]
) -> None:
    places = 4
    service = start_service(api_keys=f"{HOSTILE},{POLITE}", max_documents=str(places), render_timeout_s=str(2 * WAIT_S))
    with requests(service, places, bomb()):
        # Another request meanwhile would take a place, and a bomb would be refused for it.
        wait_until(lambda: gauge(service, "ocr_documents_in_work") == places, "all bombs in work", service.log)
        call_politely(service, POLITE).served_again()
        refused = post(service, HOSTILE)
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full"), "the bombs were over before"


def test_whoever_claims_many_addresses_is_one_caller(start_service: StartService) -> None:
    service = start_service(max_uploads="4", max_upload_pause_s="3600", forwarded_allow_ips="192.0.2.1")
    head = "POST /ocr HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.{0}\r\nContent-Length: 1000\r\n\r\n"
    with ExitStack() as held:
        for number in range(4):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=WAIT_S))
            connection.sendall(head.format(number).encode())
        wait_until(lambda: gauge(service, "ocr_uploads") == 4, "all uploads begun", service.log)
        refused = local_http.post(
            f"{service.url}/ocr", headers={"X-Forwarded-For": "192.0.2.99"}, content=b"x", timeout=WAIT_S
        )
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")


def test_callers_behind_a_trusted_proxy_are_told_apart(start_service: StartService) -> None:
    service = start_service(max_uploads="4", max_upload_pause_s="3600")
    head = "POST /ocr HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 1000\r\n\r\n"
    with ExitStack() as held:
        for _ in range(4):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=WAIT_S))
            connection.sendall(head.encode())
        wait_until(lambda: gauge(service, "ocr_uploads") == 4, "all uploads begun", service.log)
        answers = [
            local_http.post(f"{service.url}/ocr", headers={"X-Forwarded-For": client}, content=b"x")
            for client in ("192.0.2.1", "192.0.2.2")
        ]
        assert [answer.status_code for answer in answers] == [429, 415]
