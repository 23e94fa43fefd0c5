"""`POST /jobs`: documents as `POST /ocr` takes one, each kept as a job; and what OpenAPI says of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from fastapi import Request

from gateway.api.admission import Admission, cancel_on_disconnect
from gateway.api.auth import owner_of
from gateway.api.idempotency import HEADER, validate_key
from gateway.api.ocr.descriptions import OCR_REQUEST
from gateway.api.ocr.options import Pair, RequestOptions, check_types, parse_options
from gateway.api.ocr.request import Upload, parse_source, parse_upload, read_upload
from gateway.api.signed_links import base_url_of
from gateway.conversion.conversion_pool import SplitBody
from gateway.conversion.json_bodies import DocumentPlace
from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.jobs.catalog import create_id
from gateway.jobs.store import JobRecord, Webhook
from gateway.jobs.webhooks import MAX_URL
from gateway.service import Service
from gateway.session import DocumentSource
from gateway.settings import Settings
from gateway.tracing import trace_headers

_BATCH = re.compile(r"[\x21-\x7e]{1,128}")
_MIN_KEEP_S = 60.0


SUBMIT_DESCRIPTION = """Takes what `POST /ocr` takes, but for `stream`, and answers as soon as the document is safe on
the disk: 202 with the job, whose path stands in `Location`. The job outlives the connection and the process.

With an `Idempotency-Key` the same request, sent again, finds the job that it made before.

Several parts `file` of a form, or in JSON a list `sources` in place of `source`, make a batch: a job for each, all or
none of them kept. The answer names the batch and its jobs, and `Location` lists them.
"""

_DOCUMENT_PLACES = [DocumentPlace(("source", "base64"), "base64"), DocumentPlace(("sources", "*", "base64"), "base64")]
MAX_SOURCES = 100
"""Documents of one batch."""

_JOB_OPTIONS: dict[str, dict[str, Any]] = {
    "keep_s": {"type": "number", "description": "Seconds that the job is kept after its end; default `JOBS_KEEP_S`"},
    "batch": {"type": "string", "maxLength": 128, "description": "A name of yours for several jobs, to list them by"},
    "webhook": {"type": "string", "maxLength": MAX_URL, "description": "URL that is told when the job has ended"},
}


def _request_body() -> dict[str, Any]:
    body: dict[str, Any] = deepcopy(OCR_REQUEST["requestBody"])
    form = body["content"]["multipart/form-data"]["schema"]["properties"]
    form["file"] = {"type": "array", "items": form["file"], "maxItems": MAX_SOURCES}
    schema = body["content"]["application/json"]["schema"]
    source = schema["properties"]["source"]
    schema["properties"]["sources"] = {"type": "array", "items": source, "minItems": 1, "maxItems": MAX_SOURCES}
    schema["required"] = [name for name in schema.get("required", ()) if name != "source"]
    return body


SUBMIT_REQUEST: dict[str, Any] = {
    "parameters": [
        *(parameter for parameter in OCR_REQUEST["parameters"] if parameter["name"] != "stream"),
        *(
            {"name": name, "in": "query", "required": False, "schema": schema, "description": schema["description"]}
            for name, schema in _JOB_OPTIONS.items()
        ),
    ],
    "requestBody": _request_body(),
}


async def read_submission(request: Request, service: Service, admission: Admission) -> Upload:
    """Raises as `read_upload`, `ConversionPool.split` and `parse_upload`, and ServiceError 422 `too_many_sources`."""
    body = await admission.read_body(read_upload(request, MAX_SOURCES))
    if isinstance(body, Upload):
        return body
    work = service.conversion.split(_DOCUMENT_PLACES, body, admission.flow, admission.deadline, takes_all=True)
    content = await cancel_on_disconnect(request.receive, work)
    return await asyncio.to_thread(_parse_submission, content)


def _parse_submission(body: SplitBody) -> Upload:
    if "sources" not in body.rest:
        return parse_upload(body)
    options = {name: value for name, value in body.rest.items() if name not in ("source", "sources")}
    check_types(options)
    sources = body.rest["sources"]
    if "source" in body.rest or not isinstance(sources, list) or not sources:
        raise ServiceError(400, "no_source", "`sources` must be a list of sources, and stands alone.")
    if len(sources) > MAX_SOURCES:
        raise ServiceError(422, "too_many_sources", f"A batch has {MAX_SOURCES} documents at most.")
    documents = iter(body.document.split(body.sizes) if body.document else ())
    parsed = [_parse_item(at, source, documents) for at, source in enumerate(sources)]
    return Upload(parsed[0], list(options.items()), parsed[1:])


def _parse_item(at: int, source: object, documents: Iterator[SpooledFile]) -> DocumentSource:
    try:
        return parse_source(source, next(documents, None) if _holds_text(source) else None)
    except ServiceError as error:
        raise error.about(f"`sources[{at}]`") from None


def _holds_text(source: object) -> bool:
    """Whether the conversion has taken a document out of it."""
    return isinstance(source, dict) and isinstance(source.get("base64"), str)


async def make_records(request: Request, upload: Upload, settings: Settings) -> list[JobRecord]:
    """One for each document of the upload. Raises ServiceError 400 `invalid_idempotency_key`, 422 for options that
    can't be taken."""
    pairs = [*request.query_params.multi_items(), *upload.options]
    keep, names, webhook = (_take(pairs, name) for name in _JOB_OPTIONS)
    params = parse_options(pairs, request.headers.get("accept", ""), taken=_JOB_OPTIONS)
    if params.stream:
        raise ServiceError(422, "conflicting_option", "A job has no `stream`; its `/events` tell of its pages.")
    key = request.headers.get(HEADER)
    if key is not None:
        validate_key(key)
    owner = owner_of(request)
    batch = _batch(names) or (None if upload.others is None else create_id(owner, None, key and f"{key}\nbatch"))
    common = JobRecord(
        id="",
        owner=owner,
        created=time.time(),
        keep_s=_keep_s(keep, settings),
        batch=batch,
        webhook=_webhook(webhook, base_url_of(request)),
        password=params.password,
        # Pictures are kept as files whatever becomes of them in a result, and its JSON shows all blocks.
        options=replace(
            params.for_pipeline(), images="none" if params.images == "none" else "inline", read_ignored=True
        ),
        trace=dict(trace_headers()),
        # Those that were sent: a gateway of another version may know fewer, or more.
        params=params.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude={"stream", "password"}),
    )
    if key is not None:
        digest = await asyncio.to_thread(_fingerprint, common, upload)
        common = common.model_copy(update={"fingerprint": digest})
    ids = [create_id(owner, batch, key and (f"{key}\n{at}" if at else key)) for at in range(len(upload.sources))]
    return [_record_of(source, common, id, ids[-1]) for source, id in zip(upload.sources, ids, strict=True)]


