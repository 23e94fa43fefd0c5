"""A real S3 server: SeaweedFS' `weed` with one key, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from botocore.session import get_session

from tests.support import local_http
from tests.support.ports import free_port
from tests.support.waiting import wait_until

WEED = Path(sys.executable).with_name("weed")
KEY, SECRET, BUCKET = "tenant:key", "secret", "documents"


@dataclass
class S3Server:
    """`folder` holds its data and its log."""

    folder: Path
    url: str
    command: Sequence[str | Path]
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """With the data of the last time, on the same ports."""
        with (self.folder / "weed.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(self.folder), "TMPDIR": str(self.folder)},
            )
        _await_start(self, self.folder)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def settings(self) -> dict[str, Any]:
        """What leads the gateway to the bucket."""
        return {
            "s3_endpoint_url": self.url,
            "s3_bucket": BUCKET,
            "s3_region": "ru-central-1",
            "s3_access_key_id": KEY,
            "s3_secret_access_key": SECRET,
            "s3_prefix": "ocr/",
        }


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """The bucket is there and empty."""
    identity = {"name": "ocr", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    port = free_port()
    server = S3Server(folder, f"http://127.0.0.1:{port}", [WEED, "server", *_arguments(folder, port)])
    try:
        server.start()
        client_of(server).create_bucket(Bucket=BUCKET)
        yield server
    finally:
        server.kill()


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Takes connections and requests, and answers nothing."""
    held: list[asyncio.StreamWriter] = []

    def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in held:
            writer.close()


def client_of(server: S3Server) -> Any:  # noqa: ANN401 - botocore makes its clients' types at run time
    return get_session().create_client(
        "s3",
        endpoint_url=server.url,
        region_name="ru-central-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )


def _arguments(folder: Path, port: int) -> list[str]:
    """Without grpc ports of its own each part takes its port + 10000, which may be beyond the last one."""
    others = [f"-{name}.port={free_port()}" for name in ("master", "volume", "filer")]
    grpc = [f"-{name}.port.grpc={free_port()}" for name in ("master", "volume", "filer", "s3")]
    quiet = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-master.telemetry=false"]
    small = ["-master.volumeSizeLimitMB=64", "-volume.max=8"]
    own = [f"-dir={folder}", "-ip=127.0.0.1", "-s3", f"-s3.port={port}", f"-s3.config={folder / 's3.json'}"]
    return [*own, *others, *grpc, *quiet, *small]


def _await_start(server: S3Server, folder: Path) -> None:
    def has_started() -> bool:
        assert server.process.poll() is None, (folder / "weed.log").read_text(errors="replace")[-2000:]
        with suppress(httpx.HTTPError):
            return local_http.get(f"{server.url}/status").status_code < 500
        return False

    wait_until(has_started, "the S3 server", folder / "weed.log")
