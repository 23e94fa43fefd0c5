"""Folders that cost minutes to make, made once for all runs of the tests."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

from tests.support.vllm import ROOT

CACHE = ROOT / "build" / "test-cache"
"""Outlives a run; git ignores it and `make clean` removes it."""


def cached_folder(name: str, inputs: Iterable[bytes], make: Callable[[Path], None], cache: Path = CACHE) -> Path:
    """The folder that `make` fills, under a name that holds the hash of `inputs`: all that its content depends on.

    It appears whole or not at all. Of several processes that ask at once, one makes it and the others wait.
    """
    digest = hashlib.sha256()
    for part in inputs:
        digest.update(len(part).to_bytes(8, "big") + part)
    folder = cache / f"{name}-{digest.hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            scratch = Path(tempfile.mkdtemp(prefix=f"{name}-", suffix=".part", dir=cache))
            try:
                make(scratch)
                scratch.rename(folder)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return folder
