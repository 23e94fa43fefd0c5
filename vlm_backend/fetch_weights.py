"""Downloads the weights of `VLM_MODEL` from the Hugging Face hub into a folder that vLLM then loads offline.

    python -m vlm_backend fetch-models [--model NAME] [--to FOLDER]

huggingface_hub lists the files and carries the bytes, so HF_ENDPOINT, HF_TOKEN, HF_HUB_DOWNLOAD_TIMEOUT and the proxy
variables mean what they always do. What it lacks is here: it throws half a file away when it is interrupted, and does
not compare what arrived with the hub's checksums.
"""

from __future__ import annotations

import argparse
import errno
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

from vlm_backend.settings import Settings, checked_settings
from vlm_backend.weights import model_folder, problems

NEEDED = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Endings of what vLLM reads. A repository also holds pictures, and the same weights for other programs."""
CODE = ".py"
TRIES = 3
"""In a row without a new byte; each comes later than the one before, the first after a second."""
SPACE_LEFT = 64 * 2**20
"""Bytes that a disk keeps free."""
STEP = 5
"""Percent between two lines in a log."""


T = TypeVar("T")
DESCRIPTION = "Download the weights of a model, or go on downloading."


class FetchError(Exception):
    """Why the weights can't be had, as one sentence."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the hub lists it. `sha256` of one in large file storage; else `git_sha1`, as git names its object."""

    name: str
    size: int
    sha256: str | None
    git_sha1: str | None

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


def git_sha1(content: BinaryIO, size: int) -> str:
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    digest.update(content.read())
    return digest.hexdigest()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m vlm_backend fetch-models", description=DESCRIPTION)
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def run(chosen: argparse.Namespace) -> int:
    """Exit status: 0, or 1 where the weights can't be had."""
    settings = checked_settings()
    settings = settings.model_copy(
        update={"vlm_model": chosen.model or settings.vlm_model, "vlm_model_dir": chosen.to or settings.vlm_model_dir}
    )
    try:
        fetch(settings)
    except FetchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the same command goes on from here.\n")
        return 130
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="name on the hub; default: VLM_MODEL")
    parser.add_argument("--to", metavar="FOLDER", type=Path, help="a folder is made there; default: VLM_MODEL_DIR")


def fetch(settings: Settings) -> None:
    """Fills `model_folder(settings)`; FetchError where that can't be done."""
    if Path(settings.vlm_model).expanduser().is_dir():
        raise FetchError(f"{settings.vlm_model} is a folder on this machine; there is nothing to download.")
    folder = model_folder(settings)
    endings = (*NEEDED, CODE) if settings.vlm_trust_remote_code else NEEDED
    with explained(settings.vlm_model, folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            revision, files = listing(settings.vlm_model, endings)
            # Not before: an empty folder would be taken for a broken model.
            folder.mkdir(exist_ok=True)
            download_missing(settings.vlm_model, revision, files, folder)
    if found := problems(folder):
        raise FetchError(f"{settings.vlm_model} as the hub has it is not a model that vLLM can load. {' '.join(found)}")
    sys.stdout.write(f"{folder} is complete.\n")


def listing(model: str, endings: tuple[str, ...]) -> tuple[str, list[RemoteFile]]:
    """Commit and files of the main branch. What lies in folders is for other programs: v1 has a layout model there."""
    from huggingface_hub import HfApi

    info = persistently(lambda: HfApi().model_info(model, files_metadata=True, timeout=20), lambda: 0)
    return info.sha or "main", [
        RemoteFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else None, file.blob_id)
        for file in info.siblings or []
        if "/" not in file.rfilename and file.rfilename.endswith(endings)
    ]


def download_missing(model: str, revision: str, files: Sequence[RemoteFile], folder: Path) -> None:
    missing = [file for file in files if not file.matches(folder / file.name)]
    if missing:
        check_space(missing, folder)
        total = sum(file.size for file in missing)
        sys.stdout.write(f"Downloading {model}, {megabytes(total)}, to {folder}\n")
        sys.stdout.flush()
        download_all(model, revision, missing, folder, total)
    for left_over in folder.glob(".*.part"):
        left_over.unlink()


def download_all(model: str, revision: str, files: Sequence[RemoteFile], folder: Path, total: int) -> None:
    done = 0
    with progress(total) as show:
        for file in files:
            download(model, revision, file, folder, partial(show_after, show, done))
            done += file.size


def show_after(show: Callable[[int], None], before: int, position: int) -> None:
    show(before + position)


