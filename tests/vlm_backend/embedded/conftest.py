"""The real embedded engine, served once for all tests of this folder."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from openai import OpenAI
from PIL import Image

from tests.support import local_http
from tests.support.asgi import serving
from tests.support.ports import free_port
from tests.support.waiting import wait_until
from textlines.detection import Pixels
from vlm_backend.embedded.server import create_app
from vlm_backend.settings import Settings

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def pixels(name: str, box: tuple[int, int, int, int] | None = None) -> Pixels:
    with Image.open(EXAMPLES / name) as image:
        return np.asarray(image.convert("RGB").crop(box) if box else image.convert("RGB"))


def data_url(crop: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="session")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    settings = Settings(embedded_model_dir=folder, embedded_download=False, _env_file=None)
    with serving(create_app(settings), "127.0.0.1", free_port()) as url:
        wait_until(lambda: local_http.get(f"{url}/health").status_code == 200, "the engine's readiness")
        yield url


@pytest.fixture(scope="session")
def client(engine_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{engine_url}/v1", api_key="none", max_retries=0) as client:
        yield client
