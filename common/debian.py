"""Content of Debian's or Ubuntu's packages, fetched as an ordinary user.

apt keeps its lists and caches in a folder of ours, so nothing on the machine changes and root is not needed. It checks
each package against the lists that the distribution has signed. What is taken from a package appears in its place whole
or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

PREFIX = ".packages-"
ABANDONED_S = 3600
"""Older work folders are those of a process that was killed while it fetched."""
TIMEOUT_S = 300.0
_SMALL_UPDATE = (
    "Acquire::Languages=none",
    "Acquire::Retries=1",
    "Acquire::IndexTargets::deb-src::Sources::DefaultEnabled=false",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    "Acquire::IndexTargets::deb::CNF::DefaultEnabled=false",
    # What the machine's administrator runs after an update is not ours to run.
    "APT::Update::Pre-Invoke=",
    "APT::Update::Post-Invoke=",
    "APT::Update::Post-Invoke-Success=",
)
"""Of the indexes only those of packages."""


class FetchError(Exception):
    """The data can't be had this way; the message is a clause that says why."""


@asynccontextmanager
async def unpack(packages: Sequence[str], folder: Path, *, extras: Sequence[str] = ()) -> AsyncIterator[Path]:
    """The content of the packages, in a folder inside of `folder` that is gone after the context.

    Raises FetchError, for an OSError in the context too. Cancelling ends apt, too. `extras` are packages that are left
    out where they can't be had.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise FetchError("this machine has no apt-get")
    work: Path | None = None
    try:
        work = await asyncio.to_thread(_work_folder, folder)
        async with asyncio.timeout(TIMEOUT_S):
            for package in await _download(packages, extras, work):
                await _require("dpkg-deb", "-x", str(package), str(work / "content"), folder=work)
            yield work / "content"
    except TimeoutError:
        raise FetchError(f"apt-get was not done after {TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise FetchError(f"{folder} can't be written ({error.strerror})") from error
    finally:
        if work:
            shutil.rmtree(work, ignore_errors=True)


def put_in_place(content: Path, name: str, folder: Path) -> Path:
    """Moves the file of that name, wherever it lies in an unpacked package, into `folder`; raises FetchError."""
    found = next((file for file in content.rglob(name) if not file.is_symlink()), None)
    if found is None:
        raise FetchError(f"the package holds no {name}")
    found.chmod(0o644)
    return found.replace(folder / name)


def _work_folder(folder: Path) -> Path:
    """A new folder beside the data, so that a rename puts it in place; what others have left behind goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(old, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    for part in ("state/lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True)
    return work


async def _download(packages: Sequence[str], extras: Sequence[str], work: Path) -> list[Path]:
    """The packages' files, by the lists that the machine has, else by new ones."""
    cache = f"Dir::Cache={work / 'cache'}"
    with contextlib.suppress(FetchError):
        return await _download_listed(packages, extras, work, cache)
    own = (cache, f"Dir::State={work / 'state'}", *_SMALL_UPDATE)
    _, complaint = await _run("apt-get", *_options(*own), "update", folder=work)
    try:
        # Whether the update failed says little: one list of another vendor that can't be had is enough for that.
        return await _download_listed(packages, extras, work, *own)
    except FetchError as error:
        raise FetchError(complaint or str(error)) from error


async def _download_listed(packages: Sequence[str], extras: Sequence[str], work: Path, *settings: str) -> list[Path]:
    await _require("apt-get", *_options(*settings), "download", *packages, folder=work)
    for package in extras:
        await _run("apt-get", *_options(*settings), "download", package, folder=work)
    files = await asyncio.to_thread(lambda: list(work.glob("*.deb")))
    if not files:
        raise FetchError("apt-get gave no package")
    return files


def _options(*settings: str) -> list[str]:
    # As root, apt would have the user _apt download, who may not write into the folder.
    everywhere = ("Debug::NoLocking=1", "APT::Sandbox::User=root")
    return ["-q", *(part for setting in (*everywhere, *settings) for part in ("-o", setting))]


async def _require(*command: str, folder: Path) -> None:
    """Runs a program to its end; raises FetchError where it fails."""
    code, complaint = await _run(*command, folder=folder)
    if code:
        raise FetchError(complaint or f"{command[0]} ended with code {code}")


async def _run(*command: str, folder: Path) -> tuple[int, str]:
    """Runs a program to its end and gives its code and its first complaint, "" for none. Cancelling kills it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, errors = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return process.returncode or 0, _complaint(errors.decode(errors="replace"))


def _complaint(errors: str) -> str:
    """The first of apt's errors and warnings that tells why a list or a package could not be had."""
    lines = [line.removeprefix("E: ").removeprefix("W: ").strip() for line in errors.splitlines()]
    told = [line for line in lines if line and "unsandboxed" not in line and "command line option" not in line]
    return " ".join((told or [""])[0].split())
