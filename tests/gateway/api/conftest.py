from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import Gateway, gateway


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), max_upload_mb=2, max_documents=2, max_pixels=2_000_000) as running:
        yield running


@pytest.fixture
def served(_running: Gateway) -> Iterator[Gateway]:
    """A gateway of this module, as new for each test."""
    _running.reset()
    yield _running
    _running.reset()
