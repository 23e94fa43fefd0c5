"""Where documents come from and results go to, by pyarrow's file systems: a local folder, or the prefix of a bucket."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import fs

from paddleocr_vl_client.downloads import replace_file
from paddleocr_vl_client.sources import printable

S3 = "s3://"
_S3_TRIES = 5
_CONNECT_S, _REQUEST_S = 10, 60


@dataclass(frozen=True, slots=True)
class Store:
    """Files by their names below `root`, with `/` between the parts. Every method raises OSError where it fails."""

    files: Any
    root: str

    @property
    def is_local(self) -> bool:
        return isinstance(self.files, fs.LocalFileSystem)

    def names(self, below: str = "", must_exist: bool = False) -> list[str]:
        """Of all files, those of folders below too, in order; FileNotFoundError where there `must_exist` something."""
        folder = self._path(below)
        start = len(folder.rstrip("/")) + 1
        selector = fs.FileSelector(folder, recursive=True, allow_not_found=not must_exist)
        try:
            found = self.files.get_file_info(selector)
            return sorted(one.path[start:] for one in found if one.type == fs.FileType.File)
        except UnicodeDecodeError as error:
            # Of pyarrow, which has no such names.
            raise OSError(errno.EILSEQ, "The name is no UTF-8", printable(os.fsdecode(error.object))) from error

    def open(self, name: str) -> Any:  # noqa: ANN401 - a file of pyarrow, which has no types
        """The bytes, from their beginning. FileNotFoundError where there is no such file."""
        return self.files.open_input_stream(self._path(name))

    def read(self, name: str) -> bytes | None:
        """None where there is no such file."""
        try:
            with self.open(name) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """The file appears whole or not at all, in the place of an older one."""
        if self.is_local:
            path = Path(self._path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            with replace_file(path) as file:
                file.write(data)
        else:
            with self.files.open_output_stream(self._path(name)) as stream:
                stream.write(data)

    def delete(self, name: str) -> None:
        self.files.delete_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root


def normalize_place(place: str) -> str:
    """The same place for a process with another working folder."""
    return place.rstrip("/") if place.startswith(S3) else os.path.abspath(place)


def open_store(place: str) -> Store:
    """`place` as `normalize_place` has it. What leads to a bucket is taken from the environment, as AWS's tools do."""
    if not place.startswith(S3):
        return Store(fs.LocalFileSystem(), place)
    path = place.removeprefix(S3)
    return Store(_open_s3(path.partition("/")[0]), path)


def _open_s3(bucket: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    """pyarrow itself looks for keys, but not for the address."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region and not endpoint:
        region = fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        region=region,
        endpoint_override=endpoint,
        connect_timeout=_CONNECT_S,
        request_timeout=_REQUEST_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_S3_TRIES),
        # A small file is one request, and no upload in parts.
        allow_delayed_open=True,
    )
