"""The tables of one Postgres in which gateways count together what their keys have used."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from gateway.database import SCHEMA, complete_url, create_tables

if TYPE_CHECKING:
    import psycopg

BEAT_S = 1.0
"""How often a gateway tells that it lives, and one in which nothing counts learns what the others have counted."""
TIMEOUT_S = 10.0
"""What a round may take. `statement_timeout` would not do: a server that was stopped heeds none."""
CLOSE_S = 2.0
"""How long the end of the service waits for a round."""
GONE_S = 12
"""A gateway that has not told of its documents for so long, by the database's clock, has none."""
_LIVES_S = int(4 * TIMEOUT_S)
"""One that has not told that it lives for so long is not counted. A round is two calls and a rest that is as long."""
_KEEP_S = 3600
_NOBODY = ""
"""In the place of an owner: by it a gateway tells that it lives."""
_METADATA = sa.MetaData(schema=SCHEMA)
_WINDOWS = sa.Table(
    "key_windows",
    _METADATA,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("ends", sa.BigInteger, primary_key=True),
    sa.Column("used", sa.BigInteger, nullable=False),
)
_DOCUMENTS = sa.Table(
    "key_documents",
    _METADATA,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("gateway", sa.Text, primary_key=True),
    sa.Column("documents", sa.BigInteger, nullable=False),
    sa.Column("told", sa.TIMESTAMP(timezone=True), nullable=False),
)
# Whole columns as parameters: a statement with one for each value takes longer to write than to run.
_ADD = sa.text(f"""
    insert into {_WINDOWS} (owner, name, ends, used)
    select * from unnest(
        cast(:owner as text[]), cast(:name as text[]), cast(:ends as bigint[]), cast(:used as bigint[])
    )
    on conflict (owner, name, ends) do update set used = key_windows.used + excluded.used
    returning owner, name, ends, used
""")
_TELL = sa.text(f"""
    insert into {_DOCUMENTS} (owner, gateway, documents, told)
    select *, now() from unnest(cast(:owner as text[]), cast(:gateway as text[]), cast(:documents as bigint[]))
    on conflict (owner, gateway) do update set documents = excluded.documents, told = excluded.told
""")


class WindowId(NamedTuple):
    """`ends`: seconds since 1970."""

    owner: str
    name: str
    ends: int


class Counts(NamedTuple):
    """What windows hold, and how many documents each owner has at other gateways. `gateways`: those that live, where
    they were counted."""

    windows: Mapping[WindowId, int]
    documents: Mapping[str, int]
    gateways: int = 1


