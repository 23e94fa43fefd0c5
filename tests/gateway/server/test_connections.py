"""Which connection is closed for a new one, and who is told that there are too many."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from gateway.server.connections import PROBE_PLACES, ConnectionTable, peer_name
from gateway.server.limits import ConnectionLimits
from gateway.settings import Settings


@dataclass(eq=False)
class Client:
    table: ConnectionTable
    peer: str = "a"
    transfers: bool = False
    has_unread: bool = False
    gone: bool = False
    open: bool = field(init=False)

    def __post_init__(self) -> None:
        self.open = self.table.add(self)

    def give_way(self) -> None:
        self.gone = True

    @property
    def is_refused(self) -> bool:
        return self.table.refusal(self) is not None

    def work(self) -> Client:
        self.table.work(self)
        return self


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def table(now: list[float]) -> ConnectionTable:
    """Six connections, four of a peer."""
    limits = ConnectionLimits.from_settings(Settings(_env_file=None, max_peer_connections=4), 6)
    return ConnectionTable(limits, lambda: now[0])


def test_the_idlest_gives_way(table: ConnectionTable) -> None:
    first, second, *_ = waiting = [Client(table, peer) for peer in "abcdef"]
    table.wait(first)
    newest = Client(table, "g")
    assert [client.gone for client in waiting] == [client is second for client in waiting]
    assert not newest.is_refused
    assert (len(table), table.evicted) == (6, 1)


def test_a_request_that_was_not_read_yet_keeps_its_connection(table: ConnectionTable) -> None:
    """A burst of connections is taken in before the requests on those before it are read."""
    first, second, *_ = [Client(table, peer, has_unread=peer == "a") for peer in "abcdef"]
    Client(table, "g")
    assert (first.gone, second.gone) == (False, True)


def test_a_greedy_peer_gives_way_to_itself(table: ConnectionTable) -> None:
    other = Client(table, "b")
    greedy = [Client(table, "a") for _ in range(10)]
    assert not other.gone
    assert [client.gone for client in greedy] == [True] * 6 + [False] * 4


def test_work_never_gives_way(table: ConnectionTable) -> None:
    working = [Client(table, peer).work() for peer in "aaaabb"]
    greedy = Client(table, "a").work()
    other = Client(table, "c").work()
    assert not any(client.gone for client in working)
    refusals = [table.refusal(client) for client in (greedy, other)]
    assert [refusal.status if refusal else 0 for refusal in refusals] == [429, 503]
    table.remove(working[0])
    table.remove(working[4])
    assert not greedy.is_refused
    assert not other.is_refused


def test_transfers_give_way_when_they_stall(table: ConnectionTable, now: list[float]) -> None:
    uploads = [Client(table, peer, transfers=True) for peer in "abcdef"]
    assert Client(table, "g").is_refused
    now[0] += 10
    table.wait(uploads[0])
    Client(table, "h")
    assert [client.gone for client in uploads] == [False, True, False, False, False, False]


def test_places_for_probes_end(table: ConnectionTable) -> None:
    clients = [Client(table, str(number)).work() for number in range(6 + PROBE_PLACES + 1)]
    assert [client.open for client in clients] == [True] * (6 + PROBE_PLACES) + [False]
    for client in clients * 2:
        table.remove(client)
    assert len(table) == 0
    assert not Client(table).is_refused


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("a socket", "another", False),
    ],
)
def test_peers(one: str, other: str, same: bool) -> None:
    assert (peer_name(one) == peer_name(other)) is same
