"""What OpenAPI says of the service: bodies that FastAPI does not parse, and keys only where they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel


def inlined_schema(model: type[BaseModel]) -> dict[str, Any]:
    """A schema that stands by itself: a path's schema can't point to definitions of its own."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolve(definitions[node["$ref"].rpartition("/")[2]])
        return {key: resolve(value) for key, value in node.items() if key != "discriminator"}

    result: dict[str, Any] = resolve(schema)
    return result


def written_schemas(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Schemas of values that come as text, which can't say null."""
    return {name: _drop_null(schema) for name, schema in schemas.items()}


def _drop_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key != "anyOf" and value is not None}
    return {**rest, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})}


def keep_schema(app: FastAPI) -> None:
    """Has the schema made once, whatever threads ask for it. To be called last, when all routes are there.

    FastAPI makes one for each that asks meanwhile, which takes half a second and changes the process's filters of
    warnings.
    """
    describe, turn = app.openapi, threading.Lock()

    def describe_once() -> dict[str, Any]:
        with turn:
            app.openapi_schema = app.openapi_schema or describe()
            return app.openapi_schema

    app.openapi = describe_once  # type: ignore[method-assign]


def hide_keys(app: FastAPI) -> None:
    """Leaves `security` out of the application's schema: for a service without keys."""
    describe = app.openapi

    def describe_without_keys() -> dict[str, Any]:
        schema = describe()
        schema.get("components", {}).pop("securitySchemes", None)
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation.pop("security", None)
        return schema

    app.openapi = describe_without_keys  # type: ignore[method-assign]


def add_key_limits(app: FastAPI) -> None:
    """Names the answers that limits and scopes of keys give, wherever a key is asked for."""
    describe = app.openapi

    def describe_with_limits() -> dict[str, Any]:
        schema = describe()
        for operations in schema["paths"].values():
            for operation in operations.values():
                if operation.get("security"):
                    operation["responses"].setdefault("403", {"description": "The key lacks the scope"})
                    operation["responses"].setdefault("429", {"description": "A limit of the key is reached"})
        return schema

    app.openapi = describe_with_limits  # type: ignore[method-assign]
