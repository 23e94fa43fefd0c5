"""Failures in PaddleX's envelope: `logId`, `errorCode`, `errorMsg`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from gateway.api.problems import PROBLEMS, ErrorDialect, request_id
from gateway.errors import ServiceError

LAYOUT_PARSING, RESTRUCTURE_PAGES = "/layout-parsing", "/restructure-pages"
QIANFAN = "/paddleocr"
"""Baidu's Qianfan has the first of them under this name."""
PATHS = frozenset({LAYOUT_PARSING, RESTRUCTURE_PAGES, QIANFAN})

_KEPT = frozenset({"body_too_large", "invalid_option"})
"""Not about the document itself, so said as they are."""
_INPUT_STATUSES = frozenset({400, 413, 415, 422})
_FAILED_DOWNLOAD = "url_timeout"
_VLM_FAILED = "recognition_failed"


class Envelope(BaseModel):
    """What PaddleX answers to whatever went wrong."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    log_id: str = Field(description="The request's `logId`, else the id in `X-Request-ID`")
    error_code: int = Field(description="The HTTP status", examples=[422])
    error_msg: str = Field(description="What is wrong; for fields a JSON list of `type`, `loc`, `msg` as a string")


def speaks_paddlex(path: str) -> bool:
    return path in PATHS


def paddlex_status(error: ServiceError) -> int:
    """PaddleX's own status where it has one: 422 for any document it can't take, 500 for a VLM that fails."""
    if _is_about_input(error):
        return 422
    return 500 if error.code == _VLM_FAILED else error.status


def paddlex_error(error: ServiceError, log_id: str) -> Envelope:
    message = f"Invalid input file: {error.detail}" if _is_about_input(error) else error.detail
    return Envelope(log_id=log_id, error_code=paddlex_status(error), error_msg=message)


def _is_about_input(error: ServiceError) -> bool:
    is_input = error.status in _INPUT_STATUSES or error.code == _FAILED_DOWNLOAD
    return is_input and error.code not in _KEPT


DIALECT = ErrorDialect(
    owns=speaks_paddlex,
    status=paddlex_status,
    body=lambda error, scope: paddlex_error(error, scope.get("log_id") or request_id(scope)),
    event=PROBLEMS.event,
)
"""PaddleX has no streams."""
