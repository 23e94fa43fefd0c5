"""A client's receiver of webhooks, on loopback, in a thread: it believes only what the published library verifies."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from standardwebhooks.webhooks import Webhook
from starlette.responses import Response

from tests.support.asgi import serving
from tests.support.ports import free_port

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


@dataclass
class Receiver:
    """`answers`: what the next requests get; after them 204. `attempts`: ids of all requests, `messages`: contents of
    those that were taken, by their id."""

    url: str = ""
    secret: str = SECRET
    answers: deque[Response] = field(default_factory=deque)
    attempts: list[str] = field(default_factory=list)
    messages: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: list[Exception] = field(default_factory=list)

    def of_job(self, job_id: str) -> list[Mapping[str, Any]]:
        return [message for message in self.messages.values() if message["data"]["id"] == job_id]

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        try:
            content = Webhook(self.secret).verify(body, dict(request.headers))
        except Exception as error:
            self.refused.append(error)
            return Response(status_code=400)
        self.attempts.append(request.headers["webhook-id"])
        if self.answers:
            return self.answers.popleft()
        self.messages[request.headers["webhook-id"]] = content
        return Response(status_code=204)


@contextmanager
def receiver(port: int | None = None) -> Iterator[Receiver]:
    found = Receiver()
    app = FastAPI()
    app.add_route("/{path:path}", found.answer, methods=["GET", "POST"])
    with serving(app, "127.0.0.1", port or free_port()) as url:
        found.url = url
        yield found
