"""What this service is and can do: `GET /` for people, who get the playground, whose files are below it, and `GET
/v1/capabilities` for programs that offer it to people."""

from __future__ import annotations

import html
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from gateway.api.deps import JobsDep, ServiceDep
from gateway.api.jobs.request import MAX_SOURCES
from gateway.api.ocr.options import PLACED_FORMATS, WHOLE_DOCUMENT, Format, RequestOptions
from gateway.api.ocr.responses import MEDIA_TYPES
from gateway.api.openapi import inlined_schema, written_schemas
from gateway.engine.monitor import EngineState
from gateway.engine.pool import EnginePool
from gateway.intake.sniff import FORMAT_NAMES
from gateway.labels import CAPTION_LABELS, LABELS, PICTURE_LABELS, TITLE_LABELS, is_formula
from gateway.model import EngineKind
from gateway.reading_options import OcrOptions
from gateway.service import Service
from gateway.tasks import WHOLE_IMAGE_LABELS

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
_SUFFIXES: Mapping[Format, str] = {"markdown": "md", "text": "txt", "hocr": "hocr.html", "alto": "alto.xml"}
_FURNITURE = OcrOptions().ignore_labels
LabelKind = Literal["title", "text", "caption", "table", "formula", "picture", "furniture"]


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


class EngineCapabilities(BaseModel):
    kind: EngineKind | None = Field(description="What reads regions; null until it has answered")
    model: str | None
    state: EngineState
    scripts: list[str] | None = Field(description="Scripts that it reads; null where the engine does not say")


class ModelCapabilities(BaseModel):
    name: str = Field(description="For the option `model`")
    is_default: bool
    kind: EngineKind | None
    state: EngineState


class LayoutCapabilities(BaseModel):
    model: str
    engine: Literal["onnx", "paddleocr"]


class FormatCapabilities(BaseModel):
    name: Format
    media_type: str
    suffix: str = Field(description="Usual end of a file's name, without the dot")
    is_placed: bool = Field(description="Whether a job's result in it needs `include=lines,words`, or that format")


class LabelCapabilities(BaseModel):
    name: str
    kind: LabelKind
    is_shown: bool = Field(description="Whether Markdown, HTML and text show it where `ignore_labels` is not given")


class OptionCapabilities(BaseModel):
    name: str
    value_schema: dict[str, Any] = Field(
        serialization_alias="schema", description="JSON Schema of its value: type, limits, choices, default, meaning"
    )
    streams: bool = Field(description="Whether it goes with `stream`")


class SourceCapabilities(BaseModel):
    media_types: dict[str, str] = Field(description="Of documents that are read, with their names")
    url: Literal["public", "off", "any"] = Field(description="Which URLs the service fetches (`URL_FETCH`)")
    s3: bool = Field(description="Whether documents can be named by their keys in the service's bucket")


class LimitCapabilities(BaseModel):
    max_upload_bytes: int
    max_pages: int
    max_pixels: int
    request_timeout_s: float
    max_sources: int = Field(description="Documents of one `POST /jobs`")


class JobCapabilities(BaseModel):
    is_available: bool
    keep_s: float = Field(description="How long a job is kept after its end, in seconds")
    has_webhooks: bool


class KeyCapabilities(BaseModel):
    is_required: bool
    routes: list[str] = Field(description="Methods and paths that need a key; none where no keys are set")


class Capabilities(BaseModel):
    name: str
    version: str
    engine: EngineCapabilities = Field(description="Of the default model")
    models: list[ModelCapabilities]
    line_reader: EngineCapabilities | None = Field(
        description="The embedded engine beside a VLM, for `recognition=hybrid`; null where there is none"
    )
    layout: LayoutCapabilities
    tasks: list[str]
    formats: list[FormatCapabilities]
    labels: list[LabelCapabilities]
    options: list[OptionCapabilities] = Field(description="Options of `POST /ocr` and `POST /jobs`")
    sources: SourceCapabilities
    limits: LimitCapabilities
    jobs: JobCapabilities
    key: KeyCapabilities


@router.get("/v1/capabilities", summary="What the service can do")
async def capabilities(request: Request, service: ServiceDep, jobs: JobsDep) -> Capabilities:
    """Engine, tasks, formats, labels, options with their limits, and what needs a key. Answered from memory, without
    a key."""
    settings = service.settings
    return Capabilities(
        name=request.app.title,
        version=service.version,
        engine=_engine(service.parts.engine),
        models=_models(service),
        line_reader=_engine(service.parts.line_reader.engine) if service.parts.line_reader else None,
        layout=LayoutCapabilities(model=service.parts.layout.name, engine=service.parts.layout.engine),
        tasks=["document", *WHOLE_IMAGE_LABELS],
        formats=[_format(name, media_type) for name, media_type in MEDIA_TYPES.items()],
        labels=[_label(name) for name in sorted(LABELS)],
        options=_options(),
        sources=SourceCapabilities(media_types=FORMAT_NAMES, url=settings.url_fetch, s3=bool(settings.s3_bucket)),
        limits=LimitCapabilities(
            max_upload_bytes=int(settings.max_upload_mb * 1_000_000),
            max_pages=settings.max_pages,
            max_pixels=settings.max_pixels,
            request_timeout_s=settings.request_timeout_s,
            max_sources=MAX_SOURCES,
        ),
        jobs=JobCapabilities(
            is_available=jobs.reason is None, keep_s=settings.jobs_keep_s, has_webhooks=bool(settings.webhook_secret)
        ),
        key=KeyCapabilities(is_required=not service.keyring.is_open, routes=_routes_with_key(request.app)),
    )


def _page(url: str) -> str:
    page = files("gateway").joinpath("playground", "index.html").read_text(encoding="utf-8")
    return page.replace("{url}", html.escape(url))


def _engine(engine: EnginePool) -> EngineCapabilities:
    scripts = None if engine.scripts is None else list(engine.scripts)
    return EngineCapabilities(kind=engine.kind, model=engine.model, state=engine.state, scripts=scripts)


def _models(service: Service) -> list[ModelCapabilities]:
    parts = service.parts
    named = ((name, parts.choose(name)) for name in parts.model_names)
    return [
        ModelCapabilities(name=name, is_default=one is parts, kind=one.engine.kind, state=one.engine.state)
        for name, one in named
    ]


def _format(name: Format, media_type: str) -> FormatCapabilities:
    return FormatCapabilities(
        name=name,
        media_type=media_type.partition(";")[0],
        suffix=_SUFFIXES.get(name, name),
        is_placed=name in PLACED_FORMATS,
    )


def _label(name: str) -> LabelCapabilities:
    return LabelCapabilities(name=name, kind=_kind_of(name), is_shown=name not in _FURNITURE)


def _kind_of(label: str) -> LabelKind:
    if label in _FURNITURE:
        return "furniture"
    if label in TITLE_LABELS:
        return "title"
    if label in CAPTION_LABELS or label == "vision_footnote":
        return "caption"
    if label in PICTURE_LABELS:
        return "picture"
    if label == "table":
        return "table"
    return "formula" if is_formula(label) or label == "formula_number" else "text"


def _options() -> list[OptionCapabilities]:
    schemas = written_schemas(inlined_schema(RequestOptions)["properties"])
    return [
        OptionCapabilities(name=name, value_schema=schema, streams=name not in WHOLE_DOCUMENT)
        for name, schema in schemas.items()
    ]


def _routes_with_key(app: FastAPI) -> list[str]:
    paths = app.openapi()["paths"].items()
    return [
        f"{method.upper()} {path}"
        for path, operations in paths
        for method, operation in operations.items()
        if operation.get("security")
    ]
