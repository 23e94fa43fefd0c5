from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.intake.render.render_pool import RenderPool
from gateway.settings import Settings
from tests.support.waiting import WAIT_S


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None, render_workers=1, max_pixels=1_000_000, max_pages=10, render_timeout_s=WAIT_S)


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[RenderPool]:
    pool = RenderPool(settings)
    await pool.start()
    yield pool
    await pool.close()
