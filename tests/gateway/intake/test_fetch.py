"""Fetching by URL, from a real server on loopback. Names are answered by the test, as a hostile name server would."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from typing import Literal

import pytest
from aiohttp import web

from gateway.errors import ServiceError
from gateway.intake.addresses import IPAddress
from gateway.intake.fetch import fetch
from gateway.intake.url_rules import FetchRules, fetch_rules
from gateway.settings import Settings

ALLOWED, FORBIDDEN = "127.0.0.1", "127.0.0.2"


class Origin:
    """A server on all of 127/8; `seen` are the requests that reached it, `reached` the addresses they came to."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[web.Request] = []
        self.reached: list[str] = []
        self.handler: Callable[[web.Request], AsyncIterator[bytes] | web.StreamResponse] = lambda _: web.Response(
            body=b"the file"
        )
        self.headers: dict[str, str] = {}  # of what comes in pieces

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        assert request.transport is not None
        self.reached.append(request.transport.get_extra_info("sockname")[0])
        answer = self.handler(request)
        if isinstance(answer, web.StreamResponse):
            return answer
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        async for chunk in answer:
            await response.write(chunk)
        return response


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with _listening() as origin:
        yield origin


@asynccontextmanager
async def _listening() -> AsyncIterator[Origin]:
    origin = Origin()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", origin.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "0.0.0.0", 0)
    await site.start()
    origin.port = runner.addresses[0][1]
    yield origin
    await runner.cleanup()


def only_allowed(address: IPAddress) -> bool:
    return address == ip_address(ALLOWED)


RULES = FetchRules(only_allowed, None, max_bytes=1000, timeout_s=10)


