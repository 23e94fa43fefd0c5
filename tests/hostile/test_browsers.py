"""What pages of other sites can do by somebody's browser, and what a service says to strangers."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from tests.hostile.conftest import StartService
from tests.hostile.raw import send
from tests.support import local_http
from tests.support.answers import assert_problem
from tests.support.service_process import Service
from tests.support.stub_engine import Reply
from tests.support.waiting import WAIT_S

EVIL = "https://evil.example"
APP = "https://app.example"
KEY = "a-key"


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    """Without keys, as it is by default."""
    return start_service()


@pytest.fixture(scope="module")
def opened(start_service: StartService) -> Service:
    return start_service(
        cors_origins=f"{APP}, http://other.example:8000/",
        allowed_hosts="ocr.example.com, *.lab.example.com",
        forwarded_allow_ips="192.0.2.1",
    )


@pytest.fixture(scope="module")
def locked(start_service: StartService) -> Service:
    return start_service(api_keys=KEY, root_path="/paddle")


def get(service: Service, path: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return local_http.get(f"{service.url}{path}", headers=named)


def post(service: Service, page: bytes = b"", **headers: str) -> httpx.Response:
    """As a page can send it without being asked: any bytes, of no type or a form's."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return local_http.post(f"{service.url}/ocr?task=text", content=page, headers=named)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8081", "10.1.2.3", "[::1]:80", "[fe80::1]", "localhost:9", "LOCALHOST", "a.localhost", "gateway"),
        *("paddleocr-vl", "printer.local:8081", "ocr.team.svc", "ocr.team.svc.cluster.local", "vm.internal", "a."),
    ],
)  # fmt: skip
def test_names_nobody_else_can_own(service: Service, host: str) -> None:
    assert get(service, "/v1/models", Host=host).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil"])
@pytest.mark.parametrize("path", ["/v1/models", "/", "/health", "/docs", "/openapi.json", "/nowhere"])
def test_foreign_names(service: Service, path: str, host: str) -> None:
    answer = get(service, path, Host=host)
    assert answer.status_code == 421
    assert all(name in answer.text for name in ("ALLOWED_HOSTS", "API_KEYS", "host_not_allowed"))
    assert get(service, "/livez", Host=host).status_code == 200


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "[::1", "a:b", "a:80:80"])
def test_names_that_are_none(service: Service, host: str) -> None:
    assert_problem(get(service, "/health", Host=host), 400, "invalid_host")


