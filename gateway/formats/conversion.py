"""Pages that were read to a file of a format that takes long to write: what the gateway sends, what a worker makes."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Literal, cast

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from gateway.intake.spool import SpooledFile
from gateway.model import PageResult
from gateway.reading_options import OcrOptions
from gateway.workers.messages import Header

ConvertedFormat = Literal["pdf", "docx", "xlsx", "csv"]
CONVERTED_FORMATS: frozenset[ConvertedFormat] = frozenset({"pdf", "docx", "xlsx", "csv"})
_OPTIONS = TypeAdapter(OcrOptions)


@dataclass(frozen=True, slots=True)
class ConversionInput:
    """`body`: the pages, a line of JSON each, and behind them the document's bytes, where the format needs them."""

    request: Header
    body: SpooledFile


def encode_page(page: PageResult, images: Mapping[str, str]) -> bytes:
    """One line. `images`: key to base64 JPEG; others, as URLs, are left out of what is made."""
    return b'{"page":' + page.model_dump_json().encode() + b',"images":' + to_json(dict(images)) + b"}\n"


def make_input(
    kind: ConvertedFormat,
    pages: bytes | bytearray,
    options: OcrOptions,
    document: SpooledFile | None,
    media_type: str,
    password: str | None,
) -> ConversionInput:
    """`pages`: what `encode_page` gave, joined; `document`: what a PDF is made of. Blocks while it copies."""
    request: dict[str, Any] = {
        "op": "format",
        "format": kind,
        "pages_bytes": len(pages),
        "options": _OPTIONS.dump_python(options, mode="json"),
        "media_type": media_type,
        "password": password,
    }
    return ConversionInput(request, SpooledFile.from_iterable(_join(pages, document if kind == "pdf" else None)))


def _join(pages: bytes | bytearray, document: SpooledFile | None) -> Iterator[bytes]:
    yield bytes(pages)
    if document is not None:
        yield from document.read_pieces()


def write_format(request: Header, body: IO[bytes], output: IO[bytes]) -> Header:
    """Writes the file; the header has `tables`, how many it holds, where it is one of tables. Runs in a worker."""
    lines = body.read(request["pages_bytes"]).splitlines()
    target = cast(BinaryIO, output)
    if request["format"] == "docx":
        target.write(_build_docx(lines, _OPTIONS.validate_python(request["options"])))
        return {}
    pages = [PageResult.model_validate(from_json(line)["page"]) for line in lines]
    if request["format"] == "pdf":
        from gateway.formats.searchable_pdf import write_searchable_pdf

        with _copy_rest(body) as document:
            write_searchable_pdf(document, request["media_type"], request["password"], pages, target)
        return {}
    from gateway.formats.spreadsheets import write_csv, write_workbook

    write = write_workbook if request["format"] == "xlsx" else write_csv
    return {"tables": write(pages, target)}


def _copy_rest(body: IO[bytes]) -> BinaryIO:
    """What stands behind the pages as a file of its own: decoders and PDF's cross references count from its start."""
    file = os.fdopen(os.memfd_create("document"), "w+b")
    shutil.copyfileobj(body, file)
    file.flush()
    file.seek(0)
    return cast(BinaryIO, file)


def _build_docx(lines: Iterable[bytes], options: OcrOptions) -> bytes:
    from gateway.assembly.docx.writer import DocxPage, build_docx
    from gateway.assembly.page import picture_keys

    pages, pictures = [], dict[str, bytes]()
    for line in lines:
        entry = from_json(line)
        page = PageResult.model_validate(entry["page"])
        pages.append(DocxPage(page, options, picture_keys(page.page, page.blocks, options)))
        for key, picture in entry["images"].items():
            with suppress(ValueError):
                pictures[key] = base64.b64decode(picture, validate=True)
    return build_docx(pages, pictures)
