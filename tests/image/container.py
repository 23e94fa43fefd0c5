"""Waits for the images' containers and runs programs in them, without a container engine. Needs root."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import httpx

from tests.support import local_http
from tools.verify_image.image import Options
from tools.verify_image.rootfs import Rootfs, RootfsContainer


def is_ready(url: str) -> bool:
    try:
        return local_http.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def wait_until_ready(container: RootfsContainer, url: str, seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not is_ready(url):
        assert container.exit_code() is None, f"it ended: {container.log()[-3000:]}"
        assert time.monotonic() < deadline, container.log()[-3000:]
        time.sleep(0.1)


def run(image: Rootfs, folder: Path, options: Options) -> subprocess.CompletedProcess[str]:
    """The image with a command that ends by itself."""
    with image.start_in(folder, options) as container:
        code = container.unshare.wait(400)
    return subprocess.CompletedProcess([], code, container.log())