class Names:
    """Answers of a name server, the last one for ever; counts the questions."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def refused(url: str, rules: FetchRules = RULES, names: Names | None = None) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await (fetch(url, rules, names) if names else fetch(url, rules))
    return caught.value


async def test_fetch_sends_no_extras(origin: Origin) -> None:
    content, _ = await fetch(f"http://example.test:{origin.port}/a.png?q=1#part", RULES, Names([ALLOWED]))
    assert content.read() == b"the file"
    (request,) = origin.seen
    assert request.headers["Host"] == f"example.test:{origin.port}"
    assert request.path_qs == "/a.png?q=1"
    assert not {"Cookie", "Authorization", "Referer"} & set(request.headers)
    assert request.headers["Accept-Encoding"] == "identity"


async def test_environment_proxy_is_ignored(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.9:1")
    assert (await fetch(f"http://example.test:{origin.port}/", RULES, Names([ALLOWED]))).content.read() == b"the file"


async def test_dns_rebinding(origin: Origin) -> None:
    names = Names([ALLOWED], [FORBIDDEN])
    await fetch(f"http://rebinding.test:{origin.port}/", RULES, names)
    assert names.asked == ["rebinding.test"]
    assert origin.reached == [ALLOWED]
    assert (await refused(f"http://rebinding.test:{origin.port}/", names=names)).code == "url_not_allowed"
    assert len(origin.seen) == 1


async def test_redirects_are_resolved_again(origin: Origin) -> None:
    origin.handler = lambda _: web.Response(status=302, headers={"Location": "/again"})
    error = await refused(f"http://rebinding.test:{origin.port}/", names=Names([ALLOWED], [FORBIDDEN]))
    assert error.code == "url_not_allowed"
    assert [request.path for request in origin.seen] == ["/"]


async def test_mixed_addresses_are_refused(origin: Origin) -> None:
    error = await refused(f"http://mixed.test:{origin.port}/", names=Names([ALLOWED, FORBIDDEN]))
    assert error.code == "url_not_allowed"
    assert not origin.seen


@pytest.mark.parametrize(
    "location",
    [
        f"http://{FORBIDDEN}:{{port}}/",
        "http://[::1]:{port}/",
        "file:///etc/passwd",
        "http://me:pw@example.test:{port}/",
    ],
)
async def test_redirect_to_forbidden_address(origin: Origin, location: str) -> None:
    origin.handler = lambda _: web.Response(status=301, headers={"Location": location.format(port=origin.port)})
    error = await refused(f"http://example.test:{origin.port}/", names=Names([ALLOWED]))
    assert error.code == "url_not_allowed"
    assert len(origin.seen) == 1


async def test_redirect_limit(origin: Origin) -> None:
    def moved(request: web.Request) -> web.Response:
        left = int(request.path.strip("/"))
        return web.Response(status=307, headers={"Location": f"/{left - 1}"}) if left else web.Response(body=b"here")

    origin.handler = moved
    base, names = f"http://example.test:{origin.port}", Names([ALLOWED])
    assert (await fetch(f"{base}/3", RULES, names)).content.read() == b"here"
    assert (await refused(f"{base}/4", names=names)).code == "url_unreachable"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/",
        "http://127.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://0/",
        "http://0.0.0.0/", "http://169.254.169.254/latest/meta-data/", "http://[fe80::1%25lo]/", "http://10.0.0.1/",
        "http://１２７.0.0.1/", "http://127.0.0.1.:80/",
    ],
)  # fmt: skip
async def test_address_spellings(url: str) -> None:
    error = await refused(url, fetch_rules(Settings(_env_file=None)))
    assert error.code in ("url_not_allowed", "url_unreachable")
    if error.code == "url_unreachable":
        assert "not known" in error.detail  # never connected to


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.test/a.png", "file:///etc/passwd", "gopher://example.test/", "//example.test/a.png", "a.png", "",
        "http://user@example.test/", "http://user:pw@example.test/", "http://:pw@example.test/", "http:///a.png",
        "http://example.test:8118/v1/models", "https://example.test:22/", "http://example.test:99999/",
        "http://example.test\\@127.0.0.1/x", "data:image/png;base64,AA==", "http://exa mple.test/",
    ],
)  # fmt: skip
async def test_invalid_urls(url: str) -> None:
    names = Names([FORBIDDEN])
    error = await refused(url, fetch_rules(Settings(_env_file=None)), names)
    assert (error.status, error.code) == (400, "url_not_allowed")


async def test_long_urls_are_not_asked_for(origin: Origin) -> None:
    """Libraries would remember some hundreds of them, a megabyte each."""
    origin.handler = lambda _: web.Response(body=b"x")
    assert (await fetch(f"http://{ALLOWED}:{origin.port}/?{'a' * 8000}", RULES)).content.size == 1
    error = await refused(f"http://{ALLOWED}:{origin.port}/?{'a' * 9000}")
    assert (error.code, "8192" in error.detail) == ("url_not_allowed", True)


async def test_url_fetch_off() -> None:
    with pytest.raises(ServiceError) as caught:
        fetch_rules(Settings(_env_file=None, url_fetch="off"))
    assert (caught.value.status, caught.value.code) == (400, "url_not_allowed")


async def test_private_networks_allowed(origin: Origin) -> None:
    rules = fetch_rules(Settings(_env_file=None, url_fetch="any"))
    assert (await fetch(f"http://localhost:{origin.port}/", rules)).content.read() == b"the file"
    assert (await fetch(f"http://{FORBIDDEN}:{origin.port}/", rules)).content.read() == b"the file"
    assert (await refused("http://169.254.169.254/", rules)).code == "url_not_allowed"


@pytest.mark.parametrize("mode", ["public", "any"])
@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376",
        "169.254.43518", "169.16689662", "１６９.254.169.254", "[fe80::1%25lo]", "[fd00:ec2::254%25lo]",
        "[fd00:ec2::254%251]", "[::ffff:169.254.169.254%25lo]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]",
        "[64:ff9b:1:a9fe:a9:fe00::]", "[2002:a9fe:a9fe::1]", "[2001:0:a9fe:a9fe::1]", "[::169.254.169.254]",
    ],
)  # fmt: skip
async def test_no_spelling_reaches_metadata(host: str, mode: Literal["public", "any"]) -> None:
    error = await refused(f"http://{host}/latest/meta-data/", fetch_rules(Settings(_env_file=None, url_fetch=mode)))
    # What is no address is a name that nobody knows.
    assert error.code == "url_not_allowed" or (error.code == "url_unreachable" and "not known" in error.detail)


async def test_announced_size_limit(origin: Origin) -> None:
    origin.handler = lambda _: web.Response(body=b"x" * 1001)
    error = await refused(f"http://{ALLOWED}:{origin.port}/")
    assert (error.status, error.code) == (413, "url_too_large")
    origin.handler = lambda _: web.Response(body=b"x" * 1000)
    assert (await fetch(f"http://{ALLOWED}:{origin.port}/", RULES)).content.size == 1000


async def test_endless_file(origin: Origin) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100

    origin.handler = lambda _: endless()
    assert (await refused(f"http://{ALLOWED}:{origin.port}/")).code == "url_too_large"


async def test_slow_file(origin: Origin) -> None:
    async def slow() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.05)

    origin.handler = lambda _: slow()
    error = await refused(f"http://{ALLOWED}:{origin.port}/", replace(RULES, timeout_s=0.5))
    assert (error.status, error.code) == (504, "url_timeout")


@pytest.mark.parametrize("coding", ["gzip", "X-GZIP", "deflate", "identity"])
async def test_what_the_server_packed_is_unpacked(origin: Origin, coding: str) -> None:
    data = b"of many words " * 60
    packed = {"gzip": gzip.compress(data), "deflate": zlib.compress(data), "identity": data}
    body = packed[coding.lower().removeprefix("x-")]
    origin.handler = lambda _: web.Response(body=body, headers={"Content-Encoding": coding})
    assert (await fetch(f"http://{ALLOWED}:{origin.port}/", RULES)).content.read() == data


async def test_packed_file_counts_unpacked(origin: Origin) -> None:
    bomb = gzip.compress(bytes(10 * RULES.max_bytes))
    assert len(bomb) < RULES.max_bytes
    origin.handler = lambda _: web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
    assert (await refused(f"http://{ALLOWED}:{origin.port}/")).code == "url_too_large"


async def test_packed_file_of_several_members(origin: Origin) -> None:
    body = gzip.compress(b"one, ") + gzip.compress(b"two")
    origin.handler = lambda _: web.Response(body=body, headers={"Content-Encoding": "gzip"})
    assert (await fetch(f"http://{ALLOWED}:{origin.port}/", RULES)).content.read() == b"one, two"


async def test_packed_file_that_grows_beyond_measure(origin: Origin) -> None:
    body = gzip.compress(bytes(3_000_000))
    origin.handler = lambda _: web.Response(body=body, headers={"Content-Encoding": "gzip"})
    rules = replace(RULES, max_bytes=10_000_000)
    assert (await refused(f"http://{ALLOWED}:{origin.port}/", rules)).code == "url_too_large"


async def test_packed_file_without_end(origin: Origin) -> None:
    async def zeros() -> AsyncIterator[bytes]:
        yield gzip.compress(b"short")
        while True:
            yield bytes(4096)

    origin.handler = lambda _: zeros()
    origin.headers = {"Content-Encoding": "gzip"}
    assert (await refused(f"http://{ALLOWED}:{origin.port}/")).code == "url_too_large"


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", b"\x1f\x8b not packed"), ("gzip", gzip.compress(b"cut off" * 20)[:-12]), ("br", b"whatever")],
    ids=["no gzip", "cut off", "another coding"],
)
async def test_what_cannot_be_unpacked(origin: Origin, coding: str, body: bytes) -> None:
    origin.handler = lambda _: web.Response(body=body, headers={"Content-Encoding": coding})
    assert (await refused(f"http://{ALLOWED}:{origin.port}/")).code == "url_unreachable"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (None, "счёт 7.pdf"),
        ("inline", "счёт 7.pdf"),
        ('attachment; filename="Quarterly figures.pdf"', "Quarterly figures.pdf"),
        ("attachment; filename=x.pdf; filename*=UTF-8''%C3%9Cbersicht.pdf", "Übersicht.pdf"),
        ("attachment; filename*=iso-8859-1''caf%E9.pdf", "café.pdf"),
        ('attachment; filename="=?utf-8?B?w5xiZXI=?="', "Über"),
        ("attachment; filename*=windows-1251''%F1%F7%B8%F2.pdf", "счёт.pdf"),
        ("attachment; filename*=undefined''a.pdf", "a.pdf"),
        ("attachment; filename*=idna''a%FF.pdf", "aÿ.pdf"),
        ("attachment; filename*=unicode_escape''%5Cud800.pdf", "\\ud800.pdf"),
        ('attachment; filename="=?utf-8?b?a?="', "=?utf-8?b?a?="),
        ('attachment; filename="=?undefined?q?a?="', "=?undefined?q?a?="),
    ],
)
async def test_name_of_the_file(origin: Origin, disposition: str | None, name: str) -> None:
    headers = {"Content-Disposition": disposition} if disposition else {}
    origin.handler = lambda _: web.Response(body=b"x", headers=headers)
    url = f"http://{ALLOWED}:{origin.port}/folder/%D1%81%D1%87%D1%91%D1%82%207.pdf?token=1"
    assert (await fetch(url, RULES)).name == name


@pytest.mark.parametrize("status", [204, 206, 304, 403, 404, 500])
async def test_error_response(origin: Origin, status: int) -> None:
    origin.handler = lambda _: web.Response(status=status)
    error = await refused(f"http://{ALLOWED}:{origin.port}/secret?token=abc")
    assert (error.status, error.code) == (400, "url_unreachable")
    assert str(status) in error.detail
    assert "secret" not in error.detail


async def test_connection_refused(origin: Origin) -> None:
    assert (await refused(f"http://{ALLOWED}:9/")).code == "url_unreachable"
