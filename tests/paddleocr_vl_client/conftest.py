from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.intake.files import pdf
from tests.support.flaky_proxy import FlakyProxy, flaky_proxy
from tests.support.server import Gateway, gateway

KEY = "one-key"


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(
        tmp_path_factory.mktemp("gateway"), api_keys=KEY, jobs=True, max_upload_mb=500, url_fetch="any"
    ) as running:
        yield running


@pytest.fixture
def served(_running: Gateway) -> Iterator[Gateway]:
    """A gateway that takes jobs, fetches any URL and wants `KEY`; each page has two lines of text."""
    _running.reset()
    yield _running
    _running.reset()


@pytest.fixture
def proxy(served: Gateway) -> Iterator[FlakyProxy]:
    with flaky_proxy(served.url) as running:
        yield running


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A PDF of three pages."""
    file = tmp_path / "three.pdf"
    file.write_bytes(pdf(3))
    return file
