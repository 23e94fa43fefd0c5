"""The paths of MinerU's server, whose failures are FastAPI's."""

from __future__ import annotations

from gateway.api.fastapi_errors import create_dialect

PARSE, TASKS = "/file_parse", "/tasks"

DIALECT = create_dialect(lambda path: path in (PARSE, TASKS) or path.startswith(f"{TASKS}/"))
