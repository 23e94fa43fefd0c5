"""The jobs of a gateway that runs none of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.jobs.service import JobService
from tests.gateway.jobs.idle import open_jobs


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobService]:
    with open_jobs(tmp_path) as jobs:
        yield jobs
