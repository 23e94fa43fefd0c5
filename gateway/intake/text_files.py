"""Text files, which loaders of documents send too: documents of one page that need no reading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import PurePath

from python_multipart.multipart import parse_options_header

from gateway.errors import ServiceError
from gateway.intake.page_ranges import select_pages
from gateway.intake.sniff import HEAD_BYTES, media_type
from gateway.intake.spool import SpooledFile
from gateway.model import TextPage
from gateway.reading_options import OptionNames

TEXT_ENDINGS = frozenset(
    {".txt", ".md", ".csv", ".tsv", ".html", ".htm", ".json", ".xml", ".yaml", ".yml", ".log", ".rst"}
)
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1"})
"""What clients name, and what costs no more than its length to decode."""
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class TextDocument:
    """A text file as a `gateway.model.Document`, whose only page is its text."""

    media_type = "text/plain"
    pages_total = 1
    selected = (1,)

    def __init__(self, content: SpooledFile, name: str, sha256: str, text: str) -> None:
        self.name = name
        self.sha256 = sha256
        self._content = content
        self._text = text

    async def pages(self) -> AsyncIterator[TextPage]:
        yield TextPage(1, self._text)

    async def close(self) -> None:
        self._content.close()


def open_text(
    content: SpooledFile, name: str, declared_type: str, pages: str | None, max_bytes: int, names: OptionNames
) -> TextDocument | None:
    """A text file, by its name's ending or its declared type; None for what is none, or is a document by its bytes.

    `max_bytes`: all steps to its answer take the whole text at once, and some hold the interpreter for as long.
    Blocks. ServiceError 400 `empty_document`, 413 `text_too_large`, 415 `unsupported_charset`, 422 `invalid_pages`.
    """
    kind, parameters = parse_options_header(declared_type)
    is_text = PurePath(name).suffix.lower() in TEXT_ENDINGS or kind.startswith(b"text/")
    if not is_text or _is_document(content):
        return None
    select_pages(pages, TextDocument.pages_total, names)
    if content.size > max_bytes:
        raise ServiceError(
            413,
            "text_too_large",
            f"The text file has {content.size / 1000:.0f} kB, the limit is {max_bytes / 1000:g} (MAX_TEXT_KB).",
        )
    text = _decode(content.read(), parameters.get(b"charset", b"utf-8").decode("latin-1").lower())
    return TextDocument(content, name, content.sha256.hex(), text)


def _is_document(content: SpooledFile) -> bool:
    try:
        media_type(content.read(HEAD_BYTES))
    except ServiceError as error:
        if error.code == "empty_document":
            raise
        return False
    return True


def _decode(data: bytes, charset: str) -> str:
    encoding = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), charset)
    if encoding not in (*CHARSETS, *_MARKS.values()):
        raise ServiceError(415, "unsupported_charset", f"A text's `charset` may be utf-8, not {encoding[:40]!r}.")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise ServiceError(415, "unsupported_charset", f"The text is not in {encoding}; name its `charset`.") from None
