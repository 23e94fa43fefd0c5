"""Text files, which loaders of documents send too: they go back as they came."""

from __future__ import annotations

from pathlib import PurePath

from python_multipart.multipart import parse_options_header

from gateway.api.forms import CHARSETS
from gateway.errors import ServiceError
from gateway.intake.sniff import HEAD_BYTES, media_type
from gateway.intake.spool import SpooledFile

TEXT_ENDINGS = frozenset(
    {".txt", ".md", ".csv", ".tsv", ".html", ".htm", ".json", ".xml", ".yaml", ".yml", ".log", ".rst"}
)
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def read_text(body: SpooledFile, name: str, content_type: str) -> str | None:
    """What a text file holds, by its name's ending or its type; None for a document. Blocks.

    ServiceError 400 `empty_document`, 415 `unsupported_charset`.
    """
    kind, parameters = parse_options_header(content_type)
    is_text = PurePath(name).suffix.lower() in TEXT_ENDINGS or kind.startswith(b"text/")
    if not is_text or _is_document(body):
        return None
    data = body.read()
    charset = parameters.get(b"charset", b"utf-8").decode("latin-1").lower()
    encoding = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), charset)
    if encoding not in (*CHARSETS, *_MARKS.values()):
        raise ServiceError(415, "unsupported_charset", f"A text's `charset` may be utf-8, not {encoding[:40]!r}.")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise ServiceError(415, "unsupported_charset", f"The text is not in {encoding}; name its `charset`.") from None


def _is_document(body: SpooledFile) -> bool:
    try:
        media_type(body.read(HEAD_BYTES))
    except ServiceError as error:
        if error.code == "empty_document":
            raise
        return False
    return True
