"""Folders that are kept between runs: by their inputs, whole or not at all, and made once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cache import cached_folder


def test_is_made_once_for_its_inputs(tmp_path: Path) -> None:
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "weights").write_text("taught")

    first = cached_folder("model", [b"lesson", b"code"], make, tmp_path)
    assert cached_folder("model", [b"lesson", b"code"], make, tmp_path) == first
    assert (first / "weights").read_text() == "taught"
    assert len(made) == 1
    assert cached_folder("model", [b"lessonc", b"ode"], make, tmp_path) != first
    assert len(made) == 2


def test_what_fails_half_way_is_not_kept(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached_folder("model", [b""], fail, tmp_path)
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir()]
    assert list(cached_folder("model", [b""], lambda folder: (folder / "whole").touch(), tmp_path).iterdir())


def test_who_comes_while_it_is_made_waits_for_it(tmp_path: Path) -> None:
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "whole").touch()

    with ThreadPoolExecutor(4) as pool:
        folders = {
            task.result() for task in [pool.submit(cached_folder, "model", [b""], make, tmp_path) for _ in range(4)]
        }
    assert len(folders) == 1
    assert len(made) == 1
