"""API keys: who may use the routes that cost something."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from gateway.errors import ServiceError

_key_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="One of `API_KEYS`")
_authorization = APIKeyHeader(
    name="Authorization", auto_error=False, scheme_name="Authorization", description="`Bearer <key>` or `token <key>`"
)


async def require_key(
    request: Request,
    key: Annotated[str | None, Security(_key_header)] = None,
    authorization: Annotated[str | None, Security(_authorization)] = None,
) -> None:
    """Lets the request pass if no keys are set or one of its headers holds one, which `request.state.key` names then.

    ServiceError 401 otherwise.

    Either header is enough: a platform in front may own `Authorization`.
    """
    keys = request.app.state.service.settings.keys
    offered = [value for value in (key, _token(authorization)) if value]
    known = [found for value in offered for found in _equal_to(value, keys)]
    if keys and not known:
        raise ServiceError(
            401, "unauthorized", "This service needs a key: send it as X-API-Key or Authorization: Bearer."
        )
    request.state.key = known[0] if known else ""


KeyRequired = Depends(require_key)


def _token(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else None


def _equal_to(offered: str, keys: frozenset[str]) -> list[str]:
    """Compares with every key, by digests of equal length, so that time tells nothing."""
    digest = _digest(offered)
    return [key for key in keys if hmac.compare_digest(digest, _digest(key))]


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
