"""Files from the Hugging Face hub into a folder; a download that broke off goes on where it stopped.

huggingface_hub lists the files and carries the bytes, so HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT
and the proxy variables mean what they always do. What its 2.4 lacks is here. `snapshot_download` writes to a file of a
new name each time: after a kill it begins at the first byte, and the old part stays. It puts a file of the right size
in place whatever its content; `verify_repo_checksums` looks at it only there, where an engine may load it already.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

TRIES = 3
"""In a row without a new byte; each comes later than the one before, the first after a second."""
MIN_FREE_BYTES = 64 * 2**20
"""What a disk keeps free."""
PERCENT_STEP = 5
"""Between two lines in a log."""
LOCK = ".download.lock"
SHA256_LENGTH = 64

T = TypeVar("T")


class DownloadError(Exception):
    """Why the files can't be had and what to do about it, in a sentence or two."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the hub lists it. `sha256` of one in large file storage; else `git_sha1`, as git names its object."""

    name: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None

    def matches(self, file: Path) -> bool:
        """Whether `file` has this content; where the hub gives no checksum, this size."""
        if not file.is_file() or file.stat().st_size != self.size:
            return False
        with file.open("rb") as content:
            if self.sha256:
                return hashlib.file_digest(content, "sha256").hexdigest() == self.sha256
            return self.git_sha1 is None or git_sha1(content, self.size) == self.git_sha1

    def part(self, folder: Path) -> Path:
        """Where it grows; the name tells its content, so that no other revision's beginning is continued."""
        return folder / f".{self.name}.{(self.sha256 or self.git_sha1 or str(self.size))[:16]}.part"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files of a repository at one commit."""

    repository: str
    revision: str
    files: Sequence[RemoteFile]


def git_sha1(content: BinaryIO, size: int) -> str:
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    digest.update(content.read())
    return digest.hexdigest()


def list_files(repository: str, endings: tuple[str, ...]) -> Snapshot:
    """Files of the main branch whose names end so, but for those in folders. Raises what huggingface_hub does."""
    from huggingface_hub import HfApi

    info = retry_download(lambda: HfApi().model_info(repository, files_metadata=True, timeout=20), lambda: 0)
    files = [
        RemoteFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else None, file.blob_id)
        for file in info.siblings or []
        if "/" not in file.rfilename and file.rfilename.endswith(endings)
    ]
    return Snapshot(repository, info.sha or "main", files)


def find_files(repository: str, names: Sequence[str]) -> Snapshot:
    """The named files of the main branch, asked for one by one. Raises what huggingface_hub does."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    revision, files = "main", []
    for name in names:
        found = get_hf_file_metadata(hf_hub_url(repository, name, revision=revision))
        revision = found.commit_hash or revision
        # Another ETag is no checksum on every mirror.
        sha256 = found.etag if len(found.etag or "") == SHA256_LENGTH else None
        files.append(RemoteFile(name, found.size or 0, sha256))
    return Snapshot(repository, revision, files)


def download_missing(snapshot: Snapshot, folder: Path) -> None:
    """Makes the folder hold the files, in their order; what is there and whole is left alone.

    Raises DownloadError, and what huggingface_hub does.
    """
    if all(file.matches(folder / file.name) for file in snapshot.files):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with lock_folder(folder):
        missing = [file for file in snapshot.files if not file.matches(folder / file.name)]
        if missing:
            check_space(missing, folder)
            total = sum(file.size for file in missing)
            sys.stdout.write(f"Downloading {snapshot.repository}, {megabytes(total)}, to {folder}\n")
            sys.stdout.flush()
            _download_all(snapshot, missing, folder, total)
        for part in folder.glob(".*.part"):
            part.unlink()


def _download_all(snapshot: Snapshot, files: Sequence[RemoteFile], folder: Path, total: int) -> None:
    done = 0
    with show_progress(total) as show:
        for file in files:
            _download(snapshot, file, folder, partial(_show_after, show, done))
            done += file.size


def _show_after(show: Callable[[int], None], before: int, position: int) -> None:
    show(before + position)


def _download(snapshot: Snapshot, file: RemoteFile, folder: Path, show: Callable[[int], None]) -> None:
    """One file, from where its part ends. One that arrives damaged is fetched once more from its beginning."""
    part = file.part(folder)
    for _ in range(2):
        retry_download(partial(_continue_part, snapshot, file, part, show), partial(size_of, part))
        if file.matches(part):
            part.replace(folder / file.name)
            return
        part.unlink()
    raise DownloadError(
        f"{file.name} arrived twice with another content than the hub's checksum says; try another mirror."
    )


def _continue_part(snapshot: Snapshot, file: RemoteFile, part: Path, show: Callable[[int], None]) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    # A compressed answer cannot be continued in the middle.
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    with PartFile(part, show) as content:
        there = content.seek(0, os.SEEK_END)
        show(there)
        url = hf_hub_url(snapshot.repository, file.name, revision=snapshot.revision)
        http_get(url, content, resume_size=there, headers=headers, expected_size=file.size)


class PartFile(io.FileIO):
    """A growing file that tells its size after each write. Unbuffered: what arrived stays, however the process ends."""

    def __init__(self, file: Path, show: Callable[[int], None]) -> None:
        super().__init__(file, "r+" if file.exists() else "w+")
        self._show = show

    def write(self, data: bytes) -> int:  # type: ignore[override]
        rest = memoryview(data)
        while rest:
            rest = rest[super().write(rest) :]
        self._show(self.tell())
        return len(data)


def retry_download(attempt: Callable[[], T], progress_made: Callable[[], int]) -> T:
    """The attempt's result; tries again after what may pass by itself, as long as there is progress."""
    failures, before = 0, progress_made()
    while True:
        try:
            return attempt()
        except Exception as error:
            now = progress_made()
            failures, before = (1 if now > before else failures + 1), now
            if failures >= TRIES or not is_transient(error):
                raise
            time.sleep(2 ** (failures - 1))


def is_transient(error: Exception) -> bool:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        status = int(error.response.status_code)
        return status >= 500 or status == 429
    # That a file ended early huggingface_hub says with a bare OSError.
    return isinstance(error, httpx2.TransportError) or (type(error) is OSError and error.errno is None)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """One process at a time: containers that start together may share the folder."""
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stdout.write(f"Another process is downloading to {folder}; waiting for it.\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_space(missing: Sequence[RemoteFile], folder: Path) -> None:
    needed = sum(file.size - size_of(file.part(folder)) for file in missing) + MIN_FREE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DownloadError(f"{folder} needs {megabytes(needed)} of free disk, and {megabytes(free)} are free.")


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e9:.2f} GB"


@contextmanager
def show_progress(total: int) -> Iterator[Callable[[int], None]]:
    """A function to tell how many bytes are there: a bar on a terminal, a line every 5 % elsewhere."""
    if not sys.stderr.isatty():
        yield write_percent(total)
        return
    from huggingface_hub.utils import disable_progress_bars
    from tqdm import tqdm

    disable_progress_bars()
    with tqdm(total=total, unit="B", unit_scale=True) as bar:
        yield lambda done: bar.update(done - bar.n) and None


def write_percent(total: int) -> Callable[[int], None]:
    said = 0

    def show(done: int) -> None:
        nonlocal said
        percent = done * 100 // max(total, 1)
        if percent >= said + PERCENT_STEP:
            said = percent // PERCENT_STEP * PERCENT_STEP
            sys.stdout.write(f"{said:3d} % of {megabytes(total)}\n")
            sys.stdout.flush()

    return show
