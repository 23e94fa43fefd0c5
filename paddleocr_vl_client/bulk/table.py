"""The table of a run: a folder of Parquet files, read as one dataset, with a row for each file that is done."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from paddleocr_vl_client.bulk.results import TABLE, Row
from paddleocr_vl_client.bulk.stores import Store

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("status", pa.string()),
        ("pages", pa.int64()),
        ("characters", pa.int64()),
        ("warnings", pa.list_(pa.string())),
        ("code", pa.string()),
        ("error", pa.string()),
        ("seconds", pa.float64()),
        ("result", pa.string()),
    ]
)
_ROWS, _SECONDS = 1000, 60.0
"""A part is written when it has so many rows, or its first one is so old. Rows that a killed run has not written are
made again from the files beside them."""


def encode_rows(rows: Iterable[Row]) -> pa.Table:
    return pa.Table.from_pylist([msgspec.structs.asdict(row) for row in rows], SCHEMA)


def decode_rows(table: pa.Table) -> Iterator[Row]:
    return (msgspec.convert(row, Row) for row in table.to_pylist())


def read_keys(store: Store) -> set[str]:
    """Of all files that have a row."""
    keys: set[str] = set()
    for name in store.names(TABLE):
        keys.update(_read_part(store, name, ["key"])["key"].to_pylist())
    return keys


def drop_failed(store: Store) -> None:
    """Takes the rows of files that were set aside out of the table, so that they may get others."""
    for name in store.names(TABLE):
        part = _read_part(store, name)
        kept = part.filter(pc.not_equal(part["status"], "failed"))
        if len(kept) < len(part):
            _write_part(store, name, kept)


class TableWriter:
    """Takes rows, and writes them in parts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: list[Row] = []
        self._begun = time.monotonic()

    def add(self, row: Row) -> None:
        if not self._rows:
            self._begun = time.monotonic()
        self._rows.append(row)
        if len(self._rows) >= _ROWS or time.monotonic() - self._begun >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            _write_part(self._store, f"part-{time.time_ns()}-{uuid.uuid4().hex[:8]}.parquet", encode_rows(self._rows))
            self._rows.clear()


@contextmanager
def open_table(store: Store) -> Iterator[TableWriter]:
    """What was added is written at the end, however that comes about."""
    writer = TableWriter(store)
    try:
        yield writer
    finally:
        writer.flush()


def _read_part(store: Store, name: str, columns: list[str] | None = None) -> pa.Table:
    return parquet.read_table(io.BytesIO(store.read(f"{TABLE}/{name}") or b""), columns=columns)


def _write_part(store: Store, name: str, rows: pa.Table) -> None:
    data = io.BytesIO()
    parquet.write_table(rows, data)
    store.write(f"{TABLE}/{name}", data.getvalue())
