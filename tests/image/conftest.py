"""The images that `make test-image` has built. Without it there are none, and these tests skip themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tools.verify_image.rootfs import Rootfs, mount_image


def image(variable: str) -> Iterator[Rootfs]:
    if not (name := os.environ.get(variable)):
        pytest.skip("make test-image builds the images and tests them")
    with mount_image(name) as found:
        yield found


@pytest.fixture(scope="session")
def cpu_image() -> Iterator[Rootfs]:
    yield from image("CPU_IMAGE")


@pytest.fixture(scope="session")
def gpu_image() -> Iterator[Rootfs]:
    yield from image("GPU_IMAGE")
