"""A job as the clients of PaddleOCR's hosted service submit it: JSON with a URL, or a form with a file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from pydantic import ValidationError

from gateway.api.brief_errors import brief_errors
from gateway.api.ocr.request import Upload, read_upload
from gateway.api.paddleocr.schema import Submission
from gateway.conversion.json_bodies import MAX_NODES, parse_json
from gateway.errors import ServiceError
from gateway.intake.fetch import parse_url_filename
from gateway.session import DocumentSource

DIALECT_NAME = "paddleocr"
MAX_SUBMISSION_BYTES = 65_536
"""Of JSON, which holds no document."""


async def read_submission(request: Request) -> tuple[Submission, DocumentSource]:
    """ServiceError 400 and 415 for what can't be understood."""
    body = await read_upload(request)
    if isinstance(body, Upload):
        return _parse(dict(body.options)), body.source
    if body.size > MAX_SUBMISSION_BYTES:
        raise ServiceError(413, "body_too_large", "Send the document as `fileUrl`, or in a form as the part `file`.")
    content = await asyncio.to_thread(lambda: parse_json(body.read(), MAX_NODES))
    if not isinstance(content, dict):
        raise ServiceError(400, "invalid_json", "The body must be a JSON object.")
    submission = _parse(content)
    if not submission.file_url:
        raise ServiceError(400, "no_source", "Send the document as `fileUrl`, or in a form as the part `file`.")
    return submission, DocumentSource(None, parse_url_filename(submission.file_url), url=submission.file_url)


def _parse(content: Mapping[str, Any]) -> Submission:
    try:
        submission = Submission.model_validate(content)
        submission.params  # noqa: B018 - refuses here what can't be read later
    except ValidationError as error:
        first = brief_errors(error)[0]
        where = ".".join(map(str, first.loc))
        raise ServiceError(
            400, "invalid_option", f"`{where}`: {first.message.removeprefix('Value error, ')}."
        ) from None
    return submission
