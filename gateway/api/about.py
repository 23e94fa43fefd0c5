"""`GET /`: what this service is and where to go from here."""

from __future__ import annotations

import html

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse, Response

from gateway.api.deps import ServiceDep

router = APIRouter(tags=["about"])

_NAME = "paddleocr-vl-service"
_LINKS = {
    "ocr": "/ocr",
    "chat": "/v1/chat/completions",
    "models": "/v1/models",
    "health": "/health",
    "docs": "/docs",
    "redoc": "/redoc",
    "openapi": "/openapi.json",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{name}</title>
<style>body {{ font-family: sans-serif; max-width: 45em; margin: 3em auto; padding: 0 1em; line-height: 1.5; }}
pre {{ background: #eee; padding: .7em; overflow-x: auto; }}</style></head>
<body>
<h1>{name}</h1>
<p>Documents in, Markdown and JSON out. Version {version}; engine {engine}, model {model}.</p>
<pre>curl -F file=@document.pdf '{url}ocr?format=markdown'</pre>
<ul>
<li><a href="/docs">API documentation</a> (<a href="/redoc">as one page</a>, <a href="/openapi.json">OpenAPI</a>)</li>
<li><a href="/health">Health</a></li>
</ul>
</body>
</html>
"""


class About(BaseModel):
    name: str
    version: str
    engine: str | None
    model: str | None
    links: dict[str, str]


@router.get("/", summary="About this service", response_model=About)
async def about(request: Request, service: ServiceDep) -> Response:
    """Name, version, engine, model and links; a page with the same for browsers."""
    engine = service.parts.engine
    found = About(name=_NAME, version=service.version, engine=engine.kind, model=engine.model, links=_LINKS)
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse(found.model_dump())
    return HTMLResponse(_page(found, str(request.base_url)), headers={"Content-Security-Policy": _POLICY})


def _page(about: About, url: str) -> str:
    shown = {"name": about.name, "version": about.version, "url": url}
    shown |= {"engine": about.engine or "not known yet", "model": about.model or "not known yet"}
    return _PAGE.format_map({name: html.escape(value) for name, value in shown.items()})
