"""Imports torch and says which NCCL the process got. A program for vLLM's interpreter, in the environment vLLM gets.

Writes one JSON object. Standard library and torch only.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import json
import os
import resource
import sys

MAPS = "/proc/self/maps"


def list_mapped(name: str) -> list[str]:
    """Paths of the loaded libraries whose file name begins with `name`."""
    with open(MAPS, encoding="utf-8", errors="replace") as lines:
        paths = {line.split(maxsplit=5)[5].rstrip("\n") for line in lines if line.count("/")}
    return sorted(path for path in paths if os.path.basename(path).startswith(name))


def load_lazily(library: str) -> None:
    """Loads what `import torch` refused: with its functions left open until they are called, so that it can be seen
    which NCCL it would have got. ctypes' own way of loading resolves them all at once."""
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype = ctypes.c_void_p
    dlopen(os.fsencode(library), os.RTLD_LAZY)


def torch_library() -> str | None:
    spec = importlib.util.find_spec("torch")
    folders = spec.submodule_search_locations if spec else None
    library = os.path.join(folders[0], "lib", "libtorch_cuda.so") if folders else ""
    return library if os.path.exists(library) else None


def import_torch() -> str | None:
    """The error, in the loader's own words."""
    try:
        importlib.import_module("torch")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def nccl_version(library: str) -> int | None:
    version = ctypes.c_int()
    with contextlib.suppress(OSError, AttributeError):
        if ctypes.CDLL(library).ncclGetVersion(ctypes.byref(version)) == 0:
            return version.value
    return None


def main() -> None:
    library = torch_library()
    error = import_torch()
    if library and not list_mapped("libtorch_cuda.so"):
        load_lazily(library)
    nccl = list_mapped("libnccl.so")
    version = nccl_version(nccl[0]) if nccl else None
    sys.stdout.write(f"\n{json.dumps({'error': error, 'torch': library, 'nccl': nccl, 'version': version})}\n")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