class CountsTable:
    """All functions block, and raise what the database raises."""

    def __init__(self, database_url: str, gateway: str) -> None:
        # Each statement for itself: rows that all gateways count in are locked for no longer than it runs.
        self._engine = sa.create_engine(
            complete_url(database_url), pool_size=1, max_overflow=0, isolation_level="AUTOCOMMIT"
        )
        sa.event.listen(self._engine, "connect", self._remember)
        self._driver: psycopg.Connection[Any] | None = None
        """The one connection, as it was made last."""
        self._gateway = gateway
        self._told = -BEAT_S
        self._turn = threading.Lock()

    def join(self) -> int:
        """Tells that this gateway lives; how many do. Makes the tables where they are not there yet."""
        with self._turn:
            try:
                return self._tell_and_count()
            except sa.exc.ProgrammingError:
                create_tables(self._engine.execution_options(isolation_level="READ COMMITTED"), _METADATA)
                return self._tell_and_count()

    def exchange(self, counted: Mapping[WindowId, int], documents: Mapping[str, int]) -> Counts:
        """Adds what was counted and sets this gateway's documents; what there is of the same keys then."""
        with self._turn, self._engine.connect() as connection:
            others: Mapping[str, int] = {}
            if documents or time.monotonic() >= self._told + BEAT_S:
                self._tell_documents(connection, documents)
            if documents:
                others = self._find_documents(connection, _DOCUMENTS.c.owner == sa.any_(_texts(documents)))
            # Last, because what fails is done again and these would be added twice. In one order everywhere: two
            # gateways that wait for each other's rows would wait for ever.
            rows = [(*one, count) for one, count in sorted(counted.items())]
            windows = _windows(connection.execute(_ADD, _columns(_WINDOWS, rows))) if rows else {}
            return Counts(windows, others)

    def read_all(self, now: float, documents: Mapping[str, int]) -> Counts:
        """All windows that have not ended, and all documents; removes what is old. `documents`: all that this gateway
        has in work, by owner."""
        with self._turn, self._engine.connect() as connection:
            kept = [*documents, _NOBODY]
            is_ended = sa.and_(_DOCUMENTS.c.gateway == self._gateway, _DOCUMENTS.c.owner != sa.all_(_texts(kept)))
            is_old = _DOCUMENTS.c.told < _seconds_ago(_KEEP_S)
            connection.execute(sa.delete(_DOCUMENTS).where(sa.or_(is_ended, is_old)))
            self._tell_documents(connection, documents)
            connection.execute(sa.delete(_WINDOWS).where(_WINDOWS.c.ends < _earlier_of(now) - _KEEP_S))
            rows = connection.execute(sa.select(_WINDOWS).where(_WINDOWS.c.ends > now))
            return Counts(_windows(rows), self._find_documents(connection, sa.true()), self._count_gateways(connection))

    def cut(self) -> None:
        """Has whatever waits for the database fail at once; from any thread. Never raises."""
        import psycopg

        # The socket, which both ends notice: closing the connection itself under another thread is not safe.
        if self._driver is not None:
            with suppress(OSError, psycopg.Error), closing(socket.socket(fileno=os.dup(self._driver.fileno()))) as one:
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Waits for what another thread has begun, for `CLOSE_S`."""
        if not self._turn.acquire(timeout=CLOSE_S):
            self.cut()
            self._turn.acquire(timeout=TIMEOUT_S)
        self._engine.dispose()

    def _remember(self, driver: psycopg.Connection[Any], _record: object) -> None:
        self._driver = driver

    def _tell_and_count(self) -> int:
        with self._engine.connect() as connection:
            self._tell_documents(connection, {})
            return self._count_gateways(connection)

    def _tell_documents(self, connection: sa.Connection, documents: Mapping[str, int]) -> None:
        """And that this gateway lives."""
        told = [(owner, self._gateway, count) for owner, count in {**documents, _NOBODY: 0}.items()]
        connection.execute(_TELL, _columns(_DOCUMENTS, told))
        self._told = time.monotonic()

    def _count_gateways(self, connection: sa.Connection) -> int:
        is_living = sa.and_(_DOCUMENTS.c.owner == _NOBODY, _DOCUMENTS.c.told > _seconds_ago(_LIVES_S))
        return connection.execute(sa.select(sa.func.count()).select_from(_DOCUMENTS).where(is_living)).scalar_one()

    def _find_documents(self, connection: sa.Connection, which: sa.ColumnElement[bool]) -> dict[str, int]:
        others = sa.and_(which, _DOCUMENTS.c.gateway != self._gateway, _DOCUMENTS.c.told > _seconds_ago(GONE_S))
        counted = sa.select(_DOCUMENTS.c.owner, sa.func.sum(_DOCUMENTS.c.documents).label("documents"))
        rows = connection.execute(counted.where(others).group_by(_DOCUMENTS.c.owner))
        return {row.owner: int(row.documents) for row in rows}


def _windows(rows: Iterable[sa.Row[Any]]) -> dict[WindowId, int]:
    return {WindowId(row.owner, row.name, row.ends): row.used for row in rows}


def _seconds_ago(seconds: int) -> sa.ColumnElement[datetime]:
    """By the database's clock."""
    return sa.func.now() - sa.text(f"interval '{seconds} seconds'")


def _earlier_of(now: float) -> sa.ColumnElement[float]:
    """Of a gateway's clock and the database's: one that has jumped ahead removes nothing in which others count."""
    return sa.func.least(now, sa.extract("epoch", sa.func.now()))


def _texts(values: Iterable[str]) -> sa.BindParameter[Sequence[str]]:
    return sa.bindparam(None, list(values), sa.ARRAY(sa.Text))


def _columns(table: sa.Table, rows: Sequence[tuple[object, ...]]) -> dict[str, list[object]]:
    """What the rows hold, by the names of the first columns."""
    return {column.name: list(values) for column, values in zip(table.c, zip(*rows, strict=True), strict=False)}
