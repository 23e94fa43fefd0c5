"""Bytes of a request to what they ask for, refused in PaddleX's words."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pydantic_core
from pydantic import BaseModel, ValidationError

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.session import DocumentSource

Params = TypeVar("Params", bound=BaseModel)

_SCHEMES = ("http://", "https://")


def parse_object(body: bytes) -> Mapping[str, Any]:
    """The body's JSON object. ServiceError 422 `invalid_option`."""
    try:
        content = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise _refused([{"type": "json_invalid", "loc": "body", "msg": f"JSON decode error: {error}"}]) from None
    if not isinstance(content, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise _refused([{"type": "model_attributes_type", "loc": "body", "msg": message}])
    return content


def parse_request(model: type[Params], content: Mapping[str, Any]) -> Params:
    """ServiceError 422 `invalid_option`, its detail a JSON list of `type`, `loc` and `msg`, as PaddleX says it."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise _refused([{"type": one["type"], "loc": _path(one["loc"]), "msg": one["msg"]} for one in found]) from None


def log_id_of(content: Mapping[str, Any], request_id: str) -> str:
    """The id that the answer carries, a refusal too: the client's own, else the request's."""
    given = content.get("logId")
    return given if isinstance(given, str) and given else request_id


def source_of(file: str) -> DocumentSource:
    """The document that `file` is or names.

    Raises ServiceError: 400 `invalid_base64`, `empty_document`; 503 `storage_unavailable`.

    Characters outside base64's alphabet are skipped, as PaddleX does; the head of a `data:` URL too, which PaddleX
    takes for data.
    """
    if file.startswith(_SCHEMES):
        return DocumentSource(None, url=file)
    head, comma, payload = file.partition(",") if file.startswith("data:") else ("", "", "")
    try:
        data = base64.b64decode(payload if head and comma else file)
    except (binascii.Error, ValueError) as error:
        raise ServiceError(400, "invalid_base64", f"`file` is neither a URL nor base64: {error}.") from None
    if not data:
        raise ServiceError(400, "empty_document", "`file` is empty.")
    return DocumentSource(SpooledFile.from_bytes(data))


def _path(loc: Sequence[str | int]) -> str:
    return "body" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def _refused(problems: Sequence[Mapping[str, str]]) -> ServiceError:
    return ServiceError(422, "invalid_option", json.dumps(problems))
