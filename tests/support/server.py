"""The gateway over a real socket, in a thread: real intake and pipeline, with a scripted engine and layout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from gateway.app import create_app
from gateway.layout.factory import LazyLayout
from gateway.parts import create_parts
from gateway.server.serving import create_server
from gateway.service import Service
from gateway.settings import Settings
from tests.support.asgi import running
from tests.support.fakes import FakeLayout, text_regions
from tests.support.ports import free_port
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import WAIT_S, eventually, wait_until

_SCHEMAS: dict[tuple[bool, bool], dict[str, Any]] = {}
"""What OpenAPI says of gateways by whether they want keys and whether these have limits, which is all that it depends
on: to make it takes more than all else of a start."""


@dataclass
class Gateway:
    url: str
    app: FastAPI
    engine: StubEngine
    layout: FakeLayout
    client: httpx.Client

    @property
    def service(self) -> Service:
        service: Service = self.app.state.service
        return service

    def post(self, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        return self.client.post("/ocr", **arguments)

    def read(self, data: bytes, **options: str) -> httpx.Response:
        return self.post(files={"file": ("a.png", data)}, data=options)

    def reset(self) -> None:
        """What a test changed goes back to what the next one expects."""
        self.engine.script.clear()
        self.engine.answer = lambda _request: Reply("line one\nline two")
        self.engine.requests.clear()
        self.engine.aborted = 0
        self.layout.regions = text_regions(2)
        self.layout.by_page = {}
        self.layout.detections = None
        self.layout.lines = ()
        self.layout.without_effect = []
        self.layout.asked.clear()
        self.layout.delay_s = lambda _number: 0.0


def leave_when(condition: Callable[[], object], url: str, **arguments: Any) -> None:  # noqa: ANN401 - httpx's own
    """Posts as a client that hangs up as soon as the condition holds, without an answer."""

    async def call_and_leave() -> None:
        async with httpx.AsyncClient(timeout=None, verify=False) as client:
            call = asyncio.create_task(client.post(url, **arguments))
            await eventually(lambda: call.done() or condition())
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled(), "the client had an answer before it left"

    asyncio.run(call_and_leave())


@contextmanager
def gateway(
    folder: Path,
    *,
    engine: StubEngine | None = None,
    more_engines: Sequence[StubEngine] = (),
    engine_up: bool = True,
    await_ready: bool = True,
    **names: Any,  # noqa: ANN401 - settings
) -> Iterator[Gateway]:
    """A gateway, stopped at the end: ready, and with jobs taking them. Without its engine it never gets ready.

    `more_engines`, which run already, share the calls; `vlm_base_url=None` leaves the engines to `vlm_models`.
    """
    engine = engine or StubEngine()
    engine.start() if engine_up else None
    urls = ",".join([f"http://127.0.0.1:{engine.port or free_port()}/v1", *(more.base_url for more in more_engines)])
    settings = Settings(
        _env_file=None,
        host="127.0.0.1",
        port=free_port(),
        output_dir=folder / "output",
        temp_dir=folder / "temp",
        data_dir=folder / "data",
        vlm_engine="external",
        render_workers=1,
        font_download=False,
        **{"jobs": False, "vlm_base_url": urls, **names},
    )
    layout = FakeLayout(text_regions(2), state="not_initialized")
    used = LazyLayout(layout) if settings.layout_loading == "lazy" else layout
    app = create_app(settings, replace(create_parts(settings), layout=used))
    described = (app.state.service.keyring.is_open, settings.api_keys_file is None)
    app.openapi_schema = _SCHEMAS.get(described)
    server, url = create_server(app), f"http://{settings.host}:{settings.port}"
    server.config.timeout_graceful_shutdown = 2
    with (
        running(server),
        httpx.Client(base_url=url, timeout=WAIT_S, verify=False) as client,
        engine,
    ):
        served = Gateway(url, app, engine, layout, client)
        if engine_up and await_ready:
            wait_until(lambda: client.get("/readyz").status_code == 200, "readiness")
            key = {"x-api-key": next(iter(settings.keys), "")}
            wait_until(lambda: not settings.jobs or client.get("/jobs", headers=key).status_code == 200, "jobs")
        served.reset()
        yield served
    if app.openapi_schema:
        _SCHEMAS[described] = app.openapi_schema
