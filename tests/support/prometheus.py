"""Prometheus and promtool: the machine's own, else what `make test` has fetched from Debian's package without root.

`python -m tests.support.prometheus` fetches them where the machine lacks them; without them tests skip themselves.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from common.debian import FetchError, put_in_place, unpack
from tests.support import local_http
from tests.support.missing import skip_without
from tests.support.ports import free_port
from tests.support.waiting import WAIT_S, wait_until

PROGRAMS = ("prometheus", "promtool")
FETCHED = Path(__file__).resolve().parents[2] / "build" / "prometheus"
"""Outlives a run; git ignores it and `make clean` removes it."""
SCRAPE_INTERVAL = "1s"


def find_program(name: str) -> Path:
    """Skips the test where there is none."""
    found = shutil.which(name) or shutil.which(name, path=FETCHED)
    if found is None:
        skip_without(f"no {name} (Debian: prometheus)")
    return Path(found)


def run_promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [find_program("promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)


@dataclass
class Prometheus:
    """`folder` holds its configuration, its data and its log."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "prometheus.log"

    def start(self) -> None:
        """With the data of the last time, on the same port."""
        options = {
            "config.file": self.folder / "prometheus.yaml",
            "storage.tsdb.path": self.folder / "tsdb",
            "web.listen-address": f"127.0.0.1:{self.port}",
        }
        command: list[str | Path] = [
            find_program("prometheus"),
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--enable-feature=exemplar-storage"], stdout=output, stderr=output
            )
        wait_until(self._is_ready, "Prometheus", self.log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(WAIT_S)
            self.process = None

    def get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - what its API answers
        """The `data` of an answer of its HTTP API."""
        answer = local_http.get(f"http://127.0.0.1:{self.port}/api/v1/{path}", params=params).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> Sequence[Mapping[str, Any]]:
        """The series that an expression has now."""
        result: Sequence[Mapping[str, Any]] = self.get("query", query=expression)["result"]
        return result

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with suppress(httpx.TransportError):
            return local_http.get(f"http://127.0.0.1:{self.port}/-/ready").is_success
        return False


@contextmanager
def prometheus(
    folder: Path, targets: Sequence[str], rules: Path, scrape: Mapping[str, Any] | None = None
) -> Iterator[Prometheus]:
    """One that scrapes the targets, hosts and ports, every second; `scrape`: more fields of its scrape
    configuration."""
    job = {"job_name": "paddleocr-vl", "static_configs": [{"targets": list(targets)}], **(scrape or {})}
    configuration = {
        "global": {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL},
        "rule_files": [str(rules)],
        "scrape_configs": [job],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    server = Prometheus(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


async def _fetch() -> None:
    async with unpack(["prometheus"], FETCHED) as content:
        for name in PROGRAMS:
            put_in_place(content / "usr" / "bin", name, FETCHED).chmod(0o755)


def main() -> None:
    if all(shutil.which(name) or os.access(FETCHED / name, os.X_OK) for name in PROGRAMS):
        return
    try:
        asyncio.run(_fetch())
    except FetchError as error:
        sys.stderr.write(f"The tests of the dashboard that ask Prometheus will be skipped: {error}\n")


if __name__ == "__main__":
    main()
