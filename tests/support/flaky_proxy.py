"""A TCP proxy before a service, in a thread, whose connections break, or answer in the service's place."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

Fault: TypeAlias = int | bytes
"""Bytes of the service's answer after which the connection breaks; or an answer in its place."""

_CHUNK = 65_536


def refusal(status: str, code: str, *headers: str) -> bytes:
    """An answer of the service that refuses a request, as a problem; the connection ends with it."""
    body = f'{{"status": {status[:3]}, "code": "{code}", "detail": "Not now.", "request_id": "r"}}'.encode()
    head = ["HTTP/1.1 " + status, "Content-Type: application/problem+json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *headers, "Connection: close", "", ""]).encode() + body


@dataclass
class FlakyProxy:
    """Each connection takes the next fault; when there are none left, it is what the service makes it."""

    url: str
    target: tuple[str, int]
    faults: deque[Fault] = field(default_factory=deque)
    connections: int = 0

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            fault = self.faults.popleft() if self.faults else None
            threading.Thread(target=self._handle, args=(client, fault), daemon=True).start()

    def _handle(self, client: socket.socket, fault: Fault | None) -> None:
        with client, suppress(OSError):
            if isinstance(fault, bytes):
                client.recv(_CHUNK)
                client.sendall(fault)
                client.shutdown(socket.SHUT_WR)
                while client.recv(_CHUNK):
                    pass
                return
            with socket.create_connection(self.target) as service:
                threading.Thread(target=_copy, args=(client, service), daemon=True).start()
                _copy(service, client, fault)


def _copy(reader: socket.socket, writer: socket.socket, limit: int | None = None) -> None:
    """Until the end, or until data came of which `limit` bytes are passed on; then the writer is closed."""
    left = limit
    with suppress(OSError):
        while data := reader.recv(_CHUNK):
            sent = data if left is None else data[:left]
            writer.sendall(sent)
            left = None if left is None else left - len(sent)
            if left == 0:
                break
    with suppress(OSError):
        writer.shutdown(socket.SHUT_RDWR)


@contextmanager
def flaky_proxy(url: str) -> Iterator[FlakyProxy]:
    place = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = (str(place.hostname), int(place.port or 80))
        proxy = FlakyProxy(f"http://127.0.0.1:{listener.getsockname()[1]}", target)
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
