"""`GET /`: what this service is and where to go from here; for browsers the playground, whose files are below it."""

from __future__ import annotations

import html
from importlib.resources import files

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from gateway.api.deps import ServiceDep

router = APIRouter(tags=["about"])

PLAYGROUND = "/playground"
_NAME = "paddleocr-vl-service"
_LINKS = {
    "ocr": "/ocr",
    "chat": "/v1/chat/completions",
    "models": "/v1/models",
    "capabilities": "/v1/capabilities",
    "health": "/health",
    "docs": "/docs",
    "redoc": "/redoc",
    "openapi": "/openapi.json",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types playground"
)
"""The page's own scripts and styles, from files; what a document holds can be neither."""


class About(BaseModel):
    name: str
    version: str
    engine: str | None
    model: str | None
    links: dict[str, str]


class PlaygroundFiles(StaticFiles):
    """The scripts and styles of the page, which browsers ask about anew each time: an update is seen at once."""

    def __init__(self) -> None:
        super().__init__(packages=[("gateway", "playground")])

    def file_response(self, *arguments: object, **named: object) -> Response:
        response = super().file_response(*arguments, **named)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


@router.get("/", summary="About this service", response_model=About)
async def about(request: Request, service: ServiceDep) -> Response:
    """Name, version, engine, model and links; for browsers a page that reads documents."""
    if "text/html" in request.headers.get("accept", ""):
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return HTMLResponse(_page(str(request.base_url)), headers=headers)
    engine = service.parts.engine
    root = request.scope.get("root_path", "")
    links = {name: root + path for name, path in _LINKS.items()}
    found = About(name=_NAME, version=service.version, engine=engine.kind, model=engine.model, links=links)
    return JSONResponse(found.model_dump(), headers={"Vary": "Accept"})


def _page(url: str) -> str:
    page = files("gateway").joinpath("playground", "index.html").read_text(encoding="utf-8")
    return page.replace("{url}", html.escape(url))