def download(model: str, revision: str, file: RemoteFile, folder: Path, show: Callable[[int], None]) -> None:
    """One file, from where its part ends. One that arrives damaged is fetched once more from its beginning."""
    part = file.part(folder)
    for _ in range(2):
        persistently(lambda: continue_part(model, revision, file, part, show), lambda: size_of(part))
        if file.matches(part):
            part.replace(folder / file.name)
            return
        part.unlink()
    raise FetchError(
        f"{file.name} arrived twice with another content than the hub's checksum says; try another mirror."
    )


def continue_part(model: str, revision: str, file: RemoteFile, part: Path, show: Callable[[int], None]) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    # A compressed answer cannot be continued in the middle.
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    with Part(part, show) as content:
        there = content.seek(0, os.SEEK_END)
        show(there)
        url = hf_hub_url(model, file.name, revision=revision)
        http_get(url, content, resume_size=there, headers=headers, expected_size=file.size)


class Part(io.FileIO):
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


def persistently(attempt: Callable[[], T], progress_made: Callable[[], int]) -> T:
    """The attempt's result; tries again after what may pass by itself, as long as there is progress."""
    failures, before = 0, progress_made()
    while True:
        try:
            return attempt()
        except Exception as error:
            now = progress_made()
            failures, before = (1 if now > before else failures + 1), now
            if failures >= TRIES or not is_passing(error):
                raise
            time.sleep(2 ** (failures - 1))


def is_passing(error: Exception) -> bool:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        status = int(error.response.status_code)
        return status >= 500 or status == 429
    # That a file ended early huggingface_hub says with a bare OSError.
    return isinstance(error, httpx2.TransportError) or (type(error) is OSError and error.errno is None)


@contextmanager
def explained(model: str, folder: Path) -> Iterator[None]:
    """Every failure that a person can do something about, as a sentence."""
    import httpx2
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise FetchError("HF_HUB_OFFLINE is set; nothing can be downloaded with it.") from error
    except errors.HFValidationError as error:
        raise FetchError(f"{model} is not a name of the form organisation/model.") from error
    except errors.GatedRepoError as error:
        raise FetchError(
            f"{model} is only given to accounts that accepted its conditions: accept them at {hub}/{model} and set "
            "HF_TOKEN to a token of that account."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FetchError(f"{hub} has no model {model}, or has it for other accounts only (HF_TOKEN).") from error
    except errors.HfHubHTTPError as error:
        raise FetchError(http_sentence(hub, error.response.status_code)) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise FetchError(
            f"{hub} cannot be reached: {error}. Without network, copy the model's folder from another machine to "
            f"{folder}; HF_ENDPOINT names a mirror of the hub, HTTPS_PROXY a proxy."
        ) from error
    except ValueError as error:
        raise FetchError(f"{hub} does not answer as a Hugging Face hub does; HF_ENDPOINT names another one.") from error
    except OSError as error:
        raise FetchError(disk_sentence(error, folder)) from error


def http_sentence(hub: str, status: int) -> str:
    if status in (401, 403):
        return f"{hub} does not accept HF_TOKEN (HTTP {status}); set it to a token that may read, or unset it."
    return f"{hub} answers with HTTP {status}; try again later, or name a mirror with HF_ENDPOINT."


def disk_sentence(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk of {folder} is full; make room and run the same command again, it goes on where it stopped."
    if error.errno is None:
        return f"The download broke off again and again: {error}; the same command goes on where it stopped."
    return f"{folder} cannot be written: {error.strerror}; --to or VLM_MODEL_DIR name another folder."


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time: containers that start together may share the folder."""
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stdout.write(f"Another process is downloading to {folder}; waiting for it.\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_space(missing: Sequence[RemoteFile], folder: Path) -> None:
    needed = sum(file.size - size_of(file.part(folder)) for file in missing) + SPACE_LEFT
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FetchError(f"{folder} needs {megabytes(needed)} of free disk, and {megabytes(free)} are free.")


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e9:.2f} GB"


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A function to tell how many bytes are there: a bar on a terminal, a line every 5 % elsewhere."""
    if not sys.stderr.isatty():
        yield percent_lines(total)
        return
    from huggingface_hub.utils import disable_progress_bars
    from tqdm import tqdm

    disable_progress_bars()
    with tqdm(total=total, unit="B", unit_scale=True) as bar:
        yield lambda done: bar.update(done - bar.n) and None


def percent_lines(total: int) -> Callable[[int], None]:
    said = 0

    def show(done: int) -> None:
        nonlocal said
        percent = done * 100 // max(total, 1)
        if percent >= said + STEP:
            said = percent // STEP * STEP
            sys.stdout.write(f"{said:3d} % of {megabytes(total)}\n")
            sys.stdout.flush()

    return show


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
