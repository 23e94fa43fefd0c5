"""Azure's routes: an analysis is begun, polled, and what it made is fetched. Begun and polled on the paths of Form
Recognizer too."""

from __future__ import annotations

import asyncio
from typing import Annotated

import cv2
import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Security
from fastapi.security import APIKeyHeader
from starlette.responses import Response

from gateway.api.admission import Admission, begin_submission, cancel_on_disconnect, require_json
from gateway.api.auth import authorization_header, key_header, require_key
from gateway.api.azure.errors import FORM_MODELS, MODELS, azure_responses
from gateway.api.azure.result import ResultWriter, find_figures
from gateway.api.azure.schema import (
    API_VERSION,
    DOCUMENT,
    FORM_API_VERSION,
    LAYOUT,
    READ,
    AnalyzeOperation,
    AnalyzeOptions,
    AnalyzeRequest,
    describe_operation,
)
from gateway.api.chunked_response import ChunkedResponse
from gateway.api.deps import JobsDep, RequestScope, ServiceDep
from gateway.api.fastapi_errors import parse_fields
from gateway.api.forms import content_type_of
from gateway.api.jobs.dialect_tasks import find_task, load_pages, submit_task
from gateway.api.jobs.results import build_result, require_result
from gateway.api.ocr.options import RequestOptions
from gateway.api.openapi import inlined_schema
from gateway.api.problems import route_path
from gateway.api.signed_links import LinksDep, base_url_of
from gateway.conversion.json_bodies import DocumentPlace
from gateway.errors import ServiceError
from gateway.imaging.png import encode_png
from gateway.intake.fetch import parse_url_filename
from gateway.intake.sniff import HEAD_BYTES, PDF, media_type
from gateway.intake.spool import SpooledFile
from gateway.jobs.catalog import Job
from gateway.jobs.service import JobService
from gateway.jobs.store import JobStore
from gateway.service import Service
from gateway.session import DocumentSource

DIALECT_NAME = "azure"
_RESULT = "/{model_id}/analyzeResults/{result_id}"
_POLL = {"Retry-After": "1"}
"""Seconds; clients that are told none wait for half a minute."""
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_CONTENT = {"application/json": {"schema": inlined_schema(AnalyzeRequest)}, "application/octet-stream": _BYTES}
_MISSING = azure_responses(401, 404)
_DOCUMENT_PLACES = [DocumentPlace(("base64Source",), "base64")]
_OCTETS = "application/octet-stream"
_API_VERSIONS = {MODELS: API_VERSION, FORM_MODELS: FORM_API_VERSION}
subscription_header = APIKeyHeader(
    name="Ocp-Apim-Subscription-Key", auto_error=False, description="One of `API_KEYS`, as Azure's clients send it"
)


async def require_subscription_key(
    request: Request,
    _subscription: Annotated[str | None, Security(subscription_header)] = None,
    _key: Annotated[str | None, Security(key_header)] = None,
    _authorization: Annotated[str | None, Security(authorization_header)] = None,
) -> None:
    """As `require_key`; OpenAPI tells of Azure's header besides."""
    await require_key(request, "ocr")


router = APIRouter(tags=["azure"], dependencies=[Depends(require_subscription_key)])
analyses = APIRouter()
"""What both families of paths have."""


@analyses.post(
    "/{model_id}:analyze",
    summary="Analyze a document, as Azure does",
    description=f"Models: `{READ}` and `{LAYOUT}`, for Form Recognizer's clients `{DOCUMENT}` too. "
    "The header `Operation-Location` says where to ask for the result.",
    status_code=202,
    response_class=Response,
    responses=azure_responses(400, 401, 404, 408, 413, 415, 429, 500, 503, 507),
    openapi_extra={"requestBody": {"required": True, "content": _CONTENT}},
)
async def analyze(
    request: Request,
    service: ServiceDep,
    jobs: JobsDep,
    scope: RequestScope,
    model_id: str,
    options: Annotated[AnalyzeOptions, Query()],
) -> Response:
    models = FORM_MODELS if route_path(request.scope).startswith(FORM_MODELS) else MODELS
    _check_model(models, model_id, options)
    admission = begin_submission(request, service, scope)
    source = await _read_source(request, service, admission)
    job = await submit_task(
        request,
        service.settings,
        jobs,
        source,
        dialect=DIALECT_NAME,
        options=options.for_pipeline(),
        submission={
            "model": model_id,
            "api_version": _API_VERSIONS[models],
            "options": options.model_dump(mode="json"),
        },
    )
    # Clients take the id from an absolute URL of this form.
    location = f"{base_url_of(request)}{models}/{model_id}/analyzeResults/{job.record.id}"
    # Some take it from this header, which is the same at Azure.
    headers = {"Operation-Location": location, "apim-request-id": job.record.id, **_POLL}
    return Response(status_code=202, headers=headers)


@analyses.get(_RESULT, summary="An analysis and its result", response_model=AnalyzeOperation, responses=_MISSING)
async def show(request: Request, jobs: JobsDep, model_id: str, result_id: str) -> Response:
    job = await _find(request, jobs, model_id, result_id)
    if job.state == "done":
        return await asyncio.to_thread(_build_operation, jobs.store, job)
    headers = _POLL if job.state in ("queued", "running") else {}
    return ChunkedResponse([_dump(describe_operation(job))], {"Content-Type": "application/json", **headers})


@router.delete(f"{MODELS}{_RESULT}", summary="Delete an analysis", status_code=204, responses=_MISSING)
async def delete(request: Request, jobs: JobsDep, model_id: str, result_id: str) -> Response:
    await jobs.delete(await _find(request, jobs, model_id, result_id))
    return Response(status_code=204)


