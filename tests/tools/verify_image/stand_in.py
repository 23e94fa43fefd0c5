"""A service in the shape of an image's, answering at once and with one flaw, if FLAW names one.

Takes the words that the images' entry point takes. TRUTH is a folder with what it reads in each example.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType

FLAW = os.environ.get("FLAW", "")
HTML = ("/", "/docs", "/redoc")
LOADING_S = 0.5
"""How long it is not ready."""
STARTED = time.monotonic()


def health() -> dict[str, object]:
    reasons = unreadiness()
    vlm = {"engine": "stand-in", "reason": None if FLAW in ("", "mute") else FLAW}
    return {
        "status": "healthy" if FLAW == "liar" or not reasons else "degraded",
        "reasons": reasons,
        "vlm": vlm | {"state": "down" if FLAW in ("driver", "mute") else "starting" if reasons else "ready"},
        "output_dir": {"writable": FLAW != "full", "reason": "No space left on device"},
        "temp_dir": {"writable": True, "reason": None},
    }


def unreadiness() -> list[str]:
    is_loading = FLAW in ("loading", "liar", "mute", "driver") or time.monotonic() < STARTED + LOADING_S
    return ["the layout model is loading"] if is_loading else []


def reading(body: bytes) -> str:
    truths = Path(os.environ["TRUTH"]).iterdir()
    truth = next(truth for truth in truths if f'filename="{truth.name}"'.encode() in body)
    return "something else" if FLAW == "text" else truth.read_text(encoding="utf-8")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        reasons = unreadiness()
        match self.path:
            case "/livez":
                self.answer(200)
            case "/readyz" | "/startupz":
                self.answer(503 if reasons else 200, {"reasons": [] if FLAW == "silent" else reasons})
            case "/health":
                self.answer(200, health())
            case "/openapi.json":
                self.answer(200, {"paths": {"/ocr": {}}})
            case path if path in HTML:
                self.answer(404 if (FLAW, path) == ("page", "/docs") else 200, "page", "text/html")
            case _:
                self.answer(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(500 if FLAW == "refusal" else 200, reading(body), "text/markdown; charset=utf-8")

    def answer(self, status: int, body: object = None, kind: str = "application/json") -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing: its log is part of what is examined."""


def stop(_number: int, _frame: FrameType | None) -> None:
    if FLAW != "stubborn":
        os._exit(1 if FLAW == "code" else 0)


def say(entry: object) -> None:
    sys.stdout.write(f"{json.dumps(entry)}\n")
    sys.stdout.flush()


def serve() -> None:
    signal.signal(signal.SIGTERM, stop)
    for tier in ("gateway.app", "vlm"):
        if (FLAW, tier) != ("tier", "vlm"):
            say({"logger": tier, "event": f"{tier} begins"})
    if FLAW == "print":
        sys.stdout.write("this is no JSON\n")
        sys.stdout.flush()
    if FLAW == "death":
        sys.exit(3)
    port = int(os.environ.get("PORT", "8081")) + (FLAW == "port")
    engine = socket.create_server(("" if FLAW == "open" else "127.0.0.1", int(os.environ.get("VLM_PORT", "8118"))))
    with engine, ThreadingHTTPServer(("127.0.0.1" if FLAW == "local" else "", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while True:
            signal.pause()


def examine() -> None:
    checks = [
        {
            "name": "packages",
            "status": "fail" if FLAW == "doctor" else "ok",
            "detail": "they are there",
            "remedy": None,
        },
        {"name": "disk", "status": "warn" if FLAW == "disk" else "ok", "detail": "3 GB are free", "remedy": None},
    ]
    say({"ok": FLAW not in ("doctor", "driver"), "checks": checks})


match sys.argv[1:]:
    case ["serve"]:
        serve()
    case ["doctor", *_]:
        examine()
    case [program, *arguments]:
        os.execvp(program, [program, *arguments])
