"""Webhooks: a client's URL is told when its job has ended, as Standard Webhooks has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
import time
from datetime import UTC, datetime
from typing import Any

import pydantic_core
import structlog
from pydantic import BaseModel

from gateway.errors import ServiceError
from gateway.jobs.links import LinkSigner, job_links
from gateway.jobs.store import JobEnd, JobRecord
from gateway.settings import Settings

MAX_URL = 2000
RETRY_DELAYS_S = (1, 10, 60, 300, 1800, 7200, 18_000, 36_000)
"""Between attempts: a receiver that is away for a day or less gets the message when it is back."""
_JITTER = 0.2
"""Share of a delay that is added at random, so that the messages to one receiver do not come back all at once."""
_TIMEOUT_S = 15.0
"""Of one attempt; the specification asks for 15 to 30 s."""
_GONE = 410
"""A receiver that answers so wants no more, says the specification."""

log = structlog.get_logger(__name__)


class WebhookMessage(BaseModel):
    """What is sent, the same with each attempt. It holds all that sending needs, so that it outlives its job."""

    id: str
    url: str
    body: str


class WebhookSender:
    """Sends to those addresses only that `URL_FETCH` lets this service connect to; follows no redirects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = settings.webhook_keys

    async def require_allowed(self, url: str) -> None:
        """ServiceError 422 `webhook_not_allowed` for a URL that nothing would be sent to."""
        if not self._keys:
            raise _not_allowed("this service sends none (WEBHOOK_SECRET is not set)")
        if len(url) > MAX_URL:
            raise _not_allowed(f"its URL is longer than {MAX_URL} characters")
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._resolve(url)
        except TimeoutError:
            raise _not_allowed("the name of its host is not found in time") from None
        except ServiceError as error:
            raise _not_allowed(error.detail.partition(": ")[2].rstrip(".")) from None

    async def deliver(self, message: WebhookMessage, attempt: int) -> float | None:
        """Sends once; seconds until the next attempt, None where none is left or needed. `attempt`: from 0."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                outcome: int | str = await self._post(message)
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"[:200]
        if isinstance(outcome, int) and (200 <= outcome < 300 or outcome == _GONE):
            log.info("webhook_delivered", id=message.id, status=outcome, attempt=attempt + 1)
            return None
        if attempt >= len(RETRY_DELAYS_S):
            log.warning("webhook_given_up", id=message.id, outcome=outcome, attempts=attempt + 1)
            return None
        log.info("webhook_failed", id=message.id, outcome=outcome, attempt=attempt + 1)
        return RETRY_DELAYS_S[attempt] * random.uniform(1, 1 + _JITTER)

    async def _post(self, message: WebhookMessage) -> int:
        from gateway.intake.url_rules import open_pinned_session

        if not self._keys:
            raise _not_allowed("WEBHOOK_SECRET is not set any more")
        url, addresses = await self._resolve(message.url)
        body = message.body.encode()
        headers = {"Content-Type": "application/json"}
        headers |= sign(self._keys, message.id, int(time.time()), body)
        async with (
            open_pinned_session(addresses) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status

    async def _resolve(self, url: str) -> Any:  # noqa: ANN401 - yarl's URL, whose package comes with aiohttp
        from gateway.intake.url_rules import fetch_rules, parse_url, resolve_checked, resolve_host

        parsed = parse_url(url)
        return parsed, await resolve_checked(parsed, fetch_rules(self._settings), resolve_host)


def sign(keys: list[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that tell a receiver whose message it is; `timestamp`: seconds since 1970, of this attempt."""
    content = f"{message_id}.{timestamp}.".encode() + body
    digests = [hmac.new(key, content, hashlib.sha256).digest() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


def create_message(record: JobRecord, end: JobEnd | None, signer: LinkSigner) -> WebhookMessage | None:
    """Says how the job has ended; `end` None: cancelled, and removed. None where nobody is to be told. Blocks as
    `LinkSigner.sign`."""
    if record.webhook is None:
        return None
    state = end.state if end else "cancelled"
    ended = end.ended if end else time.time()
    data: dict[str, Any] = {"id": record.id, "state": state, "name": record.name, "batch": record.batch}
    if end is not None:
        data["links"] = job_links(record.id, record.webhook.base_url, signer, end.ended + record.keep_s)
    if end is not None and end.state == "failed":
        data["error"] = {"status": end.status, "code": end.code, "detail": end.detail}
    body = {"type": f"job.{state}", "timestamp": datetime.fromtimestamp(ended, UTC).isoformat(), "data": data}
    # A job that was deleted and submitted again with the same Idempotency-Key has the same id, and is another job.
    unique = hashlib.sha256(f"{record.id} {record.created} {state}".encode()).hexdigest()[:32]
    return WebhookMessage(id=f"msg_{unique}", url=record.webhook.url, body=pydantic_core.to_json(body).decode())


def _not_allowed(why: str) -> ServiceError:
    return ServiceError(422, "webhook_not_allowed", f"The webhook can't be called: {why}.")
