"""The name of a file in a Content-Disposition header, as clients and servers write it."""

from __future__ import annotations

from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value


def parse_filename(disposition: str) -> str | None:
    """The name in a Content-Disposition header: from `filename*` (RFC 5987), else `filename`, also as an encoded word
    (RFC 2047); None where it names none."""
    message = Message()
    message["content-disposition"] = disposition.replace("\r", " ").replace("\n", " ")
    values = dict(message.get_params([], header="content-disposition", unquote=True))
    value = values.get("filename")
    if value is None:
        return None
    if isinstance(value, tuple):
        return collapse_rfc2231_value(value)
    return _decode_words(value)


def _decode_words(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError):
        return value
