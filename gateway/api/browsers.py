"""What keeps web pages of others from using the service through somebody's browser.

A page can send requests to any address that its reader's browser reaches, also to 127.0.0.1. Two things give it away:
the name that it used (`Host`), where its own name was made to point here (DNS rebinding), and its `Origin`. Neither is
asked of programs, which send the one they were told, and no `Origin`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.middleware import PROBES
from gateway.api.problems import error_response, route_path
from gateway.errors import ServiceError

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_PRIVATE_ENDINGS = (".localhost", ".local", ".internal", ".home.arpa", ".svc")
"""Nobody can register names below these on the Internet."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = {"http": 80, "https": 443}
_FRAMES = "frame-ancestors 'none'"
_HTML_POLICY = f"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; {_FRAMES}"
_DOCS_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    f"img-src 'self' data:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; {_FRAMES}"
)
"""Swagger's and ReDoc's pages start their own scripts in the page."""
EXPOSED_HEADERS = ("Operation-Location", "Retry-After", "X-OCR-ID", "X-OCR-Status", "X-OCR-Warnings", "X-Request-ID")
"""Of a response, what scripts of allowed pages may read."""
_DOCS = frozenset({"/docs", "/redoc"})


class BrowserMiddleware:
    """Refuses foreign names (421) and foreign origins (403), and says of each HTML page what it may do.

    `hosts`: names that are served besides those that nobody else can own; None: all are. `origins`: pages that may use
    the service (`https://app.example`). Either may hold `*`; a host may begin with `*.`.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, origins: Collection[str]) -> None:
        self.app = app
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = route_path(scope)
        refusal = None if path in PROBES else self._refusal(scope)
        app = error_response(scope, refusal) if refusal else self.app

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _guard(MutableHeaders(scope=message), path, scope)
            await send(message)

        await app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ServiceError | None:
        headers = Headers(scope=scope)
        given = headers.getlist("host")
        match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if given and (len(given) > 1 or (given[0] and not match)):
            return ServiceError(400, "invalid_host", "The request must name one host in its `Host` header.")
        if match and not self._is_served(match[1].lower().rstrip(".")):
            return _foreign_host(match[1])
        if scope["method"] not in _SAFE_METHODS and not self._is_own_page(headers):
            return _foreign_origin(headers.get("origin") or "another site")
        return None

    def _is_served(self, name: str) -> bool:
        if self._hosts is None or "*" in self._hosts or is_private_name(name) or name in self._hosts:
            return True
        return any(name.endswith(host[1:]) for host in self._hosts if host.startswith("*."))

    def _is_own_page(self, headers: Headers) -> bool:
        """Browsers say themselves how page and service are related, and no script can change what they say."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if "*" in self._origins or (origin and origin.lower() in self._origins):
            return True
        if site:
            return site in ("same-origin", "none")
        return not origin or is_same_host(origin, headers.get("host", ""))


def is_private_name(name: str) -> bool:
    """Whether nobody else can make the name point here: an address, a name of this network, this machine's own."""
    if "." not in name or name.endswith(_PRIVATE_ENDINGS) or name == socket.gethostname().lower():
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def is_same_host(origin: str, host: str) -> bool:
    """Whether the page at `origin` was served under the name and port that the request is sent to.

    A proxy may have taken TLS off, so that only the port tells which one is meant where `Host` names none.
    """
    try:
        page, service = urlsplit(origin), urlsplit(f"//{host}")
        port = page.port or _PORTS.get(page.scheme)
        return bool(page.hostname) and page.hostname == service.hostname and (service.port or port) == port
    except ValueError:
        return False


def _guard(headers: MutableHeaders, path: str, scope: Scope) -> None:
    if headers.get("content-type", "").startswith("text/html"):
        policy = headers.get("content-security-policy") or (_DOCS_POLICY if path in _DOCS else _HTML_POLICY)
        headers["Content-Security-Policy"] = policy if _FRAMES in policy else f"{policy}; {_FRAMES}"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = "no-referrer"
    if location := headers.get("location"):
        headers["Location"] = _relative(location, Headers(scope=scope).get("host", ""))


def _relative(location: str, host: str) -> str:
    """A place on the service without the name that the client gave it, which a cache may hand to others."""
    place = urlsplit(location)
    if not host or place.netloc != host:
        return location
    return place._replace(scheme="", netloc="", path="/" + place.path.lstrip("/")).geturl()


def _foreign_host(name: str) -> ServiceError:
    return ServiceError(
        421,
        "host_not_allowed",
        f"This service does not answer under the name {name[:100]!r}. Name it in ALLOWED_HOSTS (`*`: any name), set "
        "API_KEYS, or use an address instead of a name.",
    )


def _foreign_origin(origin: str) -> ServiceError:
    return ServiceError(
        403,
        "origin_not_allowed",
        f"Pages of {origin[:100]!r} may not use this service; CORS_ORIGINS names those that may.",
    )
