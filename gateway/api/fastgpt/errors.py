"""FastGPT's answer, which tells of failures too."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from gateway.api.problems import PROBLEMS, ErrorDialect
from gateway.errors import ServiceError

PATHS = frozenset({"/v1/parse/file", "/v2/parse/file"})


class ParsedFile(BaseModel):
    success: bool = True
    pages: int = Field(0, description="Pages that were read")
    markdown: str = Field("", description="Pictures are `data:` URLs")
    error: str | None = Field(None, description="Why there is nothing; FastGPT shows it")


def make_failure(error: ServiceError) -> ParsedFile:
    return ParsedFile(success=False, error=error.detail)


def parser_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of failures."""
    return {status: {"model": ParsedFile, "description": HTTPStatus(status).phrase} for status in statuses}


DIALECT = ErrorDialect(
    owns=lambda path: path in PATHS,
    status=lambda error: error.status,
    body=lambda error, _scope: make_failure(error),
    event=PROBLEMS.event,
)
"""It has no streams."""
