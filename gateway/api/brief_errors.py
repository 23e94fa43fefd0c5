"""What pydantic finds wrong with a request, in few and short words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

MAX_ERRORS = 10
_MAX_STEPS = 12
_MAX_STEP = 80
_MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class BriefError:
    """`type` is pydantic's; `loc` the way to the value at fault."""

    type: str
    loc: Sequence[str | int]
    message: str


def brief_errors(error: ValidationError) -> list[BriefError]:
    """The first `MAX_ERRORS`, without the values, which are the client's."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        BriefError(
            one["type"],
            [step[:_MAX_STEP] if isinstance(step, str) else step for step in one["loc"][:_MAX_STEPS]],
            one["msg"][:_MAX_MESSAGE],
        )
        for one in found[:MAX_ERRORS]
    ]
