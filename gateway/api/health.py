"""How the service is: `/health` for people and PaddleX's clients, probes for platforms, `/metrics` for Prometheus, and
what each key has used for whoever runs it.

All is answered from memory.
"""

from __future__ import annotations

import time
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from common.inference.models import describe_models
from gateway.api.auth import is_key_holder, key_required
from gateway.api.deps import JobsDep, ServiceDep
from gateway.api.problems import problem_responses, request_id
from gateway.engine.endpoint import Endpoint
from gateway.engine.pool import EnginePool
from gateway.errors import ServiceError
from gateway.jobs.service import JobService
from gateway.keys.accounts import KeyUsage
from gateway.layout.base import LayoutDetector
from gateway.service import Service
from gateway.storage.bucket import BucketState

router = APIRouter(tags=["health"])
admin_router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[key_required("admin")])


class UsageReport(BaseModel):
    """Of this gateway since it started; the windows are those of all where they share a database."""

    keys: list[KeyUsage]


class FolderHealth(BaseModel):
    path: str | None = Field(description="Told to holders of a key only, where keys are set; so are reasons")
    writable: bool
    reason: str | None = Field(description="Why it can't be written")


class VlmHealth(BaseModel):
    state: Literal["starting", "ready", "restarting", "down"]
    state_s: int = Field(description="Seconds in this state; while it starts, since the gateway's start")
    model: str | None
    engine: str | None
    scripts: list[str] | None = Field(description="Scripts that it reads; null where the engine does not say")
    runtimes: dict[str, str] | None = Field(
        description="What runs each network of the model; null where the engine does not say"
    )
    reason: str | None = Field(description="Why it is not ready")
    warning: str | None = Field(description="What is odd about its answers, as when another model gives them")


class EngineHealth(BaseModel):
    """One of the engines that share the calls."""

    engine: str = Field(description="Its number, as in the metrics; given anew when it has left")
    url: str | None = Field(description="Told to holders of a key only, where keys are set; so are reasons")
    state: Literal["starting", "ready", "restarting", "down", "draining"] = Field(
        description="`draining`: it is not listed any more, and finishes what it has"
    )
    state_s: int = Field(description="Seconds in this state")
    model: str | None
    running: int = Field(description="Calls that it has")
    limit: int = Field(description="Most calls that it gets at once, now")
    is_left_out: bool = Field(description="It is ready and gets no calls for now, for the reason given")
    reason: str | None = Field(description="Why it is not ready, or left out")


class QueueHealth(BaseModel):
    documents: int = Field(description="Documents in work")
    chats: int = Field(description="Chat requests in work")
    waiting: int = Field(description="Region calls that wait")
    running: int = Field(description="Region calls at the engine")


class SelfCheckHealth(BaseModel):
    state: Literal["pending", "passed", "failed"]
    reason: str | None


class Health(BaseModel):
    status: Literal["healthy", "degraded"]
    reasons: list[str] = Field(description="Why the service is not ready; empty when it is")
    limitations: list[str] = Field(
        description="What is not served now though the service is ready, such as stored pictures where the disk is full"
    )
    paddleocr: Literal["not_initialized", "ready", "failed"] = Field(description="State of the layout model")
    layout_model: str
    layout_engine: Literal["onnx", "paddleocr"] = Field(description="What runs it; `LAYOUT_ENGINE` asks for one")
    runtimes: dict[str, str] = Field(
        description="What runs each network that the gateway has loaded, such as the layout model, and why it is not "
        "what `INFERENCE_RUNTIME` asks for"
    )
    layout_warning: str | None = Field(description="Why it is not the layout model, or the engine, that was asked for")
    vlm: VlmHealth = Field(description="All engines as one: ready where one is")
    line_reader: VlmHealth | None = Field(
        description="The embedded engine beside a VLM (`LINE_READER_PORT`); null where there is none. Without it the "
        "VLM reads everything"
    )
    engines: list[EngineHealth]
    s3_storage: BucketState
    s3_reason: str | None = Field(description="Why it is an error; documents are read all the same")
    output_dir: FolderHealth
    temp_dir: FolderHealth
    render_workers: Literal["running", "down"]
    queue: QueueHealth
    self_check: SelfCheckHealth
    jobs: Literal["ready", "unavailable"]
    jobs_reason: str | None = Field(description="Why no jobs are taken; requests are served all the same")
    docs: str
    version: str
    uptime_s: int
    log_id: str = Field(serialization_alias="logId")
    error_code: int = Field(0, serialization_alias="errorCode")
    error_msg: str = Field("Healthy", serialization_alias="errorMsg")
    protocol_version: Literal[2] = Field(2, description="Of MinerU's server, whose clients ask for it")
    max_concurrent_requests: int = Field(description="Documents that a caller can have in work, for MinerU's clients")
    processing_window_size: Literal[64] = Field(64, description="MinerU's default, which has no effect here")


