"""HTTP to the engine, by aiohttp: building a request takes the OpenAI library as long as all the rest of a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from gateway.recognition.failures import EngineFailure
from gateway.settings import Settings

BUSY_STATUSES = (429, 503)
CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 2.0
"""Less than uvicorn's 5 s, so that nothing is sent on a connection which the engine is just closing."""


def create_session(settings: Settings) -> aiohttp.ClientSession:
    """The connections for all talk to the engine. The environment's proxy is for distant engines only."""
    headers = {"Authorization": f"Bearer {settings.vlm_api_key or 'none'}", "Accept-Encoding": "identity"}
    return aiohttp.ClientSession(
        # The queue bounds the calls in flight; a second bound here would only hide waiting.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=proxy_for(settings.engine_url) if settings.vlm_engine == "external" else None,
    )


def proxy_for(url: str) -> str | None:
    """The environment's proxy for a URL. aiohttp looks for it, and into `.netrc`, anew in a thread for each request."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def within(seconds: float) -> aiohttp.ClientTimeout:
    """For the connection, and for each wait for something to come."""
    return aiohttp.ClientTimeout(sock_connect=min(CONNECT_TIMEOUT_S, seconds), sock_read=seconds)


@contextmanager
def as_engine_failure() -> Iterator[None]:
    """Turns what aiohttp raises into EngineFailure."""
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise EngineFailure("unreachable", "The recognition engine could not be reached.") from error
    except TimeoutError as error:
        raise EngineFailure("late", "The recognition engine did not answer in time.") from error
    except (aiohttp.ClientError, OSError) as error:
        sentence = "The recognition engine closed the connection before it answered."
        raise EngineFailure("dropped", sentence) from error


async def get(session: aiohttp.ClientSession, url: str, timeout_s: float) -> bytes:
    """The body of a URL; raises EngineFailure."""
    with as_engine_failure():
        async with session.get(url, timeout=within(timeout_s)) as response:
            body = await response.read()
    if not response.ok:
        raise status_failure(response.status)
    return body


def status_failure(status: int) -> EngineFailure:
    """What an HTTP status of 400 or more says."""
    if status in BUSY_STATUSES:
        return EngineFailure("busy", f"The recognition engine takes no more work now (HTTP {status}).", status)
    if status >= 500:
        return EngineFailure("broken", f"The recognition engine failed (HTTP {status}).", status)
    if status in (401, 403):
        return EngineFailure("rejected", f"The recognition engine refused the API key (HTTP {status}).", status)
    return EngineFailure("rejected", f"The recognition engine rejected the request (HTTP {status}).", status)
