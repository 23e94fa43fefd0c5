"""Bodies that cost more than their size, from one caller, while another has pages read."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from tests.gateway.conftest import encoded
from tests.hostile.conftest import StartService
from tests.hostile.polite_caller import PoliteCaller
from tests.support import local_http
from tests.support.service_process import Service
from tests.support.waiting import WAIT_S, wait_until

JSON = {"Content-Type": "application/json"}
MAX_ANSWER = 16_000
MAX_GROWTH_MB = 150
"""Resident memory of the gateway and its workers that one request of 10 MB may add beside its file."""
MAX_KEPT_MB = 40
"""What may be left of it in the gateway: caches of allocators."""
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    return start_service(request_timeout_s="120")


@contextmanager
def highest_rss(service: Service) -> Iterator[list[float]]:
    """A list whose one item grows to the most that the service and its workers hold meanwhile; MB."""
    highest, stop = [service.tree_rss_mb()], threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            try:
                highest[0] = max(highest[0], service.tree_rss_mb())
            except psutil.Error:  # a worker that ended meanwhile
                continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield highest
    finally:
        stop.set()
        thread.join()


def _post(service: Service, path: str, body: bytes, **headers: str) -> httpx.Response:
    return local_http.post(f"{service.url}{path}", content=body, headers={**JSON, **headers})


def _page(label: str, text: str) -> dict[str, object]:
    block = {"block_label": label, "block_content": text, "block_bbox": [0, 0, 100, 100]}
    return {"prunedResult": {"width": 1000, "height": 1000, "parsing_res_list": [block]}}


SMALL = base64.b64encode(encoded("PNG")).decode()
DOCUMENT = f'{{"source":{{"base64":"{SMALL}"}},'.encode()
FILE = f'{{"file":"{SMALL}",'.encode()
CHAT = b'{"messages":[{"role":"user","content":"x"}],'
ROUTES = {
    "/ocr": DOCUMENT,
    "/layout-parsing": FILE,
    "/v1/chat/completions": CHAT,
    "/restructure-pages": b'{"pages":[],',
}
AMPLIFIERS: dict[str, bytes] = {
    "objects": b'"x":[' + b"{}," * (3 * MEGABYTE) + b"0]}",
    "numbers": b'"ignore_labels":[' + b"0," * (4 * MEGABYTE) + b"0]}",
    "names": b",".join(b'"%d":0' % number for number in range(800_000)) + b"}",
    "texts": b'"stop":[' + b'"",' * (3 * MEGABYTE) + b'""]}',
    "wide text": b'"x":"' + b"a" * 9 * MEGABYTE + "\U0001f600".encode() + b'"}',
    "nesting": b'"x":' + b"[" * (9 * MEGABYTE),
    "escapes": b'"x":"' + b"\\\\" * (4 * MEGABYTE) + b'"}',
    "white space": b'"x":' + b" " * (9 * MEGABYTE) + b"0}",
}


def _start_workers(service: Service) -> None:
    """The modules that they load are no request's doing."""
    for path, head in ROUTES.items():
        assert _post(service, path, head + b'"x":"' + b" " * 100_000 + b'"}').status_code < 500


@pytest.mark.parametrize("kind", AMPLIFIERS)
def test_json_has_a_bill(service: Service, kind: str) -> None:
    _start_workers(service)
    before, own = service.tree_rss_mb(), service.rss_mb()
    with highest_rss(service) as highest:
        answers = [_post(service, path, head + AMPLIFIERS[kind]) for path, head in ROUTES.items()]
    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
    assert max(len(answer.content) for answer in answers) < MAX_ANSWER
    assert highest[0] - before < MAX_GROWTH_MB
    wait_until(lambda: service.rss_mb() - own < MAX_KEPT_MB, "memory to go back", service.log)
    assert service.tree_rss_mb() - before < MAX_GROWTH_MB


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/layout-parsing", FILE + b'"markdownIgnoreLabels":[' + b"0," * 9000 + b"0]}"),
        ("/layout-parsing", FILE + b'"layoutThreshold":{' + b",".join(b'"%d":9' % one for one in range(5000)) + b"}}"),
        ("/layout-parsing", FILE + b'"logId":"' + b"\\u0001" * 50_000 + b'","visualize":7}'),
        ("/restructure-pages", b'{"pages":[],"outputFormats":[' + b'"",' * 300_000 + b'""]}'),
        ("/restructure-pages", b'{"pages":[' + b"0," * 300_000 + b"0]}"),
        ("/ocr", DOCUMENT + b'"ignore_labels":[' + b"null," * 9000 + b"null]}"),
        ("/ocr", DOCUMENT + b",".join(b'"%d%s":0' % (one, b"\\u0001" * 20) for one in range(300)) + b"}"),
        ("/v1/chat/completions", CHAT + b'"stop":[' + b'"",' * 9000 + b'""]}'),
        ("/v1/chat/completions", b'{"messages":[' + b"0," * 9000 + b"0]}"),
        ("/v1/chat/completions", CHAT + b",".join(b'"%d":1' % one for one in range(5000)) + b"}"),
    ],
)
def test_faults_are_few_and_short(service: Service, path: str, body: bytes) -> None:
    answer = _post(service, path, body)
    assert answer.status_code in (400, 413, 422)
    assert len(answer.content) < MAX_ANSWER