class Probe(BaseModel):
    status: Literal["ok", "unavailable"]
    reasons: list[str] = Field(default_factory=list, description="What is missing")
    limitations: list[str] = Field(default_factory=list, description="What is not served now; all else is")


_PROBE: dict[int | str, dict[str, Any]] = {503: {"model": Probe, "description": "Not now; `reasons` says why"}}


@router.get("/health", summary="Health in full", response_model=Health)
async def health(request: Request, service: ServiceDep, jobs: JobsDep) -> Health:
    """Always 200 while the gateway lives."""
    docs = request.scope.get("root_path", "") + "/docs"
    found = _health(service, jobs, request_id(request.scope), docs)
    return found if is_key_holder(request) else _hide_details(found)


def _health(service: Service, jobs: JobService, log_id: str, docs: str) -> Health:
    parts, reasons = service.parts, service.unreadiness()
    limitations = _limitations(service, jobs)
    return Health(
        status="degraded" if reasons or limitations else "healthy",
        reasons=reasons,
        limitations=limitations,
        paddleocr=parts.layout.state,
        layout_model=parts.layout.name,
        layout_engine=parts.layout.engine,
        runtimes=dict(describe_models()),
        layout_warning=_warning(parts.layout),
        vlm=_vlm(parts.engine),
        line_reader=_vlm(parts.line_reader.engine) if parts.line_reader else None,
        engines=[
            _engine(engines, one) for engines in service.engines for one in (*engines.endpoints, *engines.draining)
        ],
        s3_storage=service.bucket.state,
        s3_reason=service.bucket.reason,
        output_dir=FolderHealth.model_validate(service.output_dir, from_attributes=True),
        temp_dir=FolderHealth.model_validate(service.temp_dir, from_attributes=True),
        render_workers="running" if parts.pool.alive else "down",
        queue=QueueHealth.model_validate(parts.queue, from_attributes=True),
        self_check=SelfCheckHealth.model_validate(service.self_check, from_attributes=True),
        jobs="unavailable" if jobs.reason else "ready",
        jobs_reason=jobs.reason,
        docs=docs,
        version=service.version,
        uptime_s=int(time.monotonic() - service.started),
        log_id=log_id,
        max_concurrent_requests=service.settings.max_documents,
    )


def _hide_details(found: Health) -> Health:
    """For strangers: how the service is, without its folders and without the words of what failed."""
    hidden = {"path": None, "reason": None}
    unsaid = {"reason": None, "warning": None}
    return found.model_copy(
        update={
            "reasons": _heads(found.reasons),
            "limitations": _heads(found.limitations),
            "layout_warning": None,
            "s3_reason": None,
            "jobs_reason": None,
            "vlm": found.vlm.model_copy(update=unsaid),
            "line_reader": found.line_reader and found.line_reader.model_copy(update=unsaid),
            "engines": [engine.model_copy(update={"url": None, "reason": None}) for engine in found.engines],
            "output_dir": found.output_dir.model_copy(update=hidden),
            "temp_dir": found.temp_dir.model_copy(update=hidden),
            "self_check": found.self_check.model_copy(update={"reason": None}),
        }
    )


def _heads(reasons: list[str]) -> list[str]:
    """What is missing, without why."""
    return [reason.partition(":")[0] for reason in reasons]


