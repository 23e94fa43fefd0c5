"""Links that clients follow without a key: signed, and good for a time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from urllib.parse import quote, urlencode

from gateway.errors import ServiceError
from gateway.storage.objects import ObjectStore, load_or_create

PATH = "/jobs"
_SECRET = "link-secret"
_SECRET_BYTES = 32


class LinkSigner:
    """Signs with a secret of the store, which all gateways on it share."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._secret: bytes | None = None

    def sign(self, base_url: str, path: str, expires: float) -> str:
        """Absolute URL of a path; `expires`: seconds since 1970. Blocks where the secret was not read yet."""
        until = int(expires)
        query = urlencode({"expires": until, "signature": self._signature(path, until)})
        return f"{base_url}{quote(path)}?{query}"

    def verify(self, path: str, expires: int, signature: str) -> None:
        """ServiceError 403 `link_invalid` or 410 `link_expired`. Blocks as `sign`."""
        if not hmac.compare_digest(signature.encode(), self._signature(path, expires).encode()):
            raise ServiceError(403, "link_invalid", "The link's signature is not right.")
        if time.time() > expires:
            raise ServiceError(410, "link_expired", "The link's time is over; ask for a new one.")

    def _signature(self, path: str, expires: int) -> str:
        self._secret = self._secret or load_or_create(self._objects, _SECRET, secrets.token_bytes(_SECRET_BYTES))
        return hmac.new(self._secret, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()


def job_links(job_id: str, base_url: str, signer: LinkSigner, expires: float | None) -> dict[str, str]:
    """What clients may ask of a job. `expires`: when a job that has ended is removed; its `result` needs no key until
    then. Blocks as `LinkSigner.sign`."""
    path = f"{PATH}/{job_id}"
    result = f"{path}/result"
    return {
        "self": f"{base_url}{path}",
        "events": f"{base_url}{path}/events",
        "result": f"{base_url}{result}" if expires is None else signer.sign(base_url, result, expires),
        "pages": f"{base_url}{path}/pages/{{number}}",
    }
