"""Writes docs/settings.md from all settings tables, so that code and documentation cannot differ.

python -m tools.settings_doc
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from gateway.settings import Settings as GatewaySettings
from supervision.settings import Settings as StartSettings
from vlm_backend.settings import Settings as VlmSettings

TARGET = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

PREFACE = """\
# Settings

<!-- Written by `make docs` from the settings.py of common, gateway, vlm_backend and supervision; edit those. -->

Every setting is an environment variable. A file `.env` in the working folder is read too; the environment wins over
it. An empty value means the default. `make run PORT=9000` and `PORT=9000 paddleocr-vl serve` do the same.

Relative paths are taken from the working folder, which is that of the checkout for `make run`. A value that is not
accepted stops the start with one sentence that names the setting.
"""

START_SCRIPT = """\
## Start script

`PYTHON`, `GATEWAY_PYTHON` and `VLM_PYTHON` are read from the environment alone, not from `.env`.

"""

INTERPRETERS = """\
| `PYTHON` | newest of 3.11 to 3.14 | path | Interpreter that the environments are made with |
| `GATEWAY_PYTHON` | the one that starts the service | path | Interpreter that runs the gateway |
| `VLM_PYTHON` | the one that starts the service | path | Interpreter that runs the VLM tier |
"""

Fields = Mapping[str, FieldInfo]
KINDS: dict[Any, str] = {int: "whole number", float: "number", bool: "`true`, `false`", Path: "path", str: "text"}
BOUNDS = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}


def values_text(field: FieldInfo) -> str:
    """What a setting may be: its choices, or its kind with its bounds."""
    annotation = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    return ", ".join([KINDS[annotation], *bounds_text(field)])


def bounds_text(field: FieldInfo) -> Iterator[str]:
    for constraint in field.metadata:
        if type(constraint) in BOUNDS:
            sign, attribute = BOUNDS[type(constraint)]
            yield f"{sign} {getattr(constraint, attribute)}"


def default_text(field: FieldInfo) -> str:
    if field.default in (None, ""):
        return "none"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f"`{field.default}`"


def table_text(fields: Fields) -> str:
    rows = ["| name | default | values | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        rows.append(f"| `{name.upper()}` | {default_text(field)} | {values_text(field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def document_text() -> str:
    gateway, vlm = GatewaySettings.model_fields, VlmSettings.model_fields
    shared = gateway.keys() & vlm.keys()
    sections = (
        ("Both tiers", {name: gateway[name] for name in gateway if name in shared}),
        ("Gateway", {name: gateway[name] for name in gateway if name not in shared}),
        ("VLM tier", {name: vlm[name] for name in vlm if name not in shared}),
    )
    tables = [f"## {title}\n\n{table_text(fields)}" for title, fields in sections if fields]
    return "\n".join([PREFACE, *tables, START_SCRIPT + table_text(StartSettings.model_fields) + INTERPRETERS])


if __name__ == "__main__":
    TARGET.write_text(document_text(), encoding="utf-8")
