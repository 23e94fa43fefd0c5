"""What Mistral's clients send: the document of `/v1/ocr`, wherever it is, and the form of `/v1/files`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from gateway.api.auth import owner_of
from gateway.api.fastapi_errors import missing_field, parse_fields, require_form
from gateway.api.forms import keep_file, read_form, text_fields
from gateway.api.mistral.errors import FILES
from gateway.api.mistral.schema import OcrRequest
from gateway.api.signed_links import Links
from gateway.conversion.conversion_pool import SplitBody
from gateway.conversion.json_bodies import DocumentPlace
from gateway.errors import ServiceError
from gateway.intake.document import clean_name
from gateway.intake.sniff import HEAD_BYTES, media_type
from gateway.intake.spool import SpooledFile
from gateway.intake.url_rules import MAX_URL
from gateway.session import DocumentSource
from gateway.storage.files import FileStore
from gateway.storage.keys import DOCUMENT_ID

DOCUMENT_PLACES = [
    DocumentPlace(("document", *way), "data_url") for way in (("document_url",), ("image_url",), ("image_url", "url"))
]
SIGNED = "signed"
"""The last part of an uploaded file's own URL."""
HOUR_S = 3600


class UploadFields(BaseModel):
    """Fields of a form beside `file`. Those that the service does not know are ignored."""

    purpose: str = Field("ocr", max_length=40, description="Kept and shown; every file can be read")
    expiry: int | None = Field(None, ge=1, description="Hours until the file goes, at most `FILES_KEEP_S`")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    content: SpooledFile
    name: str
    purpose: str
    media_type: str | None
    keep_s: float | None


async def read_upload(request: Request) -> UploadedFile:
    """Raises as `read_form`; ServiceError 422 `invalid_option`, `no_source`."""
    require_form(request, "file", "no_source")
    async with read_form(request) as form:
        file = form.get("file")
        asked = parse_fields(UploadFields, dict(text_fields(form)))
        if not isinstance(file, UploadFile):
            raise missing_field("file", "no_source")
        content, name = await keep_file(file), clean_name(file.filename or "")
    keep_s = asked.expiry * HOUR_S if asked.expiry else None
    return UploadedFile(content, name, asked.purpose, _media_type(content), keep_s)


def parse_ocr_request(body: SplitBody) -> OcrRequest:
    """ServiceError 422 `invalid_option` that names the field."""
    return parse_fields(OcrRequest, body.rest)


async def open_source(
    request: Request, files: FileStore, links: Links, asked: OcrRequest, sent: SpooledFile | None
) -> DocumentSource:
    """The document, which `sent` holds where it came in the body.

    ServiceError 404 `not_found`, 410 `link_expired`, 422 `no_source`, 503 `storage_unavailable`.
    """
    document, url = asked.document, asked.document.url
    name = document.document_name or ""
    if document.file_id is not None:
        file = await asyncio.to_thread(files.find, document.file_id, owner_of(request))
        return DocumentSource(await asyncio.to_thread(files.open, file), name or file.name)
    if sent is not None and sent.size:
        return DocumentSource(sent, name)
    if not url:
        raise ServiceError(422, "no_source", "The document is empty.", param="document")
    file_id = await asyncio.to_thread(_own_file, url, links)
    if file_id is None:
        return DocumentSource(None, name, url=url)
    file = await asyncio.to_thread(files.find, file_id, None)
    return DocumentSource(await asyncio.to_thread(files.open, file), name or file.name)


def make_signed_path(file_id: str) -> str:
    return f"{FILES}/{file_id}/{SIGNED}"


def _own_file(url: str, links: Links) -> str | None:
    """The id in a URL that this service has signed; None for any other. Such a URL is not fetched, whose address may
    be one that the service must not ask."""
    if len(url) > MAX_URL:
        return None
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        expires, signature = int(query["expires"][0]), query["signature"][0]
    except (KeyError, ValueError):
        return None
    file_id = parts.path.rpartition(f"{FILES}/")[2].removesuffix(f"/{SIGNED}")
    if not DOCUMENT_ID.fullmatch(file_id) or not parts.path.endswith(make_signed_path(file_id)):
        return None
    try:
        links.verify(make_signed_path(file_id), expires, signature)
    except ServiceError as error:
        if error.code == "link_invalid":
            return None
        raise
    return file_id


def _media_type(content: SpooledFile) -> str | None:
    try:
        return media_type(content.read(HEAD_BYTES))
    except ServiceError:
        return None


def upload_schema() -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "description": "The document"}
    return {"file": file, **UploadFields.model_json_schema()["properties"]}