def test_two_names(service: Service) -> None:
    answer = send(service, b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert answer.status == 400


def test_named_hosts(opened: Service, locked: Service) -> None:
    for host in ("ocr.example.com", "OCR.example.com:8081", "one.lab.example.com", "127.0.0.1"):
        assert get(opened, "/v1/models", Host=host).status_code == 200
    for host in ("evil.example", "lab.example.com", "evilocr.example.com"):
        assert get(opened, "/v1/models", Host=host).status_code == 421
    assert get(locked, "/v1/models", Host="evil.example", X_API_Key=KEY).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": EVIL, "Content-Type": "text/plain"},
        {"Origin": EVIL, "Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_pages_of_others(service: Service, headers: Mapping[str, str]) -> None:
    asked = len(service.engine.requests)
    assert_problem(post(service, b"anything", **headers), 403, "origin_not_allowed")
    assert len(service.engine.requests) == asked


def test_own_pages_and_programs(service: Service, page: bytes) -> None:
    assert post(service, page, Origin=service.url).status_code == 200
    assert post(service, page, Origin=service.url, Sec_Fetch_Site="same-origin").status_code == 200
    assert post(service, page, Origin="https://behind.a.proxy", Sec_Fetch_Site="same-origin").status_code == 200
    assert post(service, page).status_code == 200
    assert post(service, page, Host="localhost", Origin="http://localhost").status_code == 200


@pytest.mark.parametrize("path", ["/layout-parsing", "/restructure-pages", "/v1/chat/completions"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"])
def test_json_of_another_type(service: Service, path: str, kind: str) -> None:
    answer = local_http.post(f"{service.url}{path}", content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code in (400, 415, 422), "as the dialect of the path says it"
    assert "send application/json" in answer.text


def preflight(service: Service, origin: str, method: str = "POST") -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type, x-api-key",
    }
    return local_http.options(f"{service.url}/ocr", headers=headers)


@pytest.mark.parametrize("origin", [APP, "http://other.example:8000"])
def test_allowed_pages(opened: Service, page: bytes, origin: str) -> None:
    asked = preflight(opened, origin)
    assert asked.status_code == 200
    assert "x-api-key" in asked.headers["access-control-allow-headers"].lower()
    answer = post(opened, page, Origin=origin, Sec_Fetch_Site="cross-site")
    assert answer.status_code == 200
    assert {answer.headers["access-control-allow-origin"], asked.headers["access-control-allow-origin"]} == {origin}
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    refused = post(opened, b"", Origin=origin)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (400, origin)


def test_allowed_pages_may_do_what_programs_may(opened: Service) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        asked = preflight(opened, APP, method)
        assert (asked.status_code, method in asked.headers["access-control-allow-methods"]) == (200, True)
    assert preflight(opened, APP, "PATCH").status_code == 400
    headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
    deleted = local_http.delete(f"{opened.url}/jobs/{'0' * 32}", headers=headers)
    assert (deleted.status_code, deleted.headers["access-control-allow-origin"]) == (404, APP)
    put = local_http.put(f"{opened.url}/process", content=b"a,b", headers={**headers, "X-Filename": "a.csv"})
    assert (put.status_code, put.headers["access-control-allow-origin"]) == (200, APP)


def test_pages_that_are_not_allowed(service: Service, opened: Service) -> None:
    for one in (service, opened):
        assert "access-control-allow-origin" not in preflight(one, EVIL).headers
        assert "access-control-allow-origin" not in get(one, "/livez", Origin=EVIL).headers
        assert_problem(post(one, Origin=EVIL), 403, "origin_not_allowed")


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/nowhere", "/ocr?format=html"])
def test_pages_cannot_be_framed(service: Service, page: bytes, path: str) -> None:
    if path.startswith("/ocr"):
        answer = local_http.post(f"{service.url}{path}&task=text", files={"file": page})
    else:
        answer = get(service, path, Accept="text/html")
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.headers["content-type"].startswith("text/html"):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
    else:
        assert path == "/nowhere"


@pytest.mark.parametrize("host", ["evil.example", "localhost:1", "127.0.0.1"])
def test_redirects_name_no_host(service: Service, locked: Service, host: str) -> None:
    for one, path, place in ((service, "/docs/", "/docs"), (locked, "/paddle/docs/", "/paddle/docs")):
        answer = get(one, path, Host=host)
        if answer.status_code != 421:
            assert (answer.status_code, answer.headers["location"]) == (307, place)


def test_prefix(service: Service, locked: Service, page: bytes) -> None:
    assert "'/paddle/openapi.json'" in get(service, "/docs", X_Forwarded_Prefix="/paddle").text
    for bad in ("//evil.example", "/a'b", "https://evil.example", "/<script>", "/a//b"):
        text = get(service, "/docs", X_Forwarded_Prefix=bad).text
        assert "'/openapi.json'" in text
        assert bad not in text
    assert "'/openapi.json'" in get(service, "/docs").text
    for path in ("/docs", "/paddle/docs"):
        assert "'/paddle/openapi.json'" in get(locked, path).text
    for path in ("/ocr", "/paddle/ocr"):
        answer = local_http.post(
            f"{locked.url}{path}?task=text", files={"file": page}, headers={"X-API-Key": KEY}, timeout=WAIT_S
        )
        assert answer.status_code == 200
    assert get(locked, "/paddle/v1/models").json()["error"]["code"] == "unauthorized"
    assert get(locked, "/paddle/").json()["links"]["docs"] == "/paddle/docs"
    assert 'src="playground/main.js"' in get(locked, "/paddle/", Accept="text/html").text
    for path in ("/playground/main.js", "/paddle/playground/main.js"):
        assert get(locked, path).headers["content-type"].startswith("text/javascript")


def test_untrusted_peers_set_no_prefix(opened: Service) -> None:
    assert "'/openapi.json'" in get(opened, "/docs", X_Forwarded_Prefix="/paddle").text


def test_health_for_strangers(locked: Service) -> None:
    folder = str(locked.log.parent)
    for path in ("/health", "/readyz", "/startupz"):
        told = get(locked, path)
        assert told.status_code == 200
        assert folder not in told.text
    assert get(locked, "/health").json()["output_dir"] == {"path": None, "writable": True, "reason": None}
    assert folder in get(locked, "/health", X_API_Key=KEY).text


@pytest.mark.parametrize("wanted", ["markdown", "html", "json"])
def test_pages_that_hold_links(service: Service, page: bytes, wanted: str) -> None:
    """What stands on a page, or what an engine makes of it, runs in nobody's reader."""
    usual = service.engine.answer
    written = r"[click](javascript:alert(1)) and \(\href{javascript:alert(2)}{x}\) and [good](https://a.example)"
    service.engine.answer = lambda _request: Reply(written)
    try:
        answer = local_http.post(f"{service.url}/ocr?task=text&format={wanted}", files={"file": page})
    finally:
        service.engine.answer = usual
    assert answer.status_code == 200
    text = answer.json()["markdown"] if wanted == "json" else answer.text
    assert "click" in text
    assert "](javascript" not in text
    assert r"\href" not in answer.text
    assert "[good](https://a.example)" in text
