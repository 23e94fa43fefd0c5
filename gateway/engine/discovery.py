"""Engines behind a name: one at each address that it resolves to, as of a headless Kubernetes service."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

DNS_PREFIX = "dns+"
_DEFAULT_PORT = 80


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
