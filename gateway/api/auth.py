"""API keys: who may use the routes that cost something."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader
from starlette.datastructures import Headers

from gateway.errors import ServiceError
from gateway.keys.accounts import Account, Scope
from gateway.keys.keyring import Keyring
from gateway.scheduling.fair_threads import CALLER
from gateway.server.connections import peer_name

key_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="One of `API_KEYS`, or one that `API_KEYS_FILE` knows"
)
authorization_header = APIKeyHeader(
    name="Authorization", auto_error=False, scheme_name="Authorization", description="`Bearer <key>` or `token <key>`"
)
_KEY_HEADERS = ("x-api-key", "api-key", "ocp-apim-subscription-key")
"""The last two are those of Azure's clients, which send them to whatever address they are given."""
_NO_OWNER = hashlib.sha256(b"").hexdigest()[:32]


async def require_key(request: Request, scope: Scope | None) -> None:
    """Lets the request pass if no keys are asked for, or if one of its headers holds one with the scope (None: any),
    and counts it. `request.state.account` is the key's then, or None.

    ServiceError 401 `unauthorized`, 403 `scope_missing`, 429 `key_limit_reached`.

    Any of the headers is enough: a platform in front may own `Authorization`.
    """
    account = _find_account(request)
    if account is None and not _keyring_of(request).is_open:
        raise ServiceError(
            401, "unauthorized", "This service needs a key: send it as X-API-Key or Authorization: Bearer."
        )
    if account is not None:
        if account.is_expired:
            raise ServiceError(401, "unauthorized", f"The key `{account.name}` has expired.")
        account.require_scope(scope)
        account.take_request()
    request.state.account = account
    CALLER.set(caller_of(request))


def key_required(scope: Scope | None) -> Any:  # noqa: ANN401 - as FastAPI's Depends
    """What a route depends on that wants a key with this scope; None: any key."""

    async def require(
        request: Request,
        _key: Annotated[str | None, Security(key_header)] = None,
        _authorization: Annotated[str | None, Security(authorization_header)] = None,
    ) -> None:
        await require_key(request, scope)

    return Depends(require)


def account_of(request: Request) -> Account | None:
    """The account of the key that the request came with; None without one."""
    account: Account | None = request.state.account
    return account


def caller_of(request: Request) -> str:
    """Who asks, for shares of the service: a key, or an address where there are none.

    Behind a proxy it is the proxy's address, unless FORWARDED_ALLOW_IPS names that one.
    """
    account = account_of(request)
    if account:
        return f"key {account.owner}"
    return "peer " + peer_name(request.client.host if request.client else "")


def owner_of(request: Request) -> str:
    """Whose jobs and files the request may see."""
    account = account_of(request)
    return account.owner if account else _NO_OWNER


def is_key_holder(request: Request) -> bool:
    """Whether the sender may be told what strangers are not: everybody where no keys are asked for."""
    if _keyring_of(request).is_open:
        return True
    account = _find_account(request)
    return account is not None and not account.is_expired


def _keyring_of(request: Request) -> Keyring:
    keyring: Keyring = request.app.state.service.keyring
    return keyring


def sent_key(request: Request) -> str:
    """The known key that the request came with; empty without one."""
    return next(filter(_keyring_of(request).find, _offer(request.headers)), "")


def _find_account(request: Request) -> Account | None:
    return next(filter(None, map(_keyring_of(request).find, _offer(request.headers))), None)


def _offer(headers: Headers) -> Iterator[str]:
    """What the request sends as its key."""
    return filter(None, (*map(headers.get, _KEY_HEADERS), _token(headers.get("authorization"))))


def _token(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else None
