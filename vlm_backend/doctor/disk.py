"""Folders that have to be written, and room in them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from vlm_backend.doctor.checkpoint import DOWNLOAD_GB
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn
from vlm_backend.weights import hub_cache

SAMPLE = bytes(64 * 1024)
"""More than a file system keeps beside a file's name, so that a full one is noticed."""
GB = 1_000_000_000
LITTLE = GB
"""Less free space than this under TEMP_DIR is worth a word: an upload may be 100 MB, and several come at once."""
WORDS: Mapping[int, str] = {
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the file system is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "files may not grow (ulimit -f)",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EIO: "the disk fails",
    errno.ENAMETOOLONG: "the path is too long",
}
REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "Make room there, or set {name} to a folder on another disk.",
    errno.EDQUOT: "Make room there, or set {name} to a folder on another disk.",
    errno.EROFS: "Mount a writable folder there, or set {name} to one.",
}


def write_error(folder: Path) -> OSError | None:
    """What is said to a file written into `folder`, or into the nearest folder above it that exists."""
    place = find_existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(SAMPLE)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return error
    return None


def find_existing(folder: Path) -> Path:
    """`folder`, or the nearest one above it that exists. One that may not be looked at counts as existing."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if not _is_missing(place))


def _is_missing(place: Path) -> bool:
    try:
        place.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def check_temp_dir(facts: Facts) -> Finding:
    folder = facts.settings.temp_dir.absolute()
    if error := write_error(folder):
        return _unwritable(f"TEMP_DIR={folder}", error, "TEMP_DIR")
    return ok(f"TEMP_DIR={folder} can be written.")


def check_cache(facts: Facts) -> Finding:
    """Where vLLM keeps compiled code, and downloads where the model is not here: it does not start without."""
    home = Path(facts.environment.get("HOME", "/"))
    folders = {"VLLM_CACHE_ROOT": vllm_cache(facts.environment, home)}
    if facts.weights is None:
        folders["HF_HOME"] = download_folder(facts)
    for name, folder in folders.items():
        if error := write_error(folder):
            return _unwritable(str(folder), error, f"{name} or HOME")
    return ok(f"Caches can be written: {', '.join(map(str, folders.values()))}.")


def vllm_cache(environment: Mapping[str, str], home: Path) -> Path:
    if root := environment.get("VLLM_CACHE_ROOT"):
        return Path(root).expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "vllm"


def download_folder(facts: Facts) -> Path:
    """The Hugging Face cache, below the HOME that vLLM gets."""
    ours, folder = Path(os.path.expanduser("~")), hub_cache()
    if folder.is_relative_to(ours):
        return Path(facts.environment.get("HOME", ours)) / folder.relative_to(ours)
    return folder


def check_disk(facts: Facts) -> Finding:
    """Room for temporary files, for an engine that downloads nothing."""
    folder = facts.settings.temp_dir.absolute()
    free = _free(folder)
    if free < LITTLE:
        return warn(
            f"{_gb(free)} GB are free under TEMP_DIR={folder}.",
            "Uploads are kept there while they are read: make room, or set TEMP_DIR to another disk.",
        )
    return ok(f"{_gb(free)} GB are free under TEMP_DIR.")


def check_disk_for_model(facts: Facts) -> Finding:
    """The same, and room for the weights where they are not here yet."""
    if facts.weights is None and (free := _free(download_folder(facts))) < DOWNLOAD_GB * GB:
        return fail(
            f"{_gb(free)} GB are free under {download_folder(facts)}; the model's download needs {DOWNLOAD_GB} GB.",
            "Make room, or set HF_HOME to a folder on another disk.",
        )
    return check_disk(facts)


def _free(folder: Path) -> int:
    """Bytes that this user may still write."""
    state = os.statvfs(find_existing(folder))
    return state.f_bavail * state.f_frsize


def _unwritable(what: str, error: OSError, name: str) -> Finding:
    code = error.errno or 0
    words = WORDS.get(code, error.strerror or str(error))
    plain = "Give this user (uid {uid}) the folder, or set {name} to one it may write."
    remedy = REMEDIES.get(code, plain).format(name=name, uid=os.getuid())
    return fail(f"{what} cannot be written: {words} ({errno.errorcode.get(code, code)}).", remedy)


def _gb(size: int) -> str:
    return f"{size / GB:.1f}"
