"""An ASGI application over a real socket, in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI


def eventually(condition: Callable[[], object], what: str, within_s: float = 20) -> None:
    give_up = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up, f"{what} did not come true"
        time.sleep(0.02)


@contextmanager
def serving(app: FastAPI, host: str, port: int) -> Iterator[str]:
    """Base URL of the application, which has started; stopped at the end."""
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_config=None, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive(), "the start")
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"
