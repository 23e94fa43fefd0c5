"""Which connections are open, and which of them gives way when there are too many.

A connection *waits* while the other side has something to send or to take: a request's head, its body, a response.
Where there is no room for a new one, that which has waited longest without getting on is closed for it. So somebody
who opens connections and lets them lie shuts nobody out. Connections whose request is in work are never closed; a few
places beyond the bound are kept for probes, which must be answered even then.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from gateway.errors import ServiceError
from gateway.server.limits import ConnectionLimits

PROBE_PLACES = 64
MIN_STALL_S = 2.0
"""A transfer that got on more recently is not closed for anybody."""
MAX_LOOKS = 16
"""So many of those that wait are looked at for one that can be closed."""


class Connection(Protocol):
    @property
    def peer(self) -> str: ...

    @property
    def transfers(self) -> bool:
        """Whether a body or a response is on its way, and not only the next request awaited."""
        ...

    @property
    def has_unread(self) -> bool:
        """Whether something has come that was not looked at yet: many connections are taken in at one turn of the
        loop, and requests are read at the next."""
        ...

    def give_way(self) -> None:
        """Closes the connection at once."""
        ...


class ConnectionTable:
    """The open connections of one server. `clock` gives seconds."""

    def __init__(self, limits: ConnectionLimits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._open: set[Connection] = set()
        self._by_peer: Counter[str] = Counter()
        self._waiting: dict[Connection, float] = {}
        """Since when, longest first."""
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> bool:
        """Takes it in as one that waits; False if not even a place for probes is left."""
        if self._excess(connection.peer, 1):
            self._make_room(connection.peer)
        if len(self._open) >= self._limits.max_connections + PROBE_PLACES:
            return False
        self._open.add(connection)
        self._by_peer[connection.peer] += 1
        self.wait(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """Forgets it; does nothing if it is forgotten already."""
        self._waiting.pop(connection, None)
        if connection in self._open:
            self._open.remove(connection)
            self._by_peer[connection.peer] -= 1
            if not self._by_peer[connection.peer]:
                del self._by_peer[connection.peer]

    def wait(self, connection: Connection) -> None:
        """It waits from now on, or has just got on."""
        if connection in self._open:
            self._waiting.pop(connection, None)
            self._waiting[connection] = self._clock()

    def work(self, connection: Connection) -> None:
        """Its request is whole: whatever it waits for is ours to give."""
        self._waiting.pop(connection, None)

    def refusal(self, connection: Connection) -> ServiceError | None:
        """Why a request on it can't be served, unless it is a probe."""
        return self._excess(connection.peer, 0)

    def _excess(self, peer: str, more: int) -> ServiceError | None:
        if self._by_peer[peer] + more > self._limits.max_peer_connections:
            return self._limits.too_many_peer_connections()
        if len(self._open) + more > self._limits.max_connections:
            return self._limits.too_many_connections()
        return None

    def _make_room(self, peer: str) -> None:
        """Closes what has waited longest; of the peer's own if it is the peer that has too many."""
        is_greedy = self._by_peer[peer] >= self._limits.max_peer_connections
        candidates = (found for found in self._waiting if found.peer == peer) if is_greedy else iter(self._waiting)
        oldest = next((found for found in islice(candidates, MAX_LOOKS) if not found.has_unread), None)
        if oldest and not (oldest.transfers and self._clock() - self._waiting[oldest] < MIN_STALL_S):
            self.evicted += 1
            self.remove(oldest)
            oldest.give_way()


def peer_name(address: str) -> str:
    """Whom an address belongs to: an IPv6 network of 64 bits is one household's."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
