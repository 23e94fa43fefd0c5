"""Failures as PaddleOCR's hosted service says them: `code` and `msg`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from gateway.api.problems import PROBLEMS, ErrorDialect, request_id
from gateway.errors import ServiceError

PATH = "/api/v2/ocr/jobs"
_BAD_REQUEST = frozenset({413, 415, 422})
"""Its clients know 400 for what is wrong with a request."""


class ErrorEnvelope(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    code: int = Field(description="The HTTP status", examples=[404])
    msg: str
    trace_id: str


def paddleocr_status(error: ServiceError) -> int:
    return 400 if error.status in _BAD_REQUEST else error.status


DIALECT = ErrorDialect(
    owns=lambda path: path == PATH or path.startswith(f"{PATH}/"),
    status=paddleocr_status,
    body=lambda error, scope: ErrorEnvelope(code=paddleocr_status(error), msg=error.detail, trace_id=request_id(scope)),
    event=PROBLEMS.event,
)
"""It has no streams."""