def test_a_polite_caller_beside_them(service: Service, call_politely: Callable[..., PoliteCaller]) -> None:
    caller = call_politely(service)
    for kind in ("objects", "wide text"):
        for path, head in ROUTES.items():
            assert _post(service, path, head + AMPLIFIERS[kind]).status_code < 500
    # Texts on which patterns went back and forth.
    for unit in (" ", "<td", "\\[", "a\u0316\u0301", "&#1"):
        text = unit * (100_000 // len(unit))
        body = json.dumps({"pages": [_page("text", text), _page("table", f"<table>{text}</table>")]}).encode()
        assert _post(service, "/restructure-pages", body).status_code == 200
    caller.served_again()


def _form(charset: str, value: bytes = b"x") -> tuple[bytes, str]:
    parts = [b'--B\r\nContent-Disposition: form-data; name="f%d-"\r\n\r\n%s\r\n' % (one, value) for one in range(20)]
    return b"".join(parts) + b"--B--\r\n", f"multipart/form-data; boundary=B; charset={charset}"


@pytest.mark.parametrize(
    "charset", ["punycode", "undefined", "idna", "unicode_escape", "utf-7", "utf-16", "rot13", "nothing"]
)
def test_charsets(service: Service, charset: str) -> None:
    body, kind = _form(charset, b"a" * 10 + b"-" + b"99999" + b"a" * 60_000)
    answer = _post(service, "/ocr", body, **{"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_charset")


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "us-ascii", "iso-8859-1"])
def test_charsets_that_clients_send(service: Service, charset: str) -> None:
    file = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + encoded("PNG")
    kind = f"multipart/form-data; boundary=B; charset={charset}"
    assert _post(service, "/ocr?task=text", file + b"\r\n--B--\r\n", **{"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/ocr", DOCUMENT + b'"dpi":100,"dpi":200}', 400),
        ("/ocr", b'{"source":{"base64":"AAAA","base64":"AAAA"}}', 400),
        ("/layout-parsing", FILE + b'"visualize":false,"visualize":true}', 422),
        ("/restructure-pages", b'{"pages":[],"pages":[]}', 422),
        ("/v1/chat/completions", CHAT + b'"n":1,"n":1}', 400),
        ("/ocr", DOCUMENT + b'"chart":1}', 422),
        ("/ocr", DOCUMENT + b'"chart":"yes"}', 422),
        ("/ocr", DOCUMENT + b'"temperature":true}', 422),
        ("/layout-parsing", FILE + b'"visualize":"off"}', 422),
        ("/layout-parsing", FILE + b'"fileType":true}', 422),
    ],
)
def test_what_says_two_things_is_refused(service: Service, path: str, body: bytes, status: int) -> None:
    assert _post(service, path, body).status_code == status


def test_a_large_document_in_json_is_read(service: Service) -> None:
    """Beyond what is parsed in the gateway, with line ends in it, as old clients send base64."""
    picture = base64.encodebytes(encoded("PNG") + bytes(3 * MEGABYTE)).decode()
    document = json.dumps({"source": {"base64": picture}, "task": "text"}).encode()
    assert _post(service, "/ocr", document).status_code == 200
    assert (
        _post(service, "/layout-parsing", json.dumps({"file": picture, "visualize": False}).encode()).status_code == 200
    )
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    chat = {"messages": [{"role": "user", "content": [url, {"type": "text", "text": "OCR:"}]}]}
    assert _post(service, "/v1/chat/completions", json.dumps(chat).encode()).status_code == 200


def test_who_leaves_frees_what_the_request_held(service: Service, call_politely: Callable[..., PoliteCaller]) -> None:
    caller = call_politely(service)
    page = _page("text", "$\\frac{a}{b}$ and more of it\n\n" * 2000)
    body = json.dumps({"pages": [page] * 60, "outputFormats": ["docx"]}).encode()
    _leave(service, body)  # what is opened once, stays open
    caller.served_again()
    wait_until(lambda: _busy_workers(service) == 0, "the first worker's end", service.log)
    before = service.descriptors()
    for _ in range(5):
        _leave(service, body)
    caller.served_again()
    wait_until(lambda: _busy_workers(service) == 0, "the workers' end", service.log)
    wait_until(lambda: service.descriptors() <= before + 6, "files to be closed", service.log)


def _leave(service: Service, body: bytes) -> None:
    timeout = httpx.Timeout(WAIT_S, read=0.5)
    with pytest.raises(httpx.TimeoutException):
        local_http.post(f"{service.url}/restructure-pages", content=body, headers=JSON, timeout=timeout)


def _busy_workers(service: Service) -> int:
    """Processes of the service that convert, and use the processor."""
    return sum(map(_is_converting, psutil.Process(service.pid).children()))


def _is_converting(process: psutil.Process) -> bool:
    try:
        is_worker = "gateway.conversion.conversion_worker" in process.cmdline()
        return is_worker and bool(process.cpu_percent(0.2) > 10)
    except psutil.NoSuchProcess:  # it ended meanwhile
        return False
