"""A document as the rest of the gateway sees it: bytes come in, pages come out, one at a time."""

from __future__ import annotations

import asyncio
import re
import unicodedata
import uuid
from collections.abc import AsyncIterator

from gateway.errors import ServiceError
from gateway.intake.render.render_pool import RenderPool
from gateway.intake.render.worker_process import OpenResult, SourceFile, WorkerLost
from gateway.intake.sniff import HEAD_BYTES, media_type
from gateway.intake.spool import SpooledFile
from gateway.intake.text_files import open_text
from gateway.model import Document, PageFailure, PageImage
from gateway.reading_options import OWN_NAMES, OptionNames
from gateway.scheduling.fair_semaphore import Flow
from gateway.settings import Settings

_DEFAULT_NAME = "document"
_MAX_NAME = 255  # bytes of UTF-8, as file systems have it
_NO_CHARACTERS = frozenset("\ufffe\uffff")  # XML can't hold them
_MAX_DEATHS = 2  # workers that one document may cost


async def open_document(
    content: SpooledFile,
    name: str,
    *,
    pages: str | None,
    dpi: int,
    pool: RenderPool,
    settings: Settings,
    flow: Flow | None = None,
    password: str | None = None,
    has_layer: bool = False,
    text_type: str | None = None,
    names: OptionNames = OWN_NAMES,
) -> Document:
    """Opens a file of any supported type; `content` is closed with the document, or when that can't be opened.

    `dpi` is the resolution that PDF pages are rendered at, at most; `password` opens an encrypted PDF; `flow` says
    whose turns the rendering takes; `has_layer`: whether a PDF's pages come with their text layers. `text_type`: what
    type the file is declared to have, where text files are taken too. `names`: how a refusal names the options.

    Raises ServiceError: 400 `empty_document`, `damaged_image`, `damaged_pdf`, `damaged_page`; 413 `image_too_large`,
    `too_many_pages`, `out_of_memory`, `text_too_large`; 415 `unsupported_media_type`, `unsupported_charset`; 422
    `invalid_pages`, `password_required`, `wrong_password`, `unreadable_document`, `document_crashed`,
    `document_timeout`.
    What concerns one page of several is not raised: `pages()` gives it as a PageFailure.
    """
    flow = flow or Flow()
    try:
        if text_type is not None:
            most = int(settings.max_text_kb * 1000)
            text = await asyncio.to_thread(open_text, content, clean_name(name), text_type, pages, most, names)
            if text is not None:
                return text
        kind = media_type(content.read(HEAD_BYTES))
        file = SourceFile(uuid.uuid4().hex, content, kind, dpi, settings.max_pixels, password, has_layer, names)
        opened = await pool.open(flow, file, pages, settings.max_pages)
        sha256 = await asyncio.to_thread(lambda: content.sha256)
    except BaseException as error:
        content.close()
        if isinstance(error, WorkerLost):
            raise _open_error(error) from error
        raise
    return _OpenDocument(file, clean_name(name), sha256.hex(), opened, pool, flow, settings)


def clean_name(name: str) -> str:
    """The last part of a file name, for people to read: no folders, no control characters, at most 255 bytes."""
    base = re.split(r"[/\\]", name)[-1][:_MAX_NAME]
    composed = unicodedata.normalize("NFC", base)  # its time grows with the square of a run of accents
    shown = (char for char in composed if unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"))
    printable = "".join(char for char in shown if char not in _NO_CHARACTERS).strip()
    short = printable.encode()[:_MAX_NAME].decode(errors="ignore")
    return _DEFAULT_NAME if short in ("", ".", "..") else short


class _OpenDocument:
    """A document whose file the render workers can open (`gateway.model.Document`)."""

    def __init__(
        self,
        file: SourceFile,
        name: str,
        sha256: str,
        opened: OpenResult,
        pool: RenderPool,
        flow: Flow,
        settings: Settings,
    ) -> None:
        self.name = name
        self.media_type = file.media_type
        self.sha256 = sha256
        self.pages_total = opened.pages_total
        self.selected = opened.selected
        self._file: SourceFile | None = file
        self._pool = pool
        self._flow = flow
        self._max_cpu_s = settings.render_document_cpu_s
        self._timeout_s = settings.render_timeout_s
        self._deaths = 0

    async def pages(self) -> AsyncIterator[PageImage | PageFailure]:
        for number in self.selected:
            yield await self._page(number)

    async def close(self) -> None:
        if self._file:
            self._file.content.close()
            self._file = None

    async def _page(self, number: int) -> PageImage | PageFailure:
        if self._file is None:
            raise RuntimeError("the document is closed")
        if self._deaths >= _MAX_DEATHS:
            detail = f"Page {number} was not tried: the document has ended {self._deaths} render workers."
            return PageFailure(number, "document_rejected", detail)
        spent_s, limit_s = self._file.cpu.spent_s, self._max_cpu_s
        if spent_s >= limit_s:
            detail = (
                f"Page {number} was not tried: the document has taken {spent_s:.0f} s of CPU time, the limit is "
                f"{limit_s:g} (RENDER_DOCUMENT_CPU_S)."
            )
            return PageFailure(number, "document_rejected", detail)
        try:
            return await self._pool.page(self._flow, self._file, number)
        except WorkerLost as lost:
            self._deaths += 1
            if self._file and lost.reason == "timeout":
                self._file.cpu.spent_s += self._timeout_s
            return _page_failure(number, lost)
        except ServiceError as error:
            if error.status >= 500:
                raise
            return PageFailure(number, error.code, error.detail)


def _open_error(lost: WorkerLost) -> ServiceError:
    if lost.reason == "timeout":
        return ServiceError(422, "document_timeout", "The document took too long to open.")
    return ServiceError(422, "document_crashed", "The document makes its decoder crash.")


def _page_failure(number: int, lost: WorkerLost) -> PageFailure:
    if lost.reason == "timeout":
        return PageFailure(number, "page_timeout", f"Page {number} took too long to render.")
    return PageFailure(number, "page_crashed", f"Page {number} made its decoder crash.")
