"""A document's pages as a file between the gateway and a conversion worker, which makes one document of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import IO

from pydantic import BaseModel

from gateway.intake.spool import SpooledFile
from gateway.model import PageResult
from gateway.reading_options import OcrOptions
from gateway.workers.messages import Header


class _Head(BaseModel):
    """The first line. `restructuring`: arguments of `restructure_pages`."""

    options: OcrOptions
    restructuring: dict[str, bool]


def pack_pages(pages: Iterable[PageResult], options: OcrOptions, restructuring: Mapping[str, bool]) -> Iterator[bytes]:
    """Lines for `write_restructured_pages`; `options` are those that the pages were read with."""
    yield _line(_Head(options=options, restructuring=dict(restructuring)))
    yield from map(_line, pages)


def write_restructured_pages(_request: Header, body: IO[bytes], output: IO[bytes]) -> Header:
    """Writes the pages of `restructure_pages`, a line each. Runs in a worker process."""
    from gateway.assembly.restructure import restructure_pages

    head = _Head.model_validate_json(body.readline())
    pages = [PageResult.model_validate_json(line) for line in body]
    for page in restructure_pages(pages, head.options, **head.restructuring):
        output.write(_line(page))
    return {}


def read_pages(file: SpooledFile) -> Iterator[PageResult]:
    """What `write_restructured_pages` wrote. Blocks."""
    with file.open_file() as lines:
        for line in lines:
            yield PageResult.model_validate_json(line)


def _line(content: BaseModel) -> bytes:
    return content.model_dump_json().encode() + b"\n"
