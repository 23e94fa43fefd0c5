"""How many cores a process may keep busy, which in a container are often far fewer than the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def available_cores(root: Path = Path("/")) -> int:
    """The least of the machine's cores, those that the process is bound to, and those whose time its control groups
    grant it, rounded up; at least 1. Never raises. `proc` and `sys` are looked for in `root`.

    The kernel's documents: admin-guide/cgroup-v2.rst for `cpu.max`; scheduler/sched-bwc.rst for `cpu.cfs_quota_us` and
    `cpu.cfs_period_us` of version 1; cgroups(7) for `/proc/self/cgroup`.
    """
    cores = os.cpu_count() or 1
    with suppress(AttributeError, OSError):  # not every system has it, not every sandbox lets it pass
        cores = min(cores, len(os.sched_getaffinity(0)))
    return max(1, min([cores, *_quotas(root)]))


def _quotas(root: Path) -> Iterator[int]:
    """Cores, rounded up, for each group with a bound."""
    for folder in _groups(root):
        words = _words(folder / "cpu.max")[:2]
        words = words or [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
        with suppress(ValueError):  # "max", or no such files
            quota, period = map(int, words)  # µs
            if quota > 0 and period > 0:
                yield -(-quota // period)


def _groups(root: Path) -> Iterator[Path]:
    """Folders of the process's groups and of all above them, whose bounds count too."""
    version_2, version_1 = (root / folder for folder in ("sys/fs/cgroup", "sys/fs/cgroup/cpu"))
    # A container's own group is often mounted here, whatever the host's name for it in /proc.
    yield from (version_2, version_1)
    for line in _words(root / "proc/self/cgroup", "\n"):
        controllers, _, path = line.partition(":")[2].partition(":")
        if not controllers or "cpu" in controllers.split(","):
            mounts = (version_1, version_2 / controllers) if controllers else (version_2,)
            for mount in mounts:
                group = mount / path.lstrip("/")
                yield from (group, *group.parents)


def _words(file: Path, separator: str | None = None) -> list[str]:
    try:
        return os.fsdecode(file.read_bytes()).split(separator)
    except (OSError, ValueError):
        return []
