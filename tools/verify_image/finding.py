"""What a check has found: a mark and, as data, the sentence that says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Mark = Literal["ok", "warn", "fail", "none"]
"""`none`: there was nothing to look at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`text`: a name in `texts.TEXTS`; `values`: what stands in its places, measured or said by the service."""

    mark: Mark
    text: str
    values: Mapping[str, str | int | float] = field(default_factory=dict)


def ok(text: str, **values: str | int | float) -> Finding:
    return Finding("ok", text, values)


def warn(text: str, **values: str | int | float) -> Finding:
    return Finding("warn", text, values)


def fail(text: str, **values: str | int | float) -> Finding:
    return Finding("fail", text, values)


def none(text: str, **values: str | int | float) -> Finding:
    return Finding("none", text, values)
