"""The gateway as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from gateway import __version__
from gateway.api import about, health
from gateway.api.idempotency import SharedAnswers
from gateway.api.middleware import BodyLimitMiddleware, HeadMiddleware, RequestMiddleware
from gateway.api.ocr import routes as ocr
from gateway.api.openai import errors as openai_errors
from gateway.api.openai import routes as openai
from gateway.api.paddlex import errors as paddlex_errors
from gateway.api.paddlex import routes as paddlex
from gateway.api.problems import install_errors
from gateway.parts import Parts, create_parts
from gateway.service import Service
from gateway.settings import Settings

_DESCRIPTION = (
    "Document OCR: documents in, faithful Markdown and JSON out. Failures are `application/problem+json`; "
    "below `/v1/`, which is OpenAI's API, they come in OpenAI's shape, on PaddleX's paths in PaddleX's envelope."
)


def create_app(settings: Settings, parts: Parts | None = None) -> FastAPI:
    """The application; `parts` are made from the settings unless given. Its lifespan starts and stops them."""
    service = Service(settings, parts or create_parts(settings))
    # Swagger and ReDoc come with their scripts: the closed networks that this runs in reach no CDN.
    app = FastAPIOffline(
        title="paddleocr-vl-service", version=__version__, description=_DESCRIPTION, lifespan=_lifespan
    )
    app.state.service = service
    app.state.answers = SharedAnswers(settings)
    app.add_middleware(BodyLimitMiddleware, limit=int(settings.max_upload_mb * 1_000_000))
    app.add_middleware(HeadMiddleware)
    app.add_middleware(RequestMiddleware, metrics=service.metrics)
    install_errors(app, [openai_errors.DIALECT, paddlex_errors.DIALECT])
    for family in (about, health, ocr, openai, paddlex):
        app.include_router(family.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    async with service.running():
        yield
