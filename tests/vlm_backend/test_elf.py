"""Names read from libraries that a compiler has just made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.compiler import compile_library, compile_nccl
from vlm_backend.elf import read_symbols


def test_what_a_library_offers(tmp_path: Path) -> None:
    new = read_symbols(compile_nccl(tmp_path / "new.so", 22809, has_windows=True), "nccl")
    old = read_symbols(compile_nccl(tmp_path / "old.so", 22501, has_windows=False), "nccl")
    assert new.defined - old.defined == {"ncclCommWindowRegister"}
    assert new.undefined == frozenset()


def test_what_a_library_asks_for(tmp_path: Path) -> None:
    torch = read_symbols(compile_library("libtorch_cuda.c", tmp_path / "torch.so"), "nccl")
    assert torch.undefined == {"ncclGetVersion", "ncclAllReduce", "ncclCommWindowRegister"}
    assert torch.defined == frozenset()


def test_what_a_library_can_do_without_is_not_asked_for(tmp_path: Path) -> None:
    # Every library of gcc's asks weakly for the C runtime's hooks.
    library = compile_library("libtorch_cuda.c", tmp_path / "torch.so")
    assert "__cxa_finalize" not in read_symbols(library, "__cxa").undefined


@pytest.mark.parametrize("kept", [3, 60, 2000])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    library = compile_nccl(tmp_path / "nccl.so", 22809, has_windows=True)
    library.write_bytes(library.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"is no 64-bit ELF library|is not whole"):
        read_symbols(library, "nccl")
