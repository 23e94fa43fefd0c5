"""What an image says about itself, whoever tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_PORT = 8081
FOLDERS = {"OUTPUT_DIR": "/app/output", "TEMP_DIR": "/app/temp", "CACHE_DIR": "/app/cache"}
"""Settings that name what a container writes to, and where it lies where the image does not say."""


@dataclass(frozen=True, slots=True)
class Image:
    """`user`: UID:GID or UID. `folder`: where its programs start."""

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
        """Where it listens unless it is told otherwise."""
        return int(self.environment.get("PORT") or DEFAULT_PORT)


def image_from(name: str, description: object) -> Image:
    """From the JSON of `docker inspect`, `podman inspect` or `buildah inspect`, or of an OCI bundle's `config.json`.
    ValueError where it is none of them."""
    described = description[0] if isinstance(description, list) and description else description
    if not isinstance(described, dict):
        raise ValueError("this does not describe an image")
    if "process" in described:
        return _from_bundle(name, described["process"])
    config = described.get("Config")
    if not isinstance(config, dict):
        config = described.get("OCIv1", described).get("config")
    if not isinstance(config, dict):
        raise ValueError("this does not describe an image")
    return Image(
        name,
        user=config.get("User") or "0:0",
        environment=_pairs(config.get("Env")),
        entry_point=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        folder=config.get("WorkingDir") or "/",
    )


def _from_bundle(name: str, process: Mapping[str, Any]) -> Image:
    """A bundle does not tell the entry point from its arguments; ours takes one, `serve`."""
    user, arguments = process.get("user", {}), tuple(process.get("args", ()))
    return Image(
        name,
        user=f"{user.get('uid', 0)}:{user.get('gid', 0)}",
        environment=_pairs(process.get("env")),
        entry_point=arguments[:-1],
        command=arguments[-1:],
        folder=process.get("cwd") or "/",
    )


def _pairs(lines: list[str] | None) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in lines or ())}
