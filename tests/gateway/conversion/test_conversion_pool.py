"""Bodies that conversion workers take apart, and whose turn it is."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.api.paddlex.schema import DOCUMENT_PLACES
from gateway.conversion.conversion_pool import ConversionPool
from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.scheduling.fair_semaphore import Flow
from gateway.settings import Settings
from tests.support.waiting import WAIT_S

DOCUMENT = os.urandom(300_000)
"""More than the gateway parses by itself."""


@pytest.fixture
async def pool() -> AsyncIterator[ConversionPool]:
    pool = ConversionPool(Settings(_env_file=None, convert_workers=1))
    yield pool
    await pool.close()


async def _split(pool: ConversionPool, body: SpooledFile, caller: str = "a") -> tuple[dict[str, object], bytes]:
    deadline = asyncio.get_running_loop().time() + WAIT_S
    split = await pool.split(DOCUMENT_PLACES, body, Flow(caller=caller), deadline)
    assert split.document is not None
    return split.rest, split.document.read()


def _write_json(encoding: str) -> bytes:
    return json.dumps({"file": base64.b64encode(DOCUMENT).decode(), "logId": "é 文"}, ensure_ascii=False).encode(
        encoding
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
async def test_encodings_of_large_bodies(pool: ConversionPool, encoding: str) -> None:
    assert await _split(pool, SpooledFile.from_bytes(_write_json(encoding))) == (
        {"file": "", "logId": "é 文"},
        DOCUMENT,
    )


async def test_what_no_encoding_holds_is_refused(pool: ConversionPool) -> None:
    with pytest.raises(ServiceError) as refused:
        await _split(pool, SpooledFile.from_bytes(_write_json("utf-16") + b"\x00\xd8"))
    assert refused.value.code == "invalid_json"


class _UnfinishedBody(SpooledFile):
    """A body whose end its worker waits for, until `finish`. `on_read` is called in a thread once it is at a worker."""

    def __init__(self, body: bytes, on_read: Callable[[], None]) -> None:
        reader, self._writer = os.pipe()
        fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, len(body))
        super().__init__(reader, os.close)
        self.size = os.write(self._writer, body)
        self._on_read = on_read

    @contextmanager
    def open_fd(self, mode: int = os.O_RDONLY) -> Iterator[int]:
        with super().open_fd(mode) as descriptor:
            self._on_read()
            yield descriptor

    def finish(self) -> None:
        os.close(self._writer)


async def test_a_callers_bodies_keep_no_other_waiting(pool: ConversionPool) -> None:
    """However many it has sent before, and however long they take."""
    body, is_busy = _write_json("utf-8"), threading.Event()
    bodies = [_UnfinishedBody(body, is_busy.set) for _ in range(8)]
    many = [asyncio.create_task(_split(pool, one, "a")) for one in bodies]
    assert await asyncio.to_thread(is_busy.wait, WAIT_S)
    assert await _split(pool, SpooledFile.from_bytes(body), "b") == ({"file": "", "logId": "é 文"}, DOCUMENT)
    assert not any(task.done() for task in many)
    for one in bodies:
        one.finish()
    assert [document for _, document in await asyncio.gather(*many)] == [DOCUMENT] * len(many)