def _record_of(source: DocumentSource, common: JobRecord, job_id: str, last_id: str) -> JobRecord:
    given = {
        "id": job_id,
        "name": source.name,
        "url": source.url,
        "s3_key": source.s3.key if source.s3 else None,
        "s3_bucket": source.s3.bucket if source.s3 else None,
        "completed_by": last_id if last_id != job_id else None,
    }
    return common.model_copy(update=given)


def load_params(record: JobRecord) -> RequestOptions:
    """Without options that only a later version knows, whose gateway may have taken the job."""
    return RequestOptions.model_validate({k: v for k, v in record.params.items() if k in RequestOptions.model_fields})


def _fingerprint(common: JobRecord, upload: Upload) -> str:
    """Of all that was asked for with an Idempotency-Key, the same in all versions. Blocks."""
    asked = {
        "sources": [_describe_source(source) for source in upload.sources],
        "batch": common.batch,
        "options": common.params,
        "webhook": common.webhook.url if common.webhook else None,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _describe_source(source: DocumentSource) -> Sequence[str | None]:
    sha256 = source.content.sha256.hex() if source.content else None
    bucket, key = (source.s3.bucket, source.s3.key) if source.s3 else (None, None)
    return sha256, source.name, source.url, bucket, key


def _take(pairs: list[Pair], name: str) -> Sequence[str]:
    taken = [str(value) for key, value in pairs if key == name and value not in (None, "")]
    pairs[:] = [pair for pair in pairs if pair[0] != name]
    return taken


def _keep_s(given: Sequence[str], settings: Settings) -> float:
    if not given:
        return settings.jobs_keep_s
    try:
        keep_s = float(given[0])
    except ValueError:
        keep_s = 0
    if len(given) > 1 or not _MIN_KEEP_S <= keep_s <= settings.jobs_keep_s:
        bounds = f"{_MIN_KEEP_S:g} to {settings.jobs_keep_s:g} seconds (JOBS_KEEP_S)"
        raise ServiceError(422, "invalid_option", f"`keep_s` must be one number, {bounds}.")
    return keep_s


def _batch(given: Sequence[str]) -> str | None:
    if not given:
        return None
    if len(given) > 1 or not _BATCH.fullmatch(given[0]):
        raise ServiceError(422, "invalid_option", "`batch` must be one name of 1 to 128 printable ASCII characters.")
    return given[0]


def _webhook(given: Sequence[str], base_url: str) -> Webhook | None:
    if len(given) > 1:
        raise ServiceError(422, "invalid_option", "`webhook` must be one URL.")
    return Webhook(url=given[0], base_url=base_url) if given else None
