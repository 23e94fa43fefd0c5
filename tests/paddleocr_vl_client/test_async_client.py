"""The client for asyncio, against a gateway."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from paddleocr_vl_client import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    NotFoundError,
    RetryPolicy,
    UnprocessableError,
    UnsupportedDocumentError,
)
from tests.paddleocr_vl_client.conftest import KEY
from tests.support.flaky_proxy import FlakyProxy, refusal
from tests.support.server import Gateway

QUICK = RetryPolicy(first_pause_s=0.01)


@pytest.fixture
async def flaky(proxy: FlakyProxy) -> AsyncIterator[AsyncClient]:
    """By way of the proxy."""
    async with AsyncClient(proxy.url, api_key=KEY, retries=QUICK) as found:
        yield found


async def test_documents_are_read_at_once(flaky: AsyncClient, document: Path) -> None:
    found = await asyncio.gather(*(flaky.read(document, pages=str(number)) for number in (1, 2, 3)))
    assert [[page.page for page in one.pages] for one in found] == [[1], [2], [3]]
    assert (await flaky.health())["status"] == "healthy"


async def test_stream(flaky: AsyncClient, document: Path) -> None:
    async with flaky.stream(document, pages="-2") as stream:
        assert stream.start.pages == (1, 2)
        assert [page.page async for page in stream] == [1, 2]
    assert stream.end is not None
    assert stream.end.status == "ok"


async def test_a_stream_that_breaks_off(flaky: AsyncClient, proxy: FlakyProxy, document: Path) -> None:
    proxy.faults.append(1500)
    async with flaky.stream(document) as stream:
        with pytest.raises(APIConnectionError):
            [page async for page in stream]


async def test_a_lost_answer_is_fetched_without_reading_again(
    flaky: AsyncClient, proxy: FlakyProxy, served: Gateway, document: Path
) -> None:
    proxy.faults.extend([0, refusal("429 Too Many Requests", "queue_full", "Retry-After: 0"), 900])
    assert len((await flaky.read(document)).pages) == 3
    assert proxy.connections == 4
    assert len(served.engine.requests) == 6


async def test_conversion_in_memory_and_to_a_file(
    flaky: AsyncClient, proxy: FlakyProxy, document: Path, tmp_path: Path
) -> None:
    told = await flaky.convert(document, "html")
    assert (told.content or b"").startswith(b"<!doctype html>")
    proxy.faults.append(500)
    await flaky.convert(document, "pdf", tmp_path / "found.pdf")
    assert (tmp_path / "found.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(UnprocessableError):
        await flaky.convert(document, "pdf", tmp_path / "none.pdf", pages="7")
    assert not [path for path in os.listdir(tmp_path) if "none" in path]


async def test_job(flaky: AsyncClient, proxy: FlakyProxy, document: Path, tmp_path: Path) -> None:
    job = await flaky.jobs.submit(document, batch="letters", format="alto")
    assert [one.id async for one in flaky.jobs.list(batch="letters")] == [job.id]
    assert (await flaky.jobs.wait(job.id)).state == "done"
    assert len((await flaky.jobs.result(job.id)).pages) == 3
    await flaky.jobs.convert(job.id, "alto", tmp_path / "job.xml")
    assert b"<alto" in (tmp_path / "job.xml").read_bytes()
    proxy.faults.extend([0, 1900])
    async with AsyncClient(proxy.url, api_key=KEY, retries=QUICK) as client:
        assert [page.page async for page in client.jobs.pages(job.id)] == [1, 2, 3]
    await flaky.jobs.cancel(job.id)
    with pytest.raises(NotFoundError):
        await flaky.jobs.get(job.id)


async def test_a_failed_job(flaky: AsyncClient) -> None:
    job = await flaky.jobs.submit(b"no document")
    with pytest.raises(UnsupportedDocumentError):
        [page async for page in flaky.jobs.pages(job.id)]
    with pytest.raises(APITimeoutError):
        await flaky.jobs.wait(job.id, timeout_s=-1)
