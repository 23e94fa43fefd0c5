"""Which engine runs an image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.verify_image.engines import buildah, command_line, rootfs
from tools.verify_image.engines.engine import Engine

NAMES = ("docker", "podman", "buildah")
FOLDER = "dir:"


@contextmanager
def engine_for(name: str, wished: str | None = None) -> Iterator[Engine]:
    """The first of docker, podman and buildah that works here and knows the image; `dir:FOLDER` needs none of them.
    RuntimeError where none does."""
    if name.startswith(FOLDER):
        yield rootfs.find(Path(name.removeprefix(FOLDER)))
        return
    for program in [wished] if wished else NAMES:
        if program == "buildah" and (image := buildah.find(name)):
            with buildah.mounted(image) as engine:
                yield engine
            return
        if program != "buildah" and (found := command_line.find(program, name)):
            yield found
            return
    raise RuntimeError(f"none of {', '.join([wished] if wished else NAMES)} works here and knows the image {name}")
