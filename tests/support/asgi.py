"""An ASGI application over a real socket, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from tests.support.waiting import WAIT_S, wait_until


@contextmanager
def serving(app: FastAPI, host: str, port: int) -> Iterator[str]:
    """Base URL of the application, which has started; stopped at the end."""
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_config=None, timeout_graceful_shutdown=2))
    with running(server):
        yield f"http://{host}:{port}"


@contextmanager
def running(server: uvicorn.Server) -> Iterator[None]:
    """The server, which has started; stopped at the end."""
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), "the start")
        yield
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive(), "the server did not stop"
