"""What is to be read, and the files that its text goes to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import msgspec

from paddleocr_vl_client.commands.failures import CommandError, ExitStatus
from paddleocr_vl_client.options import Format, ReadOptions

STDIN = "-"
SUFFIXES = frozenset(
    ".pdf .png .jpg .jpeg .webp .bmp .gif .tif .tiff .jp2 .j2k .heic .heif .avif".split()  # noqa: SIM905 - is read easier
)
"""Of files that are looked for in folders; a file that is named itself may have any."""
ENDINGS: Mapping[Format, str] = {
    "json": ".json",
    "markdown": ".md",
    "html": ".html",
    "text": ".txt",
    "pdf": ".pdf",
    "hocr": ".hocr",
    "alto": ".xml",
    "docx": ".docx",
    "xlsx": ".xlsx",
    "csv": ".csv",
}
ZIP_ENDING = ".zip"
"""Of CSV where a document has several tables."""
_TEXTS = frozenset({"pages", "password"})
_LISTS = frozenset({"include", "ignore_labels"})


@dataclass(frozen=True, slots=True)
class Input:
    """`place` is a path, a URL, an `s3://` key or `-`; `output` is where its text goes below the output folder, without
    the ending of the format."""

    place: str
    output: PurePath

    @property
    def is_file(self) -> bool:
        return self.place != STDIN and not is_remote(self.place)


def is_remote(place: str) -> bool:
    return place.startswith(("http://", "https://", "s3://"))


def expand_inputs(places: Sequence[str], excluded: Path | None = None) -> list[Input]:
    """Each file, folders with all their documents. What lies below `excluded` is left out.

    CommandError where something does not exist, or two inputs would share an output.
    """
    found = [one for place in places for one in _expand(place, excluded)]
    by_output: dict[PurePath, str] = {}
    for one in found:
        other = by_output.setdefault(one.output, one.place)
        if other != one.place:
            raise CommandError(f"{other} and {one.place} would be written to the same file.", ExitStatus.USAGE)
    return [Input(place, output) for output, place in by_output.items()]


def _expand(place: str, excluded: Path | None) -> Iterator[Input]:
    if place == STDIN:
        yield Input(place, PurePath("stdin"))
    elif is_remote(place):
        name = PurePath(unquote(urlsplit(place).path)).name
        yield Input(place, PurePath(name or "document"))
    elif (path := Path(place)).is_dir():
        yield from (Input(str(file), file.relative_to(path)) for file in find_documents(path, excluded))
    elif path.exists():
        yield Input(place, PurePath(path.name))
    else:
        raise CommandError(f"{place} does not exist.", ExitStatus.USAGE)


def find_documents(folder: Path, excluded: Path | None = None) -> Iterator[Path]:
    """Files with the ending of a document, in order; hidden ones are left out."""
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _is_same(here / name, excluded)
        )
        for name in sorted(files):
            if not name.startswith(".") and PurePath(name).suffix.lower() in SUFFIXES:
                yield here / name


def _is_same(folder: Path, excluded: Path | None) -> bool:
    return excluded is not None and folder.resolve() == excluded.resolve()


def add_read_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--format", choices=tuple(ENDINGS), default="markdown", help="what to write; default: markdown"
    )
    add_option_arguments(parser)


def add_option_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of POST /ocr, for `parse_read_options`."""
    parser.add_argument("--pages", help="1-3,7 or 9- or -2; default: all")
    parser.add_argument(
        "-O",
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other option of POST /ocr (docs/api.md), for example: -O include=lines,words -O chart=true",
    )


def parse_read_options(options: argparse.Namespace) -> ReadOptions:
    """Options of POST /ocr from those of `add_option_arguments`; CommandError where one has no value."""
    given: dict[str, Any] = {"pages": options.pages} if options.pages else {}
    for word in options.option:
        name, separator, value = word.partition("=")
        if not separator:
            raise CommandError(f"-O {word} has no value; it is NAME=VALUE.", ExitStatus.USAGE)
        given[name] = _parse_value(name, value)
    return cast(ReadOptions, given)  # the service knows which names and values there are


def _parse_value(name: str, value: str) -> object:
    """Numbers and truth values as JSON has them, which a URL's request is sent as."""
    if name in _LISTS:
        return [part for part in value.split(",") if part]
    if name in _TEXTS:
        return value
    try:
        found = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
    return found if isinstance(found, bool | int | float) else value
