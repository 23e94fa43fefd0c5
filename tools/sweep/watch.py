"""What a service on this machine takes and leaves behind: memory of its processes, files in its TEMP_DIR."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil


@dataclass(frozen=True, slots=True)
class Watch:
    """Of a service elsewhere, or of another user, both are None, and nothing is known."""

    root: psutil.Process | None
    """supervisord, or the gateway where it runs without."""
    temp_dir: Path | None

    def rss_mb(self) -> float | None:
        """Resident memory of all processes, MB of 10^6 bytes; shared pages count for each."""
        return sum(_rss(process) for process in self._tree()) / 1e6 if self.root else None

    def files(self) -> set[str]:
        if not self.temp_dir:
            return set()
        return {str(file.relative_to(self.temp_dir)) for file in self.temp_dir.rglob("*") if file.is_file()}

    def nameless_mb(self) -> float:
        """Bytes of files in TEMP_DIR that have no name any more and are still open, MB of 10^6 bytes."""
        sizes: dict[str, int] = {}
        for process in self._tree():
            with contextlib.suppress(OSError):
                for link in Path(f"/proc/{process.pid}/fd").iterdir():
                    target = os.readlink(link)
                    if target.startswith(f"{self.temp_dir}/") and target.endswith(" (deleted)"):
                        sizes[target] = link.stat().st_size
        return sum(sizes.values()) / 1e6

    def _tree(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return [self.root, *self.root.children(recursive=True)] if self.root else []
        return []


def watch_service(url: str) -> Watch:
    health = httpx2.get(f"{url}/health", timeout=60, trust_env=False).json()
    folder = Path(health["temp_dir"]["path"])
    root = find_root(urlsplit(url).port)
    return Watch(root, folder if root and folder.is_dir() else None)


def find_root(port: int | None) -> psutil.Process | None:
    """The process that listens on a port, or the supervisor over it."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                parent = process.parent()
                return parent if parent and any("supervis" in part for part in parent.cmdline()) else process
    return None


def _rss(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0
