"""buildah, which builds images and mounts them; what is mounted runs like any other folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.verify_image.engines.engine import run
from tools.verify_image.engines.rootfs import Rootfs
from tools.verify_image.image import Image, image_from


def find(name: str) -> Image | None:
    """None where buildah does not work here, or does not know the image."""
    try:
        return image_from(name, json.loads(run(["buildah", "inspect", "--type", "image", name])))
    except RuntimeError:
        return None


@contextmanager
def mounted(image: Image) -> Iterator[Rootfs]:
    """The image's file system, mounted for as long as the context lasts."""
    container = run(["buildah", "from", "--pull=never", image.name]).strip()
    try:
        yield Rootfs("buildah", image, Path(run(["buildah", "mount", container]).strip()))
    finally:
        run(["buildah", "rm", container])
