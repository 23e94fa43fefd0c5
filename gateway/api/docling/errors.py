"""The paths of docling-serve, whose failures are FastAPI's."""

from __future__ import annotations

from gateway.api.fastapi_errors import create_dialect

CONVERT = "/v1/convert"
STATUS = "/v1/status/poll"
RESULT = "/v1/result"
CHUNK = "/v1/chunk"

DIALECT = create_dialect(
    lambda path: path == "/version" or path.startswith((f"{CONVERT}/", f"{STATUS}/", f"{RESULT}/", f"{CHUNK}/"))
)
