"""What an image declares, how a container of it is started, and what a container engine can do."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

DEFAULT_PORT = 8081
FOLDERS = {"OUTPUT_DIR": "/app/output", "TEMP_DIR": "/app/temp", "CACHE_DIR": "/app/cache"}
"""Settings that name a writable folder, with the folder of an image that does not set them."""


@dataclass(frozen=True, slots=True)
class Image:
    """`user`: UID:GID or UID. `folder`: the working directory."""

    name: str
    user: str
    environment: Mapping[str, str]
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    folder: str = "/"

    @property
    def has_vllm(self) -> bool:
        return "VLLM_PYTHON" in self.environment

    @property
    def writable(self) -> list[str]:
        return [self.environment.get(name, folder) for name, folder in FOLDERS.items()]

    @property
    def port(self) -> int:
        return int(self.environment.get("PORT") or DEFAULT_PORT)


@dataclass(frozen=True, slots=True)
class Options:
    """How a container is started.

    `user`: UID:GID, None for the image's. `read_only`: the root file system; the image's writable folders are empty
    tmpfs. `offline`: no network but loopback. `environment`: added variables; None removes one. `arguments`: in place
    of the image's command. `shm`: size of /dev/shm, by default Docker's.
    """

    user: str | None = None
    read_only: bool = False
    offline: bool = False
    gpu: bool = False
    environment: Mapping[str, str | None] = field(default_factory=dict)
    arguments: Sequence[str] | None = None
    shm: str = "64m"


class Container(Protocol):
    @property
    def is_reachable(self) -> bool:
        """Whether this machine's loopback leads to the container's port."""

    def execute(self, arguments: Sequence[str], data: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
        """Runs a program with the container's user and environment. subprocess.TimeoutExpired after `seconds`."""

    def exit_code(self) -> int | None:
        """None while it runs."""

    def terminate(self) -> None:
        """Sends SIGTERM to its first process."""

    def log(self) -> str:
        """Standard output and error so far."""


class Engine(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def image(self) -> Image: ...

    def obstacle(self, options: Options) -> str | None:
        """Why this machine can't start a container with these options."""

    def start(self, options: Options, port: int) -> AbstractContextManager[Container]:
        """A running container, removed at exit; a reachable one publishes `port`. RuntimeError if it can't start."""


def parse_image(name: str, description: object) -> Image:
    """From the JSON of `docker inspect`, `podman inspect` or `buildah inspect`, or of an OCI bundle's `config.json`.
    ValueError where it is none of them."""
    described = description[0] if isinstance(description, list) and description else description
    if not isinstance(described, dict):
        raise ValueError("this does not describe an image")
    if process := described.get("process"):
        # A bundle does not tell the entry point from its arguments; our images have one argument, `serve`.
        owner, (*entry_point, command) = process.get("user", {}), process["args"]
        user = f"{owner.get('uid', 0)}:{owner.get('gid', 0)}"
        return Image(name, user, _pairs(process.get("env")), tuple(entry_point), (command,), process.get("cwd") or "/")
    config = described.get("Config")
    if not isinstance(config, dict):
        config = described.get("OCIv1", described).get("config")
    if not isinstance(config, dict):
        raise ValueError("this does not describe an image")
    entry_point, command = tuple(config.get("Entrypoint") or ()), tuple(config.get("Cmd") or ())
    user, folder = config.get("User") or "0:0", config.get("WorkingDir") or "/"
    return Image(name, user, _pairs(config.get("Env")), entry_point, command, folder)


def _pairs(lines: list[str] | None) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in lines or ())}


def run(arguments: Sequence[str], seconds: float = 600) -> str:
    """Standard output of a program. RuntimeError with its own message where it fails or is missing."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=seconds)
    except OSError as error:
        raise RuntimeError(f"{arguments[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[:2])}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
