"""What every engine can do."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from tools.verify_image.finding import Finding
from tools.verify_image.image import Image


@dataclass(frozen=True, slots=True)
class Options:
    """How a container is started.

    `user`: UID:GID; None: the image's. `read_only`: the root file system, with empty folders where the image writes.
    `offline`: no network but loopback. `environment`: what is added; None takes a name away.
    """

    user: str | None = None
    read_only: bool = False
    offline: bool = False
    gpu: bool = False
    environment: Mapping[str, str | None] = field(default_factory=dict)


class Container(Protocol):
    @property
    def is_reachable(self) -> bool:
        """Whether this machine's loopback leads to its port."""

    def execute(self, arguments: Sequence[str], data: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
        """A program in it, as its user and in its environment. subprocess.TimeoutExpired after `seconds`."""

    def exit_code(self) -> int | None:
        """None while it runs."""

    def terminate(self) -> None:
        """SIGTERM to its first process, as every platform begins to stop it."""

    def log(self) -> str:
        """What it has written to standard output and error."""


class Engine(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def image(self) -> Image: ...

    def inability(self, options: Options) -> Finding | None:
        """Why it can't start a container like that here."""

    def start(self, options: Options, port: int) -> AbstractContextManager[Container]:
        """A running container, gone when the context ends; reachable ones publish `port`. RuntimeError says why not."""


def run(arguments: Sequence[str], seconds: float = 600) -> str:
    """What a program prints. RuntimeError with its own words where it fails or is missing."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=seconds)
    except OSError as error:
        raise RuntimeError(f"{arguments[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[:2])}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
