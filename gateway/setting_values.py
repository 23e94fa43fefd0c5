"""What values of settings must look like: lists, URLs, paths, secrets. The checks return the value as it is used."""

from __future__ import annotations

import base64
import re

from gateway.storage.keys import is_plain_key

_SECRET_PREFIX = "whsec_"
_MIN_SECRET_BYTES, _MAX_SECRET_BYTES = 24, 64
"""Standard Webhooks, "Signature scheme"."""


def split_list(value: str) -> list[str]:
    """The parts of a comma-separated value that are not empty."""
    return [part.strip() for part in value.split(",") if part.strip()]


def split_names(value: str) -> frozenset[str]:
    """Names of hosts and the like, in small letters."""
    return frozenset(map(str.lower, split_list(value)))


def split_models(value: str) -> dict[str, list[str]]:
    """Names of models to the URLs of their engines, in order."""
    urls: dict[str, list[str]] = {}
    for name, _, url in (part.partition("=") for part in split_list(value)):
        urls.setdefault(name, []).append(url)
    return urls


def decode_secrets(value: str) -> list[bytes]:
    """The bytes that each secret of webhooks stands for. Raises ValueError."""
    return [base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True) for secret in split_list(value)]


def check_endpoint(value: str | None) -> str | None:
    if value and not re.fullmatch(r"https?://[^/?#]+[^?#]*", value):
        raise ValueError("a URL begins with http:// or https://")
    return value.rstrip("/") if value else None


def check_engine_urls(value: str | None) -> str | None:
    urls = list(dict.fromkeys(url.rstrip("/") for url in split_list(value or "")))
    for url in urls:
        _check_engine_url(url)
    return ",".join(urls) or None


def check_models(value: str) -> str:
    models = [part.partition("=") for part in split_list(value)]
    for name, _, url in models:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", name) or not re.match(r"(dns\+)?https?://", url):
            raise ValueError("models are written NAME=URL, comma-separated: VL-1.6=http://one:8118/v1")
        _check_engine_url(url)
    return ",".join(dict.fromkeys(f"{name}={url.rstrip('/')}" for name, _, url in models))


def check_key_prefix(value: str) -> str:
    if not is_plain_key(value):
        raise ValueError("a prefix of keys holds no part that is `.` or `..`, and no control characters")
    return value


def check_root_path(value: str) -> str:
    path = value.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise ValueError("a path begins with a slash and holds letters, digits and ._~- only")
    return path


def check_secrets(value: str) -> str:
    try:
        sizes = [len(secret) for secret in decode_secrets(value)]
    except ValueError:
        sizes = [0]
    named = all(secret.startswith(_SECRET_PREFIX) for secret in split_list(value))
    if not named or not all(_MIN_SECRET_BYTES <= size <= _MAX_SECRET_BYTES for size in sizes):
        raise ValueError("a secret is `whsec_` and base64 of 24 to 64 bytes (openssl rand -base64 32)")
    return value


def _check_engine_url(url: str) -> None:
    if url.startswith("dns+") and not re.fullmatch(r"dns\+http://[^/@:\s]+(:\d{1,5})?(/\S*)?", url):
        raise ValueError("a name whose addresses are engines is written dns+http://NAME:PORT/v1")