@router.get(
    f"{MODELS}{_RESULT}/pdf",
    summary="The searchable PDF",
    response_class=Response,
    responses={
        200: {"content": {"application/pdf": _BYTES}},
        **azure_responses(400, 401, 404, 409, 410, 413, 503, 504),
    },
)
async def show_pdf(
    request: Request,
    service: ServiceDep,
    jobs: JobsDep,
    links: LinksDep,
    scope: RequestScope,
    model_id: str,
    result_id: str,
) -> Response:
    job = await _find(request, jobs, model_id, result_id)
    if "pdf" not in _options(job).output:
        raise ServiceError(404, "not_found", "The analysis was begun without `output=pdf`.")
    admission = begin_submission(request, service, scope)
    building = build_result(service, jobs.store, job, RequestOptions(format="pdf"), links, admission)
    return await cancel_on_disconnect(request.receive, building)


@router.get(
    f"{MODELS}{_RESULT}/figures/{{figure_id}}",
    summary="The picture of a figure",
    response_class=Response,
    responses={200: {"content": {"image/png": _BYTES}}, **azure_responses(401, 404, 409)},
)
async def show_figure(request: Request, jobs: JobsDep, model_id: str, result_id: str, figure_id: str) -> Response:
    job = await _find(request, jobs, model_id, result_id)
    picture = await asyncio.to_thread(_load_figure, jobs.store, job, figure_id)
    if picture is None:
        raise ServiceError(404, "not_found", "There is no such figure, or it was not asked for: `output=figures`.")
    return Response(await asyncio.to_thread(_convert_to_png, picture), media_type="image/png")


async def _find(request: Request, jobs: JobService, model_id: str, result_id: str) -> Job:
    """ServiceError 404 `not_found` for another model's result too."""
    job = await find_task(request, jobs, result_id, DIALECT_NAME)
    if job.record.submission["model"] != model_id:
        raise ServiceError(404, "not_found", "The result is another model's.")
    return job


def _options(job: Job) -> AnalyzeOptions:
    return AnalyzeOptions.model_validate(job.record.submission["options"])


def _build_operation(store: JobStore, job: Job) -> ChunkedResponse:
    """Blocks. Raises as `load_pages`."""
    asked = job.record.submission
    document = require_result(job).document
    writer = ResultWriter(asked["model"], asked.get("api_version", API_VERSION), _options(job), document)
    for page, _ in load_pages(store, job):
        writer.add(page)
    headers = {"Content-Type": "application/json"}
    if writer.failure:
        return ChunkedResponse([_dump(describe_operation(job, writer.failure))], headers)
    operation = describe_operation(job).model_copy(update={"analyze_result": {}})
    # The result is the last of its fields, and large.
    before, _, after = _dump(operation).rpartition(b"{}")
    return ChunkedResponse([before, *writer.pieces(), after], headers)


def _load_figure(store: JobStore, job: Job, figure_id: str) -> bytes | None:
    """Its JPEG. Blocks. Raises as `require_result`."""
    plan = require_result(job)
    number = figure_id.partition(".")[0]
    found = next((page for page in plan.pages if str(page) == number), None)
    stored = store.page(job.record.id, found) if found is not None else None
    key = find_figures(stored.result).get(figure_id) if stored else None
    return store.picture(job.record.id, key) if key else None


def _convert_to_png(picture: bytes) -> bytes:
    """Azure's figures are PNG, and its clients name them so."""
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    return encode_png(np.asarray(pixels, dtype=np.uint8))


def _dump(operation: AnalyzeOperation) -> bytes:
    return operation.model_dump_json(by_alias=True, exclude_none=True).encode()


def _check_model(models: str, model_id: str, options: AnalyzeOptions) -> None:
    """ServiceError 404 `model_not_found`, 422 `invalid_option`."""
    known = [READ, LAYOUT, *([DOCUMENT] if models == FORM_MODELS else [])]
    if model_id not in known:
        names = ", ".join(f"`{name}`" for name in known)
        raise ServiceError(404, "model_not_found", f"The models here are {names}.", param="modelId")
    if model_id == READ and "figures" in options.output:
        raise ServiceError(422, "invalid_option", f"`{READ}` finds no figures; `{LAYOUT}` does.", param="output")


async def _read_source(request: Request, service: Service, admission: Admission) -> DocumentSource:
    """Raises as `ConversionPool.split` and `media_type`, and ServiceError 415 `unsupported_content_type`, 422
    `no_source`, `invalid_option`."""
    body = await admission.read_body(_read_body(request))
    if _is_document_type(request):
        return _check_document(body)
    work = service.conversion.split(_DOCUMENT_PLACES, body, admission.flow, admission.deadline)
    sent = await cancel_on_disconnect(request.receive, work)
    asked = parse_fields(AnalyzeRequest, sent.rest)
    if (asked.url_source is None) == (asked.base64_source is None):
        raise ServiceError(422, "no_source", "Send one of `urlSource` and `base64Source`.")
    if asked.url_source is not None:
        return DocumentSource(None, parse_url_filename(asked.url_source), url=asked.url_source)
    return _check_document(sent.document)


async def _read_body(request: Request) -> SpooledFile:
    if not _is_document_type(request):
        require_json(request)
    return await SpooledFile.from_stream(request.stream())


def _is_document_type(request: Request) -> bool:
    kind = content_type_of(request)
    return kind in (_OCTETS, PDF) or kind.startswith("image/")


def _check_document(content: SpooledFile | None) -> DocumentSource:
    """Azure tells at once of what is no document."""
    media_type(content.read(HEAD_BYTES) if content else b"")
    return DocumentSource(content, "")


for _models in (MODELS, FORM_MODELS):
    router.include_router(analyses, prefix=_models)
