"""Links in the answers to a request: absolute, signed, and followed without a key."""

from __future__ import annotations

import asyncio
from typing import Annotated, TypeAlias

from fastapi import Depends, Query, Request, Security

from gateway.api.auth import authorization_header, key_header, require_key
from gateway.api.problems import route_path
from gateway.jobs.links import LinkSigner, job_links

Expires: TypeAlias = Annotated[int, Query(description="When a signed link ends, seconds since 1970")]
Signature: TypeAlias = Annotated[str, Query(max_length=64, description="Of a signed link")]


class Links:
    """Signs links for whoever sent the request. All functions block where the secret was not read yet."""

    def __init__(self, request: Request) -> None:
        self._signer: LinkSigner = request.app.state.links
        self.base_url = base_url_of(request)

    def sign(self, path: str, expires: float) -> str:
        return self._signer.sign(self.base_url, path, expires)

    def verify(self, path: str, expires: int, signature: str) -> None:
        """Raises as `LinkSigner.verify`."""
        self._signer.verify(path, expires, signature)

    def of_job(self, job_id: str, expires: float | None) -> dict[str, str]:
        return job_links(job_id, self.base_url, self._signer, expires)


async def _links_of(request: Request) -> Links:
    return Links(request)


LinksDep: TypeAlias = Annotated[Links, Depends(_links_of)]


def base_url_of(request: Request) -> str:
    """What the URLs of this service begin with for the sender: `PUBLIC_BASE_URL`, else as the request came, by what a
    trusted proxy says of it."""
    configured: str | None = request.app.state.service.settings.public_base_url
    if configured:
        return configured.rstrip("/")
    url = request.base_url
    if host := request.scope.get("forwarded_host"):
        url = url.replace(netloc=host)
    return str(url).rstrip("/")


async def require_signature(request: Request, expires: Expires, signature: Signature) -> None:
    """ServiceError 403 `link_invalid`, 410 `link_expired`. The request belongs to no key then."""
    signer: LinkSigner = request.app.state.links
    await asyncio.to_thread(signer.verify, route_path(request.scope), expires, signature)
    request.state.account = None


async def require_key_or_signature(
    request: Request,
    expires: Expires = 0,
    signature: Signature = "",
    _key: Annotated[str | None, Security(key_header)] = None,
    _authorization: Annotated[str | None, Security(authorization_header)] = None,
) -> None:
    """As `require_key` for requests without a signature, else as `require_signature`; `request.state.is_signed` says
    which."""
    request.state.is_signed = bool(signature)
    if signature:
        await require_signature(request, expires, signature)
    else:
        await require_key(request, "jobs")


SignatureRequired = Depends(require_signature)
KeyOrSignatureRequired = Depends(require_key_or_signature)
