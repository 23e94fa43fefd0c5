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
    """Lets the request pass if no keys are set or one of its headers holds one. ServiceError 401 otherwise.

    Either header is enough: a platform in front may own `Authorization`.
    """
    keys = request.app.state.service.settings.keys
    offered = [value for value in (key, _token(authorization)) if value]
    if keys and not any(_is_one_of(value, keys) for value in offered):
        raise ServiceError(
            401, "unauthorized", "This service needs a key: send it as X-API-Key or Authorization: Bearer."
        )


KeyRequired = Depends(require_key)


def _token(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else None


def _is_one_of(offered: str, keys: frozenset[str]) -> bool:
    """Compares with every key, by digests of equal length, so that time tells nothing."""
    digest = _digest(offered)
    return bool(sum([hmac.compare_digest(digest, _digest(key)) for key in keys]))


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
