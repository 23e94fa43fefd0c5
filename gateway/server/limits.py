"""What one connection may take, and the sentences in which it is refused more."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import ServiceError
from gateway.settings import Settings

_RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`Settings` of connections; bytes, seconds, bytes a second."""

    max_url_bytes: int
    max_header_bytes: int
    max_headers: int
    header_timeout_s: float
    min_transfer_bytes_s: int
    max_download_pause_s: float
    max_connections: int
    max_peer_connections: int

    @classmethod
    def from_settings(cls, settings: Settings, max_connections: int) -> ConnectionLimits:
        """`max_connections`: as many as the setting and the process's descriptors allow."""
        per_peer = settings.max_peer_connections or max(max_connections * 3 // 4, 1)
        return cls(
            settings.max_url_bytes,
            settings.max_header_bytes,
            settings.max_headers,
            settings.header_timeout_s,
            settings.min_transfer_bytes_s,
            settings.max_download_pause_s,
            max_connections,
            min(per_peer, max_connections),
        )

    def url_too_long(self) -> ServiceError:
        return ServiceError(
            414, "url_too_long", f"The URL is longer than {self.max_url_bytes:,} bytes (MAX_URL_BYTES)."
        )

    def headers_too_large(self) -> ServiceError:
        return ServiceError(
            431,
            "headers_too_large",
            f"The request's headers are larger than {self.max_header_bytes:,} bytes (MAX_HEADER_BYTES).",
        )

    def too_many_headers(self) -> ServiceError:
        return ServiceError(
            431, "headers_too_large", f"The request has more than {self.max_headers} headers (MAX_HEADERS)."
        )

    def headers_late(self) -> ServiceError:
        return ServiceError(
            408,
            "header_timeout",
            f"The request's headers were not there after {self.header_timeout_s:g} s (HEADER_TIMEOUT_S).",
        )

    def too_many_connections(self) -> ServiceError:
        detail = f"All {self.max_connections} connections are in use (MAX_CONNECTIONS)."
        return ServiceError(503, "too_many_connections", detail, retry_after_s=_RETRY_AFTER_S)

    def too_many_peer_connections(self) -> ServiceError:
        detail = f"Your address has {self.max_peer_connections} connections in use (MAX_PEER_CONNECTIONS)."
        return ServiceError(429, "too_many_connections", detail, retry_after_s=_RETRY_AFTER_S)


def malformed_request() -> ServiceError:
    return ServiceError(400, "malformed_request", "This is no HTTP/1.1 request.")


def small_pieces(size: int) -> ServiceError:
    detail = f"The body comes in chunks of less than {size} bytes; send it in larger ones, or with a Content-Length."
    return ServiceError(400, "small_chunks", detail)
