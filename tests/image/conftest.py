"""The images that `make test-image` has built. Without it there are none, and these tests skip themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.image.container import Image, mounted


def image(variable: str) -> Iterator[Image]:
    if not (name := os.environ.get(variable)):
        pytest.skip("make test-image builds the images and tests them")
    with mounted(name) as found:
        yield found


@pytest.fixture(scope="session")
def cpu_image() -> Iterator[Image]:
    yield from image("CPU_IMAGE")


@pytest.fixture(scope="session")
def gpu_image() -> Iterator[Image]:
    yield from image("GPU_IMAGE")
