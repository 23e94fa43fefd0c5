"""Bodies that conversion workers take apart, and whose turn it is."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator

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


async def _split(pool: ConversionPool, body: bytes, caller: str = "a") -> tuple[dict[str, object], bytes]:
    deadline = asyncio.get_running_loop().time() + WAIT_S
    split = await pool.split(DOCUMENT_PLACES, SpooledFile.from_bytes(body), Flow(caller=caller), deadline)
    assert split.document is not None
    return split.rest, split.document.read()


def _write_json(encoding: str) -> bytes:
    return json.dumps({"file": base64.b64encode(DOCUMENT).decode(), "logId": "é 文"}, ensure_ascii=False).encode(
        encoding
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
async def test_encodings_of_large_bodies(pool: ConversionPool, encoding: str) -> None:
    assert await _split(pool, _write_json(encoding)) == ({"file": "", "logId": "é 文"}, DOCUMENT)


async def test_what_no_encoding_holds_is_refused(pool: ConversionPool) -> None:
    with pytest.raises(ServiceError) as refused:
        await _split(pool, _write_json("utf-16") + b"\x00\xd8")
    assert refused.value.code == "invalid_json"


async def test_callers_take_turns(pool: ConversionPool) -> None:
    """However many bodies one caller has sent before."""
    body = _write_json("utf-8")
    await asyncio.gather(_split(pool, body, "a"), _split(pool, body, "b"))
    many = [asyncio.create_task(_split(pool, body, "a")) for _ in range(20)]
    await asyncio.sleep(0)
    await _split(pool, body, "b")
    assert not all(task.done() for task in many)
    await asyncio.gather(*many)