@router.get("/livez", summary="Alive", response_model=Probe)
@router.get("/v1/health/live", summary="Alive", response_model=Probe)
async def livez() -> Probe:
    """200 as long as the event loop turns."""
    return Probe(status="ok")


@router.get("/readyz", summary="Able to serve a document now", response_model=Probe, responses=_PROBE)
@router.get("/v1/health/ready", summary="Able to serve a document now", response_model=Probe, responses=_PROBE)
@router.get("/ready", summary="Able to serve a document now", response_model=Probe, responses=_PROBE)
async def readyz(request: Request, service: ServiceDep, jobs: JobsDep) -> Response:
    """Engine and layout ready, folders writable or full, self-check passed, not draining. A busy server is ready; a
    full disk, and a database of jobs that is away, keep only those out who need them: `limitations` tells of them."""
    return _probe(request, service.unreadiness(), _limitations(service, jobs))


@router.get("/startupz", summary="Initialised once", response_model=Probe, responses=_PROBE)
async def startupz(request: Request, service: ServiceDep) -> Response:
    """200 from the moment the self-check has read the bundled example."""
    return _probe(request, [] if service.self_check.passed else service.unreadiness())


@router.get(
    "/ping",
    summary="Ready, loading or broken",
    response_class=Response,
    responses={200: {"description": "Ready"}, 204: {"description": "Loading"}, 503: {"description": "Broken"}},
)
async def ping(service: ServiceDep) -> Response:
    if not service.unreadiness():
        return Response("ok", media_type="text/plain")
    return Response(status_code=204 if service.is_loading() else 503)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response, dependencies=[key_required(None)])
async def metrics(request: Request, service: ServiceDep) -> Response:
    body, media_type = service.metrics.render(request.headers.get("accept", ""))
    return Response(body, media_type=media_type)


@admin_router.get("/usage", summary="What each key has used", responses=problem_responses(401, 403, 404, 429))
async def usage(service: ServiceDep) -> UsageReport:
    """Needs a key with the scope `admin`; where no keys are asked for there is nothing to tell (404)."""
    if service.keyring.is_open:
        raise ServiceError(404, "not_found", "There are no keys (API_KEYS_FILE), so there is nothing to tell of them.")
    return UsageReport(keys=service.keyring.usage())


def _warning(layout: LayoutDetector) -> str | None:
    """The reason alone where the wanted model serves, and something keeps it from serving each page."""
    if layout.warning:
        return f"{layout.warning}: {layout.reason}" if layout.reason else layout.warning
    return layout.reason if layout.state == "ready" else None


def _vlm(engine: EnginePool) -> VlmHealth:
    return VlmHealth(
        state=engine.state,
        state_s=int(engine.state_s),
        model=engine.model,
        engine=engine.kind,
        scripts=None if engine.scripts is None else list(engine.scripts),
        runtimes=engine.runtimes,
        reason=engine.reason,
        warning=engine.warning,
    )


def _engine(engines: EnginePool, endpoint: Endpoint) -> EngineHealth:
    monitor = endpoint.monitor
    why_left_out = engines.why_left_out(endpoint)
    return EngineHealth(
        engine=engines.label(endpoint),
        url=endpoint.name,
        state="draining" if endpoint.is_draining else monitor.state,
        state_s=int(monitor.state_s),
        model=monitor.model,
        running=endpoint.running,
        limit=endpoint.limit,
        is_left_out=why_left_out is not None,
        reason=monitor.reason or why_left_out,
    )


def _limitations(service: Service, jobs: JobService) -> list[str]:
    return service.limitations() + ([jobs.limitation] if jobs.limitation else [])


def _probe(request: Request, reasons: list[str], limitations: list[str] | None = None) -> Response:
    told = (lambda words: words) if is_key_holder(request) else _heads
    status: Literal["ok", "unavailable"] = "unavailable" if reasons else "ok"
    probe = Probe(status=status, reasons=told(reasons), limitations=told(limitations or []))
    return JSONResponse(probe.model_dump(), 503 if reasons else 200)
