"""`/mcp`: the service's tools for agents, by the Model Context Protocol over HTTP.

The tools call this gateway as any client does, by its own port, so that limits, fairness and keys hold for them too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from fastapi import Request
from mcp.server.mcpserver import Context
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import Receive, Scope, Send

from gateway.api.auth import is_key_holder, sent_key
from gateway.errors import ServiceError
from gateway.settings import Settings
from paddleocr_vl_client.async_client import AsyncClient
from paddleocr_vl_client.mcp.documents import Library
from paddleocr_vl_client.mcp.folders import AllowedFolders
from paddleocr_vl_client.mcp.server import build_server

PATH = "/mcp"
MAX_LIBRARIES = 128
"""Keys whose documents are kept; those of the key that called longest ago go first."""
MAX_BODY = 16_000
"""Bytes of a call, which holds names, places and words to look for: the library parses it in the event loop, and may
repeat all of it in an error."""
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class McpEndpoint:
    """An ASGI application that holds a library for each API key, and one for all callers where no keys are asked for.

    ServiceError 401 without a key where one is needed. Limits of keys count the tools' own requests only.
    """

    def __init__(self, settings: Settings, version: str) -> None:
        host = _ANY_ADDRESS.get(settings.host, settings.host)
        self._url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
        self._folders = AllowedFolders([Path(folder) for folder in settings.mcp_folder_names])
        # One for all keys, so that a library that goes leaves no connection behind.
        self._transport = httpx2.AsyncHTTPTransport()
        self._libraries: OrderedDict[str, Library] = OrderedDict()
        server = build_server(self._library_of, version)
        # Names and origins are the concern of `BrowserMiddleware`, for all routes.
        open_to_all = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        server.streamable_http_app(stateless_http=True, transport_security=open_to_all, max_request_body_size=MAX_BODY)
        self._sessions: StreamableHTTPSessionManager = server.session_manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_key_holder(Request(scope)):
            raise ServiceError(
                401, "unauthorized", "This service needs a key: send it as X-API-Key or Authorization: Bearer."
            )
        await self._sessions.handle_request(scope, receive, send)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with self._transport, self._sessions.run():
            yield

    def _library_of(self, ctx: Context[Any, Any]) -> Library:
        request = ctx.request_context.request
        assert isinstance(request, Request)
        key = sent_key(request)
        if key not in self._libraries:
            self._libraries[key] = self._create_library(key)
        self._libraries.move_to_end(key)
        while len(self._libraries) > MAX_LIBRARIES:
            self._libraries.popitem(last=False)
        return self._libraries[key]

    def _create_library(self, key: str) -> Library:
        client = AsyncClient(self._url, api_key=key, transport=self._transport)

        async def connect() -> AsyncClient:
            return client

        return Library(connect, self._folders)
