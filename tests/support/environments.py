"""Python environments with packages that are only records on disk, for what reads records and asks interpreters."""

from __future__ import annotations

import venv
from collections.abc import Sequence
from pathlib import Path

from tests.support.compiler import compile_library, compile_nccl

IMPORTS_ITS_LIBRARY = """
import ctypes, os
ctypes.CDLL(os.path.join(os.path.dirname(__file__), "lib", "libtorch_cuda.so"))
"""


class PythonEnvironment:
    """A real virtual environment in `folder`; `packages` is its site-packages."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        self.packages = next((folder / "lib").glob("python*")) / "site-packages"

    def add(self, name: str, version: str, requires: Sequence[str] = ()) -> None:
        """The record of an installed distribution."""
        record = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
        record.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        (record / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {item}" for item in requires), ""]))

    def add_torch(self, version: str, cuda: str | None, program: str = "") -> None:
        """`program`: what `import torch` runs."""
        (self.packages / "torch" / "lib").mkdir(parents=True)
        (self.packages / "torch" / "__init__.py").write_text(program)
        self.torch_version(version, cuda)

    def torch_version(self, version: str, cuda: str | None) -> None:
        """Puts the file there that says so, as another torch installed on top would."""
        (self.packages / "torch" / "version.py").write_text(
            "from typing import Optional\n\n"
            f"__version__ = {version!r}\ncuda: Optional[str] = {cuda!r}\nhip: Optional[str] = None\n"
        )

    @property
    def nccl(self) -> Path:
        """Where NVIDIA's packages put NCCL, whatever they are called."""
        return self.packages / "nvidia" / "nccl" / "lib" / "libnccl.so.2"

    def add_cuda_torch(self, *, finds_by: str = "RPATH") -> None:
        """torch for CUDA 13.0 with its NCCL, both as in PyPI's packages; a distribution's own torch has RUNPATH."""
        self.add_torch("2.13.0", "13.0", IMPORTS_ITS_LIBRARY)
        self.add("torch", "2.13.0", ["nvidia-nccl-cu13==2.28.9; platform_system == 'Linux'"])
        self.add("nvidia-nccl-cu13", "2.28.9")
        nccl = compile_nccl(self.nccl, 22809, has_windows=True)
        tags = "--disable-new-dtags" if finds_by == "RPATH" else "--enable-new-dtags"
        linked = [f"-L{nccl.parent}", "-l:libnccl.so.2", "-Wl,-rpath,$ORIGIN/../../nvidia/nccl/lib", f"-Wl,{tags}"]
        compile_library("libtorch_cuda.c", self.packages / "torch" / "lib" / "libtorch_cuda.so", *linked)
