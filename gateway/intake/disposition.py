"""The name of a file in a Content-Disposition header, as clients and servers write it."""

from __future__ import annotations

import re
from email.errors import MessageError
from email.header import decode_header
from email.message import Message

_CHARSETS = re.compile(
    r"utf-?8|(?:us-)?ascii|latin-?1|iso-8859-\d{1,2}|(?:windows-|cp)125\d|koi8-[ru]|gb(?:2312|k|18030)|big5|shift_jis|"
    r"euc-(?:jp|kr)|iso-2022-jp",
    re.IGNORECASE,
)
"""What names of files come in. Python knows codecs that fail on any text, or give halves of characters."""
MAX_PARAMETERS = 64
"""Of a header, in parts of a name too: Python's parser takes the square of their number."""


def parse_filename(disposition: str) -> str | None:
    """The name in a Content-Disposition header: from `filename*` (RFC 5987), else `filename`, also as an encoded word
    (RFC 2047); None where it names none, or has more than MAX_PARAMETERS."""
    if disposition.count(";") > MAX_PARAMETERS:
        return None
    message = Message()
    message["content-disposition"] = disposition.replace("\r", " ").replace("\n", " ")
    try:
        values = dict(message.get_params([], header="content-disposition", unquote=True))
    except ValueError:  # the number of a part (RFC 2231) that Python takes for none
        return None
    value = values.get("filename")
    if value is None:
        return None
    if isinstance(value, tuple):
        charset, _, text = value
        return _decode(text.encode("raw-unicode-escape"), charset) or text
    return _decode_words(value)


def _decode_words(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        words = decode_header(value)
    except (ValueError, MessageError):  # what should be base64 is none
        return value
    texts = [word if isinstance(word, str) else _decode(word, charset) for word, charset in words]
    return value if None in texts else "".join(filter(None, texts))


def _decode(data: bytes, charset: str | None) -> str | None:
    """None where the charset is none that names come in."""
    name = charset or "us-ascii"
    if not _CHARSETS.fullmatch(name):
        return None
    try:
        return data.decode(name, "replace")
    except LookupError:
        return None
