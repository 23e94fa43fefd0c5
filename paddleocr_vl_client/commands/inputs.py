"""What is to be read, and the files that its text goes to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePath
from typing import Any, NoReturn, cast
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
BINARY: frozenset[Format] = frozenset({"pdf", "docx", "xlsx"})
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


def expand_inputs(places: Sequence[str], folder: Path | None = None) -> list[Input]:
    """Each file once, folders with all their documents. What was written to the output `folder` is left out.

    CommandError where something does not exist, nothing is found, or two inputs would share a file in `folder`.
    """
    found = {one.place: one for place in places for one in _expand(place, folder)}
    if not found:
        raise CommandError("There is no document in these folders.", ExitStatus.USAGE)
    by_output: dict[PurePath, str] = {}
    for one in found.values() if folder else ():
        other = by_output.setdefault(one.output, one.place)
        if other != one.place:
            raise CommandError(f"{other} and {one.place} would be written to the same file.", ExitStatus.USAGE)
    return list(found.values())


def _expand(place: str, excluded: Path | None) -> Iterator[Input]:
    if not place:
        # As a path it would be the working folder, and is a shell's variable without a value.
        raise CommandError("An input has no name.", ExitStatus.USAGE)
    if place == STDIN:
        yield Input(place, PurePath("stdin"))
    elif is_remote(place):
        name = PurePath(unquote(urlsplit(place).path)).name
        yield Input(place, PurePath(name or "document"))
    elif (path := Path(place)).is_dir():
        yield from (Input(str(file), file.relative_to(path)) for file in find_documents(path, excluded, _fail))
    elif path.exists():
        yield Input(place, PurePath(path.name))
    elif has_magic(place) and (matches := sorted(filter(os.path.exists, glob(place, recursive=True)))):
        # A pattern that no shell has expanded: it was quoted, or the names would be too many for a command line.
        for match in matches:
            yield from _expand(match, excluded)
    elif "://" in place:
        raise CommandError(f"{place} is not read: URLs begin with http://, https:// or s3://.", ExitStatus.USAGE)
    else:
        raise CommandError(f"{place} does not exist.", ExitStatus.USAGE)


def _fail(error: OSError) -> NoReturn:
    raise error


def find_documents(
    folder: Path, excluded: Path | None = None, on_error: Callable[[OSError], None] | None = None
) -> Iterator[Path]:
    """Files with the ending of a document, in order; hidden ones are left out, what would wait for a writer (pipes,
    devices), and outputs in `excluded`, which may be the folder itself. `on_error` is told of folders that can't be
    opened."""
    has_outputs = _is_same(folder, excluded)
    for parent, folders, files in os.walk(folder, onerror=on_error):
        here = Path(parent)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _is_same(here / name, excluded)
        )
        names = {name for name in files if not name.startswith(".") and PurePath(name).suffix.lower() in SUFFIXES}
        for name in sorted(names):
            if not (has_outputs and PurePath(name).stem in names) and not _is_special(here / name):
                yield here / name


def _is_special(path: Path) -> bool:
    """Whether it is there and no file: what is not there is told of when it is read."""
    return path.exists() and not path.is_file()


def check_output(name: str) -> Path:
    """The folder for results, which need not exist. CommandError where none can be written there: to find that out by
    them, documents would be read in vain."""
    if not name:
        raise CommandError("The folder for the results has no name.", ExitStatus.USAGE)
    folder = Path(name)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise CommandError(f"{there} is no folder for results: it is a file.", ExitStatus.USAGE)
    if not os.access(there, os.W_OK | os.X_OK):
        raise CommandError(f"{there} can't be written to.", ExitStatus.USAGE)
    return folder


def check_parallel(count: int) -> None:
    if count < 1:
        raise CommandError("--parallel is a whole number from 1.", ExitStatus.USAGE)


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
        help="any other option of POST /ocr, which /docs of the service tells of, for example: -O include=lines,words "
        "-O chart=true",
    )


def parse_read_options(options: argparse.Namespace) -> ReadOptions:
    """Options of POST /ocr from those of `add_option_arguments`; CommandError where one has no value, or none has its
    name."""
    given: dict[str, Any] = {"pages": options.pages} if options.pages else {}
    for word in options.option:
        name, separator, value = word.partition("=")
        if not separator:
            raise CommandError(f"-O {word} has no value; it is NAME=VALUE.", ExitStatus.USAGE)
        if name not in ReadOptions.__optional_keys__:
            known = ", ".join(sorted(ReadOptions.__optional_keys__))
            raise CommandError(f"There is no option {name}; options are {known}.", ExitStatus.USAGE)
        given[name] = _parse_value(name, value)
    return cast(ReadOptions, given)  # the service knows which values there are


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
