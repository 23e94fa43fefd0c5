"""The server of the application: uvicorn's, with a guarded protocol and bounds that fit into this process."""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import cast

import structlog
import uvicorn
from fastapi import FastAPI

from gateway.server.connections import PROBE_PLACES, ConnectionTable
from gateway.server.http_protocol import GuardedProtocol
from gateway.server.limits import ConnectionLimits
from gateway.service import Service

_GRACE_S = 20
"""Platforms kill 30 s after SIGTERM; what is left after this is cut off, so that the workers can be ended in order."""
_KEPT_DESCRIPTORS = 256 + PROBE_PLACES
"""For spool files, workers, calls to the engine and what Python itself opens."""
_WANTED_DESCRIPTORS = 65_536

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Says "not ready" from the moment of the signal, before the listening socket closes."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.draining = True
        super().handle_exit(sig, frame)


def create_server(app: FastAPI) -> Server:
    """The server of an application that `create_app` made, at the address of its settings."""
    service: Service = app.state.service
    settings = service.settings
    limits = ConnectionLimits.from_settings(settings, _limit_connections(settings.max_connections))
    table = ConnectionTable(limits, lambda: asyncio.get_running_loop().time())
    service.metrics.watch("ocr_connections", "Connections of clients", lambda: len(table))
    service.metrics.watch_total("ocr_connections_evicted", "Idle ones closed for others", lambda: table.evicted)
    protocol = partial(GuardedProtocol, limits=limits, table=table, metrics=service.metrics)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=cast(type[asyncio.Protocol], protocol),
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return Server(config, service)


def _limit_connections(wanted: int) -> int:
    """As many connections as are wanted, fewer where the process may not open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _WANTED_DESCRIPTORS:
        raised = _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _WANTED_DESCRIPTORS)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    fitting = wanted if soft == resource.RLIM_INFINITY else min(wanted, max(soft - _KEPT_DESCRIPTORS, soft // 4))
    if fitting < wanted:
        log.warning("fewer connections than MAX_CONNECTIONS", max_connections=fitting, descriptors=soft)
    return fitting
