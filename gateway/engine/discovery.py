"""Where the engines are: as URLs, and behind names, one at each address that a name resolves to, as of a headless
Kubernetes service."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog

DNS_PREFIX = "dns+"
_DEFAULT_PORT = 80

log = structlog.get_logger(__name__)


class EngineList:
    """`names`: those of the URLs that are to be resolved. `reason`: why there may be no engine, one sentence."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.names = [url for url in urls if url.startswith(DNS_PREFIX)]
        self.reason = "No engine has been found yet."
        self._resolved: dict[str, Sequence[str]] = {url: [url] for url in urls if url not in self.names}

    @property
    def urls(self) -> list[str]:
        """Base URLs as far as they are known."""
        return [url for found in self._resolved.values() for url in found]

    async def resolve(self) -> None:
        """Looks the names up again. What one stood for stays where it resolves to nothing: an outage of the resolver is
        none of the engines."""
        for name in self.names:
            try:
                self._resolved[name] = await resolve_urls(name)
            except (OSError, UnicodeError) as error:
                self._tell(f"{name.removeprefix(DNS_PREFIX)} resolves to no address ({error}).")

    def _tell(self, reason: str) -> None:
        if reason != self.reason:
            log.warning("engines_not_resolved", reason=reason)
        self.reason = reason


async def resolve_urls(url: str) -> Sequence[str]:
    """The base URLs that a `dns+http://NAME:PORT/PATH` stands for now, in order of their addresses. Raises OSError for
    a name that resolves to nothing, and where no resolver answers."""
    parts = urlsplit(url.removeprefix(DNS_PREFIX))
    found = await asyncio.get_running_loop().getaddrinfo(
        parts.hostname, parts.port or _DEFAULT_PORT, type=socket.SOCK_STREAM
    )
    addresses = {ipaddress.ip_address(place[0]) for *_, place in found}
    port = parts.port or _DEFAULT_PORT
    return [
        parts._replace(netloc=f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}").geturl()
        for address in sorted(addresses, key=lambda address: (address.version, int(address)))
    ]
