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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from common.debian import FetchError, put_in_place, unpack
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


@dataclass(frozen=True, slots=True)
class Prometheus:
    client: httpx.Client

    def get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - what its API answers
        """The `data` of an answer of its HTTP API."""
        answer = self.client.get(f"/api/v1/{path}", params=params).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> Sequence[Mapping[str, Any]]:
        """The series that an expression has now."""
        result: Sequence[Mapping[str, Any]] = self.get("query", query=expression)["result"]
        return result


@contextmanager
def prometheus(folder: Path, target: str, rules: Path, scrape: Mapping[str, Any] | None = None) -> Iterator[Prometheus]:
    """One that scrapes `target`, host and port, every second; `scrape`: more fields of its scrape configuration."""
    job = {"job_name": "paddleocr-vl", "static_configs": [{"targets": [target]}], **(scrape or {})}
    configuration = {
        "global": {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL},
        "rule_files": [str(rules)],
        "scrape_configs": [job],
    }
    file, log, port = folder / "prometheus.yaml", folder / "prometheus.log", free_port()
    file.write_text(yaml.safe_dump(configuration))
    url = f"http://127.0.0.1:{port}"
    options = {"config.file": file, "storage.tsdb.path": folder / "tsdb", "web.listen-address": f"127.0.0.1:{port}"}
    command: list[str | Path] = [find_program("prometheus"), *(f"--{name}={value}" for name, value in options.items())]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--enable-feature=exemplar-storage"], stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=url, timeout=WAIT_S) as client:
            wait_until(lambda: _is_ready(client) or process.poll() is not None, "Prometheus", log)
            assert process.poll() is None, log.read_text()
            yield Prometheus(client)
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success
    except httpx.TransportError:
        return False


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
