"""A web server of somebody else's, on loopback, in a thread: what clients may name by URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from starlette.responses import Response

from tests.support.asgi import serving
from tests.support.ports import free_port


@dataclass
class Origin:
    """`files` by path; anything else is 404. `asked` are the paths of all requests, `headers` the last one's."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        self.headers = dict(request.headers)
        data = self.files.get(request.url.path)
        return Response(status_code=404) if data is None else Response(data, media_type="application/octet-stream")


@contextmanager
def origin() -> Iterator[Origin]:
    found = Origin()
    app = FastAPI()
    app.add_route("/{path:path}", found.answer)
    with serving(app, "127.0.0.1", free_port()) as url:
        found.url = url
        yield found
