"""The Postgres that gateways share, for their jobs and for the counts of their keys: how it is reached."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

SCHEMA = "paddleocr_vl"
_SETUP_LOCK = 0x70766A6F
"""Advisory lock: gateways that start together make the table one after the other."""
_PARAMETERS: Mapping[str, str] = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""Where the URL does not set them: a database that vanished without a word is noticed within some 10 s.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""


def complete_url(database_url: str) -> str:
    """With the driver that is installed, and what notices a broken connection. Raises ValueError."""
    try:
        url = sa.make_url(database_url)
    except sa.exc.ArgumentError as error:
        raise ValueError("DATABASE_URL is no SQLAlchemy URL") from error
    if url.get_backend_name() == "postgresql":
        missing = {name: value for name, value in _PARAMETERS.items() if name not in url.query}
        url = url.set(drivername="postgresql+psycopg").update_query_dict(missing)
    return url.render_as_string(hide_password=False)


def create_tables(engine: sa.Engine, tables: sa.MetaData) -> None:
    """Where they are not there yet; on Postgres only."""
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SETUP_LOCK)))
        connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
        tables.create_all(connection)


def is_shared(url: str) -> bool:
    return not url.startswith("sqlite")
