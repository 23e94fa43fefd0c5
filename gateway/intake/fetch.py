"""Files that clients name by URL. The gateway fetches them itself, under rules that keep it out of private networks.

Each redirect goes through the same rules. Imports aiohttp: import this module where it is needed, not at start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import aiohttp
from yarl import URL

from gateway.errors import ServiceError
from gateway.intake.disposition import parse_filename
from gateway.intake.spool import SpooledFile
from gateway.intake.url_rules import (
    MAX_URL,
    FetchRules,
    Resolve,
    not_allowed,
    open_pinned_session,
    parse_url,
    resolve_checked,
    resolve_host,
    unreachable,
)
from gateway.unpacking import MAX_RATIO, UnknownCodingError, Unpacker, UnpackError, parse_codings

_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 2**16
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
"""Nothing of the client's own request; uncompressed, which a server need not heed."""


class FetchedFile(NamedTuple):
    """`name`: as the server calls the file, else the last part of the URL that was asked for."""

    content: SpooledFile
    name: str


async def fetch(url: str, rules: FetchRules, resolve: Resolve = resolve_host) -> FetchedFile:
    """The file behind a URL, whatever it is, unpacked where the server has packed it for the way.

    Raises ServiceError: 400 `url_not_allowed`, `url_unreachable`; 413 `url_too_large`; 503 `storage_unavailable`; 504
    `url_timeout`. What they say holds nothing of the URL: its query may be a secret.
    """
    try:
        async with asyncio.timeout(rules.timeout_s):
            content, name = await _follow_redirects(parse_url(url), rules, resolve)
            return FetchedFile(content, name or parse_url_filename(url))
    except TimeoutError:
        raise ServiceError(
            504, "url_timeout", f"The URL's server did not deliver within {rules.timeout_s:g} s (URL_FETCH_TIMEOUT_S)."
        ) from None
    except aiohttp.InvalidURL:
        raise not_allowed("it is not a valid one") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise unreachable(f"the connection failed ({type(error).__name__})") from error


async def _follow_redirects(url: URL, rules: FetchRules, resolve: Resolve) -> FetchedFile:
    for _ in range(_MAX_REDIRECTS + 1):
        answer = await _request_once(url, rules, resolve)
        if isinstance(answer, FetchedFile):
            return answer
        url = answer
    raise unreachable(f"it redirects more than {_MAX_REDIRECTS} times")


async def _request_once(url: URL, rules: FetchRules, resolve: Resolve) -> FetchedFile | URL:
    """The file, or where it has moved to."""
    addresses = await resolve_checked(url, rules, resolve)
    async with (
        open_pinned_session(addresses) as session,
        session.get(url, headers=_HEADERS, allow_redirects=False) as response,
    ):
        if response.status in _REDIRECTS:
            return parse_url(response.headers.get("Location", ""), base=url)
        if response.status != 200:
            raise unreachable(f"its server answered HTTP {response.status}")
        content = await SpooledFile.from_stream(_read_body(response, rules.max_bytes))
        return FetchedFile(content, parse_filename(response.headers.get("Content-Disposition", "")) or "")


def parse_url_filename(url: str) -> str:
    """The last part of the URL's path, which may be empty."""
    if len(url) > MAX_URL:
        return ""
    with suppress(ValueError):
        return unquote(urlsplit(url).path.rpartition("/")[2])
    return ""


async def _read_body(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    """Counted as it comes: the announced length may be missing or a lie."""
    size = 0
    if (response.content_length or 0) > limit:
        raise _too_large(limit)
    async for chunk in _decode(response, limit):
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


async def _decode(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    """The body as it was before the server packed it, in pieces that are small however well it packs."""
    chunks = response.content.iter_chunked(_CHUNK_BYTES)
    codings = parse_codings(response.headers.getall("Content-Encoding", []))
    if not codings:
        async for chunk in chunks:
            yield chunk
        return
    try:
        unpacker = Unpacker(codings)
        async for chunk in chunks:
            unpacker.feed(chunk)
            while unpacker.has_more:
                yield unpacker.step()
                if max(unpacker.packed_bytes, unpacker.unpacked_bytes) > limit:
                    raise _too_large(limit)
                if unpacker.is_bomb:
                    detail = f"The URL's file is more than {MAX_RATIO} times as large as its server sends it packed."
                    raise ServiceError(413, "url_too_large", detail)
                await asyncio.sleep(0)  # others have their turn, for nothing was waited for
        unpacker.finish()
    except UnknownCodingError:
        raise unreachable("its server sends it in a coding that was not asked for") from None
    except UnpackError as error:
        raise unreachable(f"its server sends it packed, and it can't be unpacked: {error}") from None


def _too_large(limit: int) -> ServiceError:
    return ServiceError(413, "url_too_large", f"The URL's file is larger than {limit / 1e6:g} MB (MAX_UPLOAD_MB).")
