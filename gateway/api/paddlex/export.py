"""Pages of a document to PaddleX's results in a worker process: what takes a tenth of a second and more for each."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Any

from gateway.api.paddlex.response import LayoutParsingBody
from gateway.api.paddlex.schema import LayoutParsingRequest
from gateway.model import Document
from gateway.reading_options import OcrOptions
from gateway.recognized_page import RecognizedPage
from gateway.workers.messages import Header


@dataclass(frozen=True, slots=True)
class ExportedDocument:
    """What a body of results asks of its document."""

    media_type: str
    pages_total: int


async def pickle_pages(
    document: Document, params: LayoutParsingRequest, options: OcrOptions, pages: AsyncIterator[RecognizedPage]
) -> AsyncIterator[bytes]:
    """The input of `write_results`, as the pages come. Only the gateway writes it, so a worker may trust it."""
    yield pickle.dumps((ExportedDocument(document.media_type, document.pages_total), params, options))
    async for page in pages:
        yield pickle.dumps(page)


def write_results(_request: Header, pages: IO[bytes], output: IO[bytes]) -> Header:
    """Writes the pages' results; the header has their `sizes`. Runs in a worker process."""
    document, params, options = pickle.load(pages)
    body = LayoutParsingBody("", document, params, options)
    body.add_all([*_read_all(pages)])
    output.write(body.results)
    return {"sizes": body.sizes}


def _read_all(file: IO[bytes]) -> list[Any]:
    found = []
    while True:
        try:
            found.append(pickle.load(file))
        except EOFError:
            return found
