from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO, StringIO

import pytest
import structlog
from PIL import Image

from gateway.runtime import configure_logs
from tests.support.s3_server import S3Server, s3_server
from tests.support.stub_engine import StubEngine


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with StubEngine() as engine:
        yield engine


@pytest.fixture(scope="session")
def png() -> bytes:
    return encoded("PNG")


@pytest.fixture(scope="session")
def tiff() -> bytes:
    """Three pages."""
    return encoded("TIFF", pages=3)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What the service writes to stdout."""
    root, stream = logging.getLogger(), StringIO()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr("sys.stdout", stream)
    configure_logs("INFO", "json")
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def encoded(kind: str, pages: int = 1) -> bytes:
    frames = [Image.new("RGB", (400, 300), "white") for _ in range(pages)]
    data = BytesIO()
    frames[0].save(data, kind, **({"save_all": True, "append_images": frames[1:]} if pages > 1 else {}))
    return data.getvalue()
