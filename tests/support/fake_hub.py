"""A Hugging Face hub of the test's own: as much of its API as the real client needs to list and to download a model."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.waiting import WAIT_S

LARGE = 1000
"""Bytes from which on a file lies in large file storage, on another host."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIECE = 65536


@dataclass
class Hub:
    """`files` of the one model `name`. What goes wrong: `error` (status and X-Error-Code) answers every question;
    `breaks` cuts off the download of large files once after so many bytes each; `stalls` sends no more after so many;
    `damaged` are files whose first byte is another one; `sizes` are lies about a file's size."""

    files: dict[str, bytes]
    name: str = "PaddlePaddle/PaddleOCR-VL-1.6"
    token: str | None = None
    error: tuple[int, str] | None = None
    breaks: list[int] = field(default_factory=list)
    stalls: int | None = None
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    damaged: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def downloads(self) -> dict[str, list[int]]:
        """File → from which byte on it was sent, for each time."""
        found: dict[str, list[int]] = {}
        for request in self.requests:
            if request.file:
                found.setdefault(request.file, []).append(request.start)
        return found


@dataclass(frozen=True)
class Request:
    path: str
    host: str
    token: str | None
    file: str | None = None
    start: int = 0


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def listing(hub: Hub) -> bytes:
    siblings = []
    for name, content in hub.files.items():
        item: dict[str, object] = {
            "rfilename": name,
            "size": hub.sizes.get(name, len(content)),
            "blobId": git_sha1(content),
        }
        if len(content) >= LARGE:
            item["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": item["size"], "pointerSize": 133}
        siblings.append(item)
    return json.dumps({"id": hub.name, "sha": COMMIT, "siblings": siblings}).encode()


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            """What the hub says of one file before it is fetched; the checksum of large ones only."""
            found = re.fullmatch(rf"/{re.escape(hub.name)}/resolve/(main|{COMMIT})/(.+)", self.path)
            if hub.error:
                self.answer(b"", hub.error[0], **{"X-Error-Code": hub.error[1]} if hub.error[1] else {})
            elif not found:
                self.answer(b"", 404, **{"X-Error-Code": "RepoNotFound"})
            else:
                content = hub.files[found[2]]
                is_large = len(content) >= LARGE
                etag = hashlib.sha256(content).hexdigest() if is_large else git_sha1(content)
                self.send_response(200)
                self.send_header("Content-Length", str(hub.sizes.get(found[2], len(content))))
                self.send_header("ETag", f'"{etag}"')
                self.send_header("X-Repo-Commit", COMMIT)
                self.end_headers()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            stored = path.removeprefix("/storage/") if path.startswith("/storage/") else None
            resolved = re.fullmatch(rf"/{re.escape(hub.name)}/resolve/{COMMIT}/(.+)", path)
            if hub.error:
                self.answer(b"", hub.error[0], **{"X-Error-Code": hub.error[1]} if hub.error[1] else {})
            elif path.startswith("/api/models/"):
                self.note()
                self.list_model(path.removeprefix("/api/models/"))
            elif stored:
                self.send_file(stored)
            elif resolved and len(hub.files[resolved[1]]) >= LARGE:
                self.note()
                elsewhere = hub.url.replace("127.0.0.1", "localhost")
                self.answer(b"", 302, Location=f"{elsewhere}/storage/{resolved[1]}")
            elif resolved:
                self.send_file(resolved[1])
            else:
                self.answer(b"", 404, **{"X-Error-Code": "EntryNotFound"})

        def list_model(self, model: str) -> None:
            if model != hub.name:
                self.answer(b"", 404, **{"X-Error-Code": "RepoNotFound"})
            elif hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                self.answer(b"", 401, **{"X-Error-Code": "GatedRepo"})
            else:
                self.answer(listing(hub), 200, **{"Content-Type": "application/json"})

        def send_file(self, name: str) -> None:
            content = hub.files[name]
            if name in hub.damaged:
                content = bytes([content[0] ^ 1]) + content[1:]
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            self.note(name, start)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.send_body(content[start:])

        def send_body(self, body: bytes) -> None:
            """All of it, or as much as the hub's faults allow."""
            if len(body) < LARGE:
                self.wfile.write(body)
            elif hub.breaks:
                self.wfile.write(body[: hub.breaks.pop(0)])
                self.close_connection = True
            elif hub.stalls is not None:
                self.wfile.write(body[: hub.stalls])
                self.wfile.flush()
                hub.stalled.set()
                hub.released.wait(WAIT_S)
                self.close_connection = True
            else:
                for position in range(0, len(body), PIECE):
                    self.wfile.write(body[position : position + PIECE])

        def note(self, file: str | None = None, start: int = 0) -> None:
            host, token = self.headers.get("Host", "").partition(":")[0], self.headers.get("Authorization")
            hub.requests.append(Request(self.path, host, token, file, start))

        def answer(self, body: bytes, status: int, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
