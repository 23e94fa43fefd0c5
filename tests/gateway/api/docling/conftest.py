"""A gateway as docling-serve's clients see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.pages import script_page
from tests.support.server import Gateway, gateway


@pytest.fixture(scope="package")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, jobs=True, api_keys="one,two", max_upload_mb=2, url_fetch="off") as running:
        running.client.headers["x-api-key"] = "one"
        yield running


@pytest.fixture
def served(_running: Gateway) -> Gateway:
    _running.reset()
    script_page(_running)
    return _running
