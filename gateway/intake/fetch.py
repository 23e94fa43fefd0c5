"""Files that clients name by URL. The gateway fetches them itself, under rules that keep it out of private networks.

The address is looked up once, checked, and connected to, so that a name that changes its answer (DNS rebinding) gains
nothing; each redirect goes through the same. Imports aiohttp: import this module where it is needed, not at start.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.settings import Settings

IPAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_METADATA = frozenset({"168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"})
"""Where clouds hand out credentials, beside the link-local 169.254.169.254: Azure, Alibaba, Oracle, AWS by IPv6."""
_UNICAST = ip_network("2000::/3")
"""All IPv6 addresses that are given out (RFC 4291, IANA); the rest is private, reserved or a NAT64 prefix."""
_NAT64 = ip_network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address."""
_CARRIERS = tuple(map(ip_network, ("2001::/23", "2002::/16", "3fff::/20")))
"""Special prefixes inside it: Teredo and other protocols, 6to4 (both carry an IPv4 address), documentation."""

_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 2**16
_HEADERS = {"User-Agent": "paddleocr-vl-service", "Accept": "*/*", "Accept-Encoding": "identity"}
"""Nothing of the client's own request; uncompressed, so that the size that is counted is the size that is kept."""
_LOOKUPS = ThreadPoolExecutor(8, thread_name_prefix="lookup")
"""Of their own: a name server that hangs must not hold the threads that encode pictures."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched. `ports` None: any."""

    is_allowed: Callable[[IPAddress], bool]
    ports: frozenset[int] | None
    max_bytes: int
    timeout_s: float


def fetch_rules(settings: Settings) -> FetchRules:
    """The rules of `URL_FETCH`; raises ServiceError 400 `url_not_allowed` where it is `off`."""
    if settings.url_fetch == "off":
        raise _not_allowed("this service fetches no URLs (URL_FETCH=off); send the bytes themselves")
    size, wait = int(settings.max_upload_mb * 1_000_000), settings.url_fetch_timeout_s
    if settings.url_fetch == "any":
        return FetchRules(is_unicast, None, size, wait)
    return FetchRules(is_public, frozenset({80, 443}), size, wait)


def is_public(address: IPAddress) -> bool:
    """Whether anyone on the internet could reach it: not private, loopback, CGNAT, multicast, mapped or reserved."""
    if str(address) in _METADATA or address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return address.version == 4 or (address in _UNICAST and not any(address in net for net in _CARRIERS))


def is_unicast(address: IPAddress) -> bool:
    """Whether it names a machine, on whatever network, that is not a cloud's metadata service."""
    plain = _unwrap_ipv4(address) or address
    refused = plain.is_link_local or plain.is_multicast or plain.is_unspecified or str(plain) in _METADATA
    return not refused


def _unwrap_ipv4(address: IPAddress) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if not isinstance(address, IPv6Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, from the system's resolver; raises OSError, UnicodeError."""
    addresses = await asyncio.get_running_loop().run_in_executor(
        _LOOKUPS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return [str(sockaddr[0]) for *_, sockaddr in addresses]


async def fetch(url: str, rules: FetchRules, resolve: Resolve = resolve_host) -> SpooledFile:
    """The bytes behind a URL, whatever they are.

    Raises ServiceError: 400 `url_not_allowed`, `url_unreachable`; 413 `url_too_large`; 503 `storage_unavailable`; 504
    `url_timeout`. What they say
    holds nothing of the URL: its query may be a secret.
    """
    try:
        async with asyncio.timeout(rules.timeout_s):
            return await _follow_redirects(_parse_url(url), rules, resolve)
    except TimeoutError:
        raise ServiceError(
            504, "url_timeout", f"The URL's server did not deliver within {rules.timeout_s:g} s (URL_FETCH_TIMEOUT_S)."
        ) from None
    except aiohttp.InvalidURL:
        raise _not_allowed("it is not a valid one") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _unreachable(f"the connection failed ({type(error).__name__})") from error


async def _follow_redirects(url: URL, rules: FetchRules, resolve: Resolve) -> SpooledFile:
    for _ in range(_MAX_REDIRECTS + 1):
        answer = await _request_once(url, rules, resolve)
        if isinstance(answer, SpooledFile):
            return answer
        url = answer
    raise _unreachable(f"it redirects more than {_MAX_REDIRECTS} times")


async def _request_once(url: URL, rules: FetchRules, resolve: Resolve) -> SpooledFile | URL:
    """The body, or where it has moved to."""
    addresses = await _resolve_checked(url, rules, resolve)
    connector = aiohttp.TCPConnector(resolver=_PinnedResolver(addresses), use_dns_cache=False, force_close=True)
    async with (
        aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
        ) as session,
        session.get(url, headers=_HEADERS, allow_redirects=False) as response,
    ):
        if response.status in _REDIRECTS:
            return _parse_url(response.headers.get("Location", ""), base=url)
        if response.status != 200:
            raise _unreachable(f"its server answered HTTP {response.status}")
        return await SpooledFile.from_stream(_read_body(response, rules.max_bytes))


async def _read_body(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    """Counted as it comes: the announced length may be missing or a lie."""
    size = 0
    if (response.content_length or 0) > limit:
        raise _too_large(limit)
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


def _parse_url(text: str, base: URL | None = None) -> URL:
    """The URL as aiohttp itself understands it, so that what is checked is what is connected to."""
    try:
        url = base.join(URL(text)) if base else URL(text)
        usable = url.scheme in ("http", "https") and bool(url.raw_host) and url.port is not None
    except (ValueError, TypeError):
        raise _not_allowed("it is not a valid one") from None
    if not usable:
        raise _not_allowed("only http and https URLs of a host are fetched")
    if url.raw_user is not None or url.raw_password is not None:
        raise _not_allowed("it holds a user name or password")
    return url


async def _resolve_checked(url: URL, rules: FetchRules, resolve: Resolve) -> list[str]:
    """Addresses of the URL's host, each of them allowed: one private among public ones is a trap."""
    host, port = url.raw_host or "", url.port or 0
    if rules.ports is not None and port not in rules.ports:
        raise _not_allowed(f"only the ports {' and '.join(map(str, sorted(rules.ports)))} are fetched from")
    try:
        addresses = [host] if _is_literal(host) else await resolve(host, port)
    except (OSError, UnicodeError):
        raise _unreachable("its host is not known") from None
    if not addresses or not all(rules.is_allowed(ip_address(address)) for address in addresses):
        raise _not_allowed("its host has an address that this service does not fetch from (URL_FETCH)")
    return list(addresses)


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class _PinnedResolver(AbstractResolver):
    """Gives the addresses that were checked, whatever the name resolves to by now."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        return None


def _not_allowed(why: str) -> ServiceError:
    return ServiceError(400, "url_not_allowed", f"The URL is not fetched: {why}.")


def _unreachable(why: str) -> ServiceError:
    return ServiceError(400, "url_unreachable", f"The URL could not be fetched: {why}.")


def _too_large(limit: int) -> ServiceError:
    return ServiceError(413, "url_too_large", f"The URL's file is larger than {limit / 1e6:g} MB (MAX_UPLOAD_MB).")
