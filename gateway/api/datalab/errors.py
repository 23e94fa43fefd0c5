"""The paths of Datalab's Marker, whose failures are FastAPI's."""

from __future__ import annotations

from gateway.api.fastapi_errors import create_dialect

MARKER, CONVERT, UPLOAD = "/api/v1/marker", "/api/v1/convert", "/marker/upload"
"""The first is the second in later releases of its client; the third is of a Marker that people run themselves."""

DIALECT = create_dialect(
    lambda path: path in (MARKER, CONVERT, UPLOAD) or path.startswith((f"{MARKER}/", f"{CONVERT}/"))
)
