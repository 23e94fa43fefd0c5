"""The gateway as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from gateway import __version__
from gateway.api import about, health
from gateway.api.azure import errors as azure_errors
from gateway.api.azure import routes as azure
from gateway.api.browsers import EXPOSED_HEADERS, BrowserMiddleware
from gateway.api.content_coding import ContentCodingMiddleware
from gateway.api.datalab import errors as datalab_errors
from gateway.api.datalab import routes as datalab
from gateway.api.docling import errors as docling_errors
from gateway.api.docling import routes as docling
from gateway.api.fastgpt import errors as fastgpt_errors
from gateway.api.fastgpt import routes as fastgpt
from gateway.api.idempotency import SharedAnswers
from gateway.api.jobs import routes as jobs
from gateway.api.middleware import (
    QUIET_ROUTES,
    BodyLimitMiddleware,
    HeadMiddleware,
    ProxyMiddleware,
    RequestMiddleware,
    SlashMiddleware,
)
from gateway.api.mineru import errors as mineru_errors
from gateway.api.mineru import routes as mineru
from gateway.api.mistral import errors as mistral_errors
from gateway.api.mistral import routes as mistral
from gateway.api.ocr import routes as ocr
from gateway.api.openai import errors as openai_errors
from gateway.api.openai import routes as openai
from gateway.api.openapi import add_key_limits, hide_keys, keep_schema
from gateway.api.openwebui import routes as openwebui
from gateway.api.paddleocr import errors as paddleocr_errors
from gateway.api.paddleocr import routes as paddleocr
from gateway.api.paddleocr.page_results import PaddleOcrEncoder
from gateway.api.paddleocr.request import DIALECT_NAME
from gateway.api.paddlex import errors as paddlex_errors
from gateway.api.paddlex import routes as paddlex
from gateway.api.problems import install_errors
from gateway.jobs.links import LinkSigner
from gateway.jobs.service import JobService
from gateway.metrics import Metrics
from gateway.parts import Parts, create_parts
from gateway.scheduling.loop_turns import LoopTurns
from gateway.service import Service
from gateway.settings import Settings
from gateway.tracing import Tracing

READY_POLL_S = 1.0
_DESCRIPTION = (
    "Document OCR: documents in, faithful Markdown and JSON out. Failures are `application/problem+json`; "
    "below `/v1/`, which is OpenAI's API, they come in OpenAI's shape, on PaddleX's paths in PaddleX's envelope."
)


def create_app(settings: Settings, parts: Parts | None = None) -> FastAPI:
    """The application; `parts` are made from the settings unless given. Its lifespan starts and stops them."""
    service = Service(settings, parts or create_parts(settings))
    # Swagger and ReDoc come with their scripts: the closed networks that this runs in reach no CDN.
    app = FastAPIOffline(
        title="paddleocr-vl-service",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        telemetry=_describe_telemetry(service.parts.tracing),
    )
    app.state.service = service
    app.state.links = links = LinkSigner(service.objects)
    app.state.jobs = JobService(service, links, {DIALECT_NAME: PaddleOcrEncoder()})
    app.state.answers = SharedAnswers(settings)
    _add_middleware(app, settings, service.metrics)
    if settings.mcp:
        # Its library takes half a second to import.
        from gateway.api.mcp import PATH, McpEndpoint

        app.state.mcp = McpEndpoint(settings, __version__)
        app.router.routes.append(Route(PATH, app.state.mcp))
    if service.keyring.is_open:
        hide_keys(app)
    elif settings.api_keys_file:
        add_key_limits(app)
    _add_routes(app)
    keep_schema(app)
    return app


def _add_middleware(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """The last one added sees a request first."""
    max_upload_bytes = int(settings.max_upload_mb * 1_000_000)
    turns = LoopTurns()
    app.add_middleware(ContentCodingMiddleware, limit=max_upload_bytes)
    app.add_middleware(
        BodyLimitMiddleware,
        limit=max_upload_bytes,
        pause_s=settings.max_upload_pause_s,
        rate=settings.min_transfer_bytes_s,
        turns=turns,
    )
    app.add_middleware(HeadMiddleware)
    app.add_middleware(SlashMiddleware)
    app.add_middleware(BrowserMiddleware, hosts=settings.hosts, origins=settings.origins)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(settings.origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(ProxyMiddleware, trusted_hosts=settings.forwarded_allow_ips, root_path=settings.root_path)
    app.add_middleware(RequestMiddleware, metrics=metrics, turns=turns)


def _add_routes(app: FastAPI) -> None:
    """Of all dialects, with the shapes of their errors."""
    dialects = (
        azure_errors,
        datalab_errors,
        docling_errors,
        fastgpt_errors,
        mineru_errors,
        mistral_errors,
        openai_errors,
        paddlex_errors,
        paddleocr_errors,
    )
    install_errors(app, [errors.DIALECT for errors in dialects])
    own = (about.router, health.router, health.admin_router, ocr.router, jobs.router)
    services = (azure, datalab, docling, fastgpt, mineru, mistral, openwebui, openai, paddlex, paddleocr)
    for router in (*own, *(service.router for service in services)):
        app.include_router(router)
    for family in (jobs, paddleocr, mistral):
        app.include_router(family.linked)
    app.mount(about.PLAYGROUND, about.PlaygroundFiles())


def _describe_telemetry(tracing: Tracing) -> TelemetryConfig:
    """FastAPI makes a span of each request, but for those that platforms send every few seconds, and nothing else:
    what it would tell of bodies and errors, where the environment asks for that, holds pieces of documents."""
    return {
        "tracing": tracing.provider is not None,
        "tracer_provider": tracing.provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": lambda scope: scope.get("path") in QUIET_ROUTES,
    }


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    jobs: JobService = app.state.jobs
    describing = asyncio.create_task(_describe_in_time(app, service))
    try:
        async with service.run(), jobs.run(), app.state.mcp.run() if service.settings.mcp else nullcontext():
            yield
    finally:
        describing.cancel()


async def _describe_in_time(app: FastAPI, service: Service) -> None:
    """Makes the schema before somebody asks for it: that takes a third of a second, in which no probe is answered."""
    while service.is_loading():  # noqa: ASYNC110 - several parts tell how they are, each its own way
        await asyncio.sleep(READY_POLL_S)
    await asyncio.to_thread(app.openapi)
