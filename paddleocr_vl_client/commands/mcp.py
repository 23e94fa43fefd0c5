"""`paddleocr-vl mcp`: documents for an agent, over the standard input and output."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

from gateway import __version__
from paddleocr_vl_client.async_client import AsyncClient
from paddleocr_vl_client.commands.failures import ExitStatus
from paddleocr_vl_client.commands.services import add_service_arguments, open_client
from paddleocr_vl_client.mcp.documents import Library
from paddleocr_vl_client.mcp.folders import AllowedFolders
from paddleocr_vl_client.mcp.server import build_server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder whose files may be read, several times; without any, only URLs are read",
    )
    add_service_arguments(parser)


def run(options: argparse.Namespace) -> int:
    asyncio.run(_serve(options))
    return ExitStatus.OK


async def _serve(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        service = _Service(options)
        stack.callback(service.close)
        library = Library(service.connect, AllowedFolders(options.folder))
        await build_server(lambda _ctx: library, __version__).run_stdio_async()


class _Service:
    """The service, found or started with the first call: an agent does not wait long for a server's start."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._stack = ExitStack()
        self._lock = asyncio.Lock()
        self._client: AsyncClient | None = None

    async def connect(self) -> AsyncClient:
        """Raises as `open_client`."""
        async with self._lock:
            if self._client is None:
                found = await asyncio.to_thread(self._stack.enter_context, open_client(self._options))
                self._client = AsyncClient(found.base_url)
            return self._client

    def close(self) -> None:
        self._stack.close()
