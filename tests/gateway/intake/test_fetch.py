"""Fetching by URL, from a real server on loopback. Names are answered by the test, as a hostile name server would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest
from aiohttp import web

from gateway.errors import ServiceError
from gateway.intake.fetch import FetchRules, IPAddress, fetch, fetch_rules, is_public, is_unicast
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

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        assert request.transport is not None
        self.reached.append(request.transport.get_extra_info("sockname")[0])
        answer = self.handler(request)
        if isinstance(answer, web.StreamResponse):
            return answer
        response = web.StreamResponse()
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
    content = await fetch(f"http://example.test:{origin.port}/a.png?q=1#part", RULES, Names([ALLOWED]))
    assert content.read() == b"the file"
    (request,) = origin.seen
    assert request.headers["Host"] == f"example.test:{origin.port}"
    assert request.path_qs == "/a.png?q=1"
    assert not {"Cookie", "Authorization", "Referer"} & set(request.headers)
    assert request.headers["Accept-Encoding"] == "identity"


async def test_environment_proxy_is_ignored(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.9:1")
    assert (await fetch(f"http://example.test:{origin.port}/", RULES, Names([ALLOWED]))).read() == b"the file"


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
    assert (await fetch(f"{base}/3", RULES, names)).read() == b"here"
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


async def test_url_fetch_off() -> None:
    with pytest.raises(ServiceError) as caught:
        fetch_rules(Settings(_env_file=None, url_fetch="off"))
    assert (caught.value.status, caught.value.code) == (400, "url_not_allowed")


async def test_private_networks_allowed(origin: Origin) -> None:
    rules = fetch_rules(Settings(_env_file=None, url_fetch="any"))
    assert (await fetch(f"http://localhost:{origin.port}/", rules)).read() == b"the file"
    assert (await fetch(f"http://{FORBIDDEN}:{origin.port}/", rules)).read() == b"the file"
    assert (await refused("http://169.254.169.254/", rules)).code == "url_not_allowed"


async def test_announced_size_limit(origin: Origin) -> None:
    origin.handler = lambda _: web.Response(body=b"x" * 1001)
    error = await refused(f"http://{ALLOWED}:{origin.port}/")
    assert (error.status, error.code) == (413, "url_too_large")
    origin.handler = lambda _: web.Response(body=b"x" * 1000)
    assert (await fetch(f"http://{ALLOWED}:{origin.port}/", RULES)).size == 1000


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


async def test_compressed_bytes_stay_compressed(origin: Origin) -> None:
    origin.handler = lambda _: web.Response(body=b"\x1f\x8b not a bomb", headers={"Content-Encoding": "gzip"})
    assert (await fetch(f"http://{ALLOWED}:{origin.port}/", RULES)).read() == b"\x1f\x8b not a bomb"


@pytest.mark.parametrize("status", [204, 206, 304, 403, 404, 500])
async def test_error_response(origin: Origin, status: int) -> None:
    origin.handler = lambda _: web.Response(status=status)
    error = await refused(f"http://{ALLOWED}:{origin.port}/secret?token=abc")
    assert (error.status, error.code) == (400, "url_unreachable")
    assert str(status) in error.detail
    assert "secret" not in error.detail


async def test_connection_refused(origin: Origin) -> None:
    assert (await refused(f"http://{ALLOWED}:9/")).code == "url_unreachable"


PRIVATE = [
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "127.255.0.9",
    "100.64.0.1",
    "::1",
    "fc00::1",
    "fd12::1",
]
METADATA = [
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
]
NO_MACHINE = ["0.0.0.0", "224.0.0.1", "239.1.2.3", "::", "ff02::1"]
RESERVED = [
    "0.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "2001:db8::1",
    "fec0::1",
]
CARRYING = [
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "::7f00:1",
]


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", [*PRIVATE, *METADATA, *NO_MACHINE, *RESERVED, *CARRYING])
def test_non_public_addresses(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", [*PRIVATE, "8.8.8.8", "::ffff:127.0.0.1"])
def test_private_addresses_are_unicast(address: str) -> None:
    assert is_unicast(ip_address(address))


@pytest.mark.parametrize(
    "address", [*METADATA, *NO_MACHINE, "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]
)
def test_metadata_addresses(address: str) -> None:
    assert not is_unicast(ip_address(address))
