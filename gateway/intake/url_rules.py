"""Which URLs of clients the gateway connects to, and connections to the addresses that were checked and to no others.

A name is looked up once, each of its addresses is checked, and these are connected to, so that a name that changes its
answer (DNS rebinding) gains nothing. Imports aiohttp: import this module where it is needed, not at start.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.errors import ServiceError
from gateway.intake.addresses import IPAddress, is_public, is_unicast
from gateway.settings import Settings

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_URL = 8192
"""Characters. Whoever parses URLs here remembers some hundreds of them."""
_USER_AGENT = "paddleocr-vl-service"
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
        raise not_allowed("this service fetches no URLs (URL_FETCH=off); send the bytes themselves")
    size, wait = int(settings.max_upload_mb * 1_000_000), settings.url_fetch_timeout_s
    if settings.url_fetch == "any":
        return FetchRules(is_unicast, None, size, wait)
    return FetchRules(is_public, frozenset({80, 443}), size, wait)


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, from the system's resolver; raises OSError, UnicodeError."""
    addresses = await asyncio.get_running_loop().run_in_executor(
        _LOOKUPS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return [str(sockaddr[0]) for *_, sockaddr in addresses]


def parse_url(text: str, base: URL | None = None) -> URL:
    """The URL as aiohttp itself understands it, so that what is checked is what is connected to."""
    if len(text) > MAX_URL:
        raise not_allowed(f"it is longer than {MAX_URL} characters")
    try:
        url = base.join(URL(text)) if base else URL(text)
        usable = url.scheme in ("http", "https") and bool(url.raw_host) and url.port is not None
    except (ValueError, TypeError):
        raise not_allowed("it is not a valid one") from None
    if not usable:
        hint = "" if url.scheme else "; it has no `http://` before it, and no `data:` if it is the document itself"
        raise not_allowed(f"only http and https URLs of a host are fetched{hint}")
    if url.raw_user is not None or url.raw_password is not None:
        raise not_allowed("it holds a user name or password")
    return url


def check_url(text: str, settings: Settings) -> None:
    """ServiceError 400 `url_not_allowed` for a URL that is never fetched, whatever its host's name leads to."""
    url, rules = parse_url(text), fetch_rules(settings)
    host = url.raw_host or ""
    _check_port(url, rules)
    if _is_literal(host):
        _check_addresses([host], rules)


async def resolve_checked(url: URL, rules: FetchRules, resolve: Resolve) -> list[str]:
    """Addresses of the URL's host, each of them allowed: one private among public ones is a trap."""
    host, port = url.raw_host or "", url.port or 0
    _check_port(url, rules)
    try:
        addresses = [host] if _is_literal(host) else await resolve(host, port)
    except (OSError, UnicodeError):
        raise unreachable("its host is not known") from None
    _check_addresses(addresses, rules)
    return list(addresses)


def _check_port(url: URL, rules: FetchRules) -> None:
    if rules.ports is not None and url.port not in rules.ports:
        raise not_allowed(f"only the ports {' and '.join(map(str, sorted(rules.ports)))} are fetched from")


def _check_addresses(addresses: Sequence[str], rules: FetchRules) -> None:
    if not addresses or not all(rules.is_allowed(ip_address(address)) for address in addresses):
        raise not_allowed("its host has an address that this service does not fetch from (URL_FETCH)")


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


def open_pinned_session(addresses: Sequence[str]) -> aiohttp.ClientSession:
    """Connects to these addresses, whatever the name of a URL; keeps nothing, and hands over what came as it came."""
    connector = aiohttp.TCPConnector(resolver=_PinnedResolver(addresses), use_dns_cache=False, force_close=True)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers={"User-Agent": _USER_AGENT},
    )


def not_allowed(why: str) -> ServiceError:
    return ServiceError(400, "url_not_allowed", f"The URL is not fetched: {why}.")


def unreachable(why: str) -> ServiceError:
    return ServiceError(400, "url_unreachable", f"The URL could not be fetched: {why}.")
