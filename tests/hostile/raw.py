"""HTTP spelled out byte by byte, as no library would send it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.support.service_process import Service
from tests.support.waiting import WAIT_S

PIECE = 65_536


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """All that came before the connection was closed."""

    data: bytes

    @property
    def status(self) -> int:
        """0 where the connection was closed without an answer."""
        return int(self.data.split(b" ", 2)[1]) if self.data else 0

    @property
    def headers(self) -> dict[str, str]:
        lines = self.data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.data.partition(b"\r\n\r\n")[2])
        return found


def connect(service: Service, receive_buffer: int = 0) -> socket.socket:
    """`receive_buffer`: bytes that the kernel takes for a client that does not read; 0: its default."""
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(WAIT_S)
    client.connect(("127.0.0.1", service.port))
    return client


def read_to_end(client: socket.socket) -> RawAnswer:
    """What comes until the service closes the connection, which it must do."""
    data = bytearray()
    with suppress(ConnectionError):
        while piece := client.recv(PIECE):
            data += piece
    return RawAnswer(bytes(data))


def send(service: Service, *pieces: bytes) -> RawAnswer:
    """Sends and waits for the end of the connection, without ever closing it from this side."""
    with connect(service) as client:
        send_all(client, pieces)
        return read_to_end(client)


def send_all(client: socket.socket, pieces: Iterable[bytes]) -> None:
    """Sends until the other side does not want more."""
    with suppress(ConnectionError):
        for piece in pieces:
            client.sendall(piece)


def is_closed(client: socket.socket) -> bool:
    """Whether the service has closed it; what it said before is dropped."""
    client.setblocking(False)
    try:
        while client.recv(PIECE):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True
