"""The scripted engine, in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from benchmarks.load.engine import Fault, serve
from tests.support.ports import free_port


@asynccontextmanager
async def engine(faults: Mapping[Fault, float]) -> AsyncIterator[str]:
    """OpenAI base URL of an engine that goes wrong in these shares of its calls."""
    port = free_port()
    serving = asyncio.create_task(serve(port, faults))
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return
