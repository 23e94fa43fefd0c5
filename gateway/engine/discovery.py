"""Which engines there are: those of the settings' URLs, and behind names one at each address that a name resolves to,
as of a headless Kubernetes service. One that is not listed any more finishes what it has."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import structlog

from gateway.engine.endpoint import Endpoint
from gateway.runtime import repeat

DNS_PREFIX = "dns+"
_DEFAULT_PORT = 80

log = structlog.get_logger(__name__)


class EndpointList:
    """`listed` are those that are listed now; others may be finishing what they have (`draining`).

    `create` makes the endpoint of a number and a URL, `on_change` hears of a list that has changed. `names`: those of
    the URLs that are to be resolved, every `refresh_s`. `reason`: why there may be no engine, one sentence.
    """

    def __init__(
        self,
        urls: Sequence[str],
        refresh_s: float,
        create: Callable[[int, str], Endpoint],
        on_change: Callable[[], None],
    ) -> None:
        self.listed: list[Endpoint] = []
        self.draining: list[Endpoint] = []
        self.names = [url for url in urls if url.startswith(DNS_PREFIX)]
        self.reason = "No engine has been found yet."
        self._resolved: dict[str, Sequence[str]] = {url: [url] for url in urls if url not in self.names}
        self._refresh_s = refresh_s
        self._create = create
        self._on_change = on_change
        self._following: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        for url in self._list_urls():
            self._add(url)

    async def start(self) -> None:
        """Begins to watch the engines; returns at once."""
        for endpoint in self.listed:
            await endpoint.monitor.start()
        if self.names:
            self._following = asyncio.create_task(repeat(self._follow_names, self._refresh_s), name="engine-names")

    async def close(self) -> None:
        """Ends the watch and the connections to the engines, which calls use too."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None
        closing = (endpoint.monitor.close() for endpoint in (*self.listed, *self.draining))
        await asyncio.gather(*closing, *self._closing)

    def remove_drained(self) -> None:
        """Forgets those that are not listed any more and have nothing left."""
        for endpoint in [endpoint for endpoint in self.draining if not endpoint.running]:
            self.draining.remove(endpoint)
            closing = asyncio.create_task(endpoint.monitor.close(), name="engine-closes")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _list_urls(self) -> list[str]:
        return [url for found in self._resolved.values() for url in found]

    def _add(self, url: str) -> Endpoint:
        taken = {endpoint.number for endpoint in (*self.listed, *self.draining)}
        number = next(number for number in range(len(taken) + 1) if number not in taken)
        endpoint = self._create(number, url)
        self.listed.append(endpoint)
        return endpoint

    async def _follow_names(self) -> None:
        await self._resolve()
        await self._list(self._list_urls())

    async def _resolve(self) -> None:
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

    async def _list(self, urls: Sequence[str]) -> None:
        """Has the engines at these URLs take calls, and no others."""
        for endpoint in [endpoint for endpoint in self.listed if endpoint.url not in urls]:
            log.info("engine_drains", engine=endpoint.number, url=endpoint.name, calls=endpoint.running)
            endpoint.is_draining = True
            self.listed.remove(endpoint)
            self.draining.append(endpoint)
        for url in urls:
            if any(endpoint.url == url for endpoint in self.listed):
                continue
            back = next((endpoint for endpoint in self.draining if endpoint.url == url), None)
            if back:
                back.is_draining = False
                self.draining.remove(back)
                self.listed.append(back)
            else:
                endpoint = self._add(url)
                log.info("engine_listed", engine=endpoint.number, url=endpoint.name)
                await endpoint.monitor.start()
        self.remove_drained()
        self._on_change()


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
