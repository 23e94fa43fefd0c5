"""Cores that a container grants, from folders made like those of /sys/fs/cgroup."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.cores import available_cores

HOST = 64


@pytest.fixture(autouse=True)
def _large_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: HOST)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(HOST)))


def cores_with(root: Path, files: Mapping[str, str]) -> int:
    """`files`: their text by their path, groups' below /sys/fs/cgroup."""
    for name, text in files.items():
        path = root / (name if name.startswith("proc/") else f"sys/fs/cgroup/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return available_cores(root)


def test_unbounded_is_all_cores(tmp_path: Path) -> None:
    assert cores_with(tmp_path, {}) == HOST
    assert cores_with(tmp_path, {"proc/self/cgroup": "0::/\n", "cpu.max": "max 100000\n"}) == HOST


@pytest.mark.parametrize(
    ("bound", "cores"),
    [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("50000 25000", 2), ("6500000 100000", HOST)],
)
def test_cpu_limit_rounds_up(tmp_path: Path, bound: str, cores: int) -> None:
    assert cores_with(tmp_path, {"proc/self/cgroup": "0::/\n", "cpu.max": f"{bound}\n"}) == cores


def test_affinity_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5, 6})
    assert available_cores(tmp_path) == 3
    assert cores_with(tmp_path, {"cpu.max": "800000 100000"}) == 3
    assert cores_with(tmp_path, {"cpu.max": "200000 100000"}) == 2


def test_at_least_one_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores(tmp_path) == HOST
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores(tmp_path) == 1


@pytest.mark.parametrize("bounded", ["ocr.slice/vlm.service", "ocr.slice"])
def test_tightest_group_counts(tmp_path: Path, bounded: str) -> None:
    files = {
        "proc/self/cgroup": "0::/ocr.slice/vlm.service\n",
        "ocr.slice/cpu.max": "800000 100000",
        "ocr.slice/vlm.service/cpu.max": "max 100000",
        "ocr.slice/other.service/cpu.max": "100000 100000",
    }
    assert cores_with(tmp_path, files | {f"{bounded}/cpu.max": "300000 100000"}) == 3


def test_host_only_group_is_root(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/kubepods/pod1/abc\n", "cpu.max": "200000 100000"}
    assert cores_with(tmp_path, files) == 2


@pytest.mark.parametrize(
    ("path", "group"),
    [("/docker/abc", ""), ("/docker/abc", "docker/abc/"), ("/docker/abc", "docker/"), ("/", "")],
)
def test_bounds_of_version_1_count(tmp_path: Path, path: str, group: str) -> None:
    files = {
        "proc/self/cgroup": f"9:cpuset:/elsewhere\n4:cpu,cpuacct:{path}\n1:name=systemd:{path}\n",
        f"cpu/{group}cpu.cfs_quota_us": "250000\n",
        f"cpu/{group}cpu.cfs_period_us": "100000\n",
    }
    assert cores_with(tmp_path, files) == 3


def test_version_1_minus_one_unbounded(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}
    assert cores_with(tmp_path, files | {"proc/self/cgroup": "4:cpu:/\n"}) == HOST


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_odd_files_never_raise(groups: bytes, bound: bytes) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for path, content in (("proc/self/cgroup", b"0::/a" + groups), ("sys/fs/cgroup/cpu.max", bound)):
            (root / path).parent.mkdir(parents=True)
            (root / path).write_bytes(content)
        assert 1 <= available_cores(root) <= HOST
