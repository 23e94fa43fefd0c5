"""Gateways that share jobs: who has the jobs of a store, and which gateways live.

On SQLite a store has one gateway. On Postgres the heartbeat of each is a count in a row of its own, which grows for as
long as the gateway lives. No clock is compared with another's: a gateway is dead when its count has stood still for
`DEAD_S` of the looker's own monotonic clock, in which the looker reached the database all the time.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gateway.database import SCHEMA, create_tables
from gateway.errors import ServiceError

DEAD_S = 12.0
"""With the look and the queue's own it is some 15 s until a dead gateway's jobs go on elsewhere. One that was only
slow loses no more than the pages in its work."""
_GAP_S = DEAD_S / 2
"""A looker that was itself away for longer starts to count anew: the others may have been cut off as it was."""
_GATEWAYS = sa.Table(
    "gateways",
    sa.MetaData(schema=SCHEMA),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("beats", sa.BigInteger, nullable=False),
)


@contextmanager
def lock_store(data_dir: Path) -> Iterator[None]:
    """Keeps a second gateway out, which on SQLite would read the same jobs. Ends with the process, however that ends.

    Raises ServiceError 503 `jobs_unavailable` where there is one.
    """
    with (data_dir / "jobs.lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            detail = "Another gateway has the jobs of this DATA_DIR; several need Postgres (DATABASE_URL)."
            raise ServiceError(503, "jobs_unavailable", detail) from error
        yield


class Replicas:
    """Gateways of one database, by their ids. All functions block, and raise what the database raises."""

    def __init__(self, url: str, own_id: str) -> None:
        # One to count by, while a look may wait for the other.
        self._engine = sa.create_engine(url, pool_size=2, max_overflow=0, pool_pre_ping=True)
        self._own_id = own_id
        self._seen: Mapping[str, tuple[int, float]] = {}
        """Each gateway's count, and since when it stands there."""
        self._looked = 0.0

    def join(self) -> None:
        create_tables(self._engine, _GATEWAYS.metadata)
        self.beat()

    def beat(self) -> None:
        """Counts on."""
        own = insert(_GATEWAYS).values(id=self._own_id, beats=1)
        counted = own.on_conflict_do_update(index_elements=["id"], set_={"beats": _GATEWAYS.c.beats + 1})
        with self._engine.begin() as connection:
            connection.execute(counted)

    def find_living(self) -> set[str]:
        """Who lives, this gateway included. Rows of the dead are removed."""
        with self._engine.begin() as connection:
            rows = connection.execute(sa.select(_GATEWAYS.c.id, _GATEWAYS.c.beats)).all()
            counts: dict[str, int] = {row.id: row.beats for row in rows}
            dead = self._find_dead(counts)
            for one in dead:
                stands_still = sa.and_(_GATEWAYS.c.id == one, _GATEWAYS.c.beats == counts[one])
                connection.execute(sa.delete(_GATEWAYS).where(stands_still))
        return counts.keys() - dead | {self._own_id}

    def close(self) -> None:
        """The others take this gateway's jobs over at once. Never raises."""
        with suppress(sa.exc.SQLAlchemyError), self._engine.begin() as connection:
            connection.execute(sa.delete(_GATEWAYS).where(_GATEWAYS.c.id == self._own_id))
        self._engine.dispose()

    def _find_dead(self, counts: Mapping[str, int]) -> set[str]:
        now = time.monotonic()
        known = self._seen if now - self._looked < _GAP_S else {}
        fresh = {one: (count, now) for one, count in counts.items()}
        self._seen = {
            one: known[one] if one in known and known[one][0] == count else fresh[one] for one, count in counts.items()
        }
        self._looked = now
        return {one for one, (_, since) in self._seen.items() if now - since > DEAD_S} - {self._own_id}
