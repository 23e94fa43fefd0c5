"""What Linux tells of a process."""

from __future__ import annotations

from pathlib import Path


def read_stat(pid: int) -> list[str] | None:
    """The fields of `/proc/PID/stat` from the process's state on, the third in proc(5); None without such a process."""
    try:
        # The second field, the program's name in parentheses, may hold spaces and parentheses itself.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since boot: tells it from a later one with the same number."""
    fields = read_stat(pid)
    return int(fields[19]) if fields else None
