"""HTTP to a container; where its network can't be reached from here, through a program that runs in it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

import httpx

from tools.verify_image.engines.engine import Container
from tools.verify_image.image import Image

RELAY = """
import http.client, json, sys
head = json.loads(sys.stdin.buffer.readline())
try:
    connection = http.client.HTTPConnection("127.0.0.1", head["port"], timeout=head["seconds"])
    connection.request(head["method"], head["target"], sys.stdin.buffer.read(), dict(head["headers"]))
    answer = connection.getresponse()
    body = answer.read()
except OSError as error:
    sys.exit(f"{type(error).__name__}: {error}")
headers = [pair for pair in answer.getheaders() if pair[0].lower() != "transfer-encoding"]
sys.stdout.buffer.write(json.dumps({"status": answer.status, "headers": headers}).encode() + b"\\n" + body)
"""
"""Standard library only. A line of JSON and the body come in and go out; its exit status is 1 where nothing answers."""
SPARE_S = 10
"""How much longer the program may take than the request in it."""


class RelayTransport(httpx.BaseTransport):
    def __init__(self, container: Container, image: Image) -> None:
        self._container, self._image = container, image

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        seconds = float(request.extensions["timeout"]["read"])
        head = {
            "method": request.method,
            "port": request.url.port,
            "target": request.url.raw_path.decode("ascii"),
            "headers": list(request.headers.items()),
            "seconds": seconds,
        }
        data = json.dumps(head).encode() + b"\n" + request.read()
        try:
            done = execute(self._container, self._image, ["python", "-c", RELAY], seconds + SPARE_S, data)
        except subprocess.TimeoutExpired as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        if done.returncode != 0:
            raise httpx.ConnectError(last_line(done.stderr), request=request)
        line, _, body = done.stdout.partition(b"\n")
        answer = json.loads(line)
        return httpx.Response(answer["status"], headers=answer["headers"], content=body, request=request)


def client_for(container: Container, image: Image, port: int) -> httpx.Client:
    transport = None if container.is_reachable else RelayTransport(container, image)
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=5, trust_env=False)


def execute(
    container: Container, image: Image, arguments: Sequence[str], seconds: float, data: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """A program in the environment that the image's entry point makes for the service."""
    return container.execute([*image.entry_point, *arguments], data, seconds)


def last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
