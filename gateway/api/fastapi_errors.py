"""Forms checked and failures said as FastAPI's own servers do: `detail` is a sentence, or a list of fields at fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import FormData, UploadFile

from gateway.api.brief_errors import brief_errors
from gateway.api.forms import content_type_of, keep_document, read_form, text_fields
from gateway.api.problems import PROBLEMS, ErrorDialect
from gateway.errors import ServiceError
from gateway.session import DocumentSource

Model = TypeVar("Model", bound=BaseModel)
_INVALID = frozenset({400, 415})
_STEP_END = re.compile(r"[.\[\]]")
_LIST_INDEX = re.compile(r"[0-9]{1,9}")


class FieldError(BaseModel):
    loc: list[str | int] = Field(description="The way to the value at fault", examples=[["body", "options"]])
    msg: str
    type: str = Field(examples=["invalid_option"])


class FastApiError(BaseModel):
    detail: str | list[FieldError]


def parse_fields(model: type[Model], content: Any) -> Model:  # noqa: ANN401 - whatever JSON or a form can hold
    """ServiceError 422 `invalid_option` that names the first field at fault in `param`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = brief_errors(error)[0]
        message = first.message.removeprefix("Value error, ")
        raise ServiceError(422, "invalid_option", message, param=".".join(map(str, first.loc))) from None


def require_form(request: Request, field: str, code: str = "invalid_option") -> None:
    """ServiceError 422, as for a form without `field`, where the body is none."""
    if content_type_of(request) != "multipart/form-data":
        raise missing_field(field, code)


def find_only_file(form: FormData, field: str) -> UploadFile:
    """ServiceError 422 `invalid_option` where there is none, or several."""
    files = [value for name, value in form.multi_items() if name == field and isinstance(value, UploadFile)]
    if not files:
        raise missing_field(field)
    if len(files) > 1:
        raise ServiceError(422, "invalid_option", "One document at a time; send one request for each.", param=field)
    return files[0]


async def read_document_form(request: Request, field: str, model: type[Model]) -> tuple[DocumentSource, Model]:
    """A form of one file and of other fields. Raises as `read_form` and `keep_document`; ServiceError 422
    `invalid_option`."""
    require_form(request, field)
    async with read_form(request) as form:
        options = parse_fields(model, dict(text_fields(form)))
        return await keep_document(find_only_file(form, field)), options


def missing_field(name: str, code: str = "invalid_option") -> ServiceError:
    return ServiceError(422, code, "Field required", param=name)


def field_errors(error: ServiceError) -> list[FieldError]:
    steps = (step for step in _STEP_END.split(error.param or "") if step)
    fields = [int(step) if _LIST_INDEX.fullmatch(step) else step for step in steps]
    return [FieldError(loc=[error.part, *fields], msg=error.detail, type=error.code)]


def fastapi_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of failures."""
    return {status: {"model": FastApiError, "description": HTTPStatus(status).phrase} for status in statuses}


def create_dialect(owns: Callable[[str], bool]) -> ErrorDialect:
    """The failures of the paths that `owns` is true of, which have no streams."""
    return ErrorDialect(owns, _map_status, lambda error, _scope: _make_error(error), PROBLEMS.event)


def _map_status(error: ServiceError) -> int:
    """FastAPI answers 422 to whatever is wrong with a request."""
    return 422 if error.status in _INVALID else error.status


def _make_error(error: ServiceError) -> FastApiError:
    is_field = error.code == "invalid_option" or error.param is not None
    return FastApiError(detail=field_errors(error) if is_field else error.detail)
