"""The parts of a pipeline around a stub engine and a fake layout."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from gateway.model import Region
from gateway.parts import Parts, create_parts
from gateway.settings import Settings
from tests.support.fakes import FakeLayout, text_regions
from tests.support.stub_engine import StubEngine
from tests.support.waiting import WAIT_S


def settings_for(stub: StubEngine, **changes: object) -> Settings:
    """Settings that lead to the stub, with no warm-up among the requests it records."""
    return Settings.model_validate(
        {"vlm_engine": "auto", "vlm_port": stub.port, "vlm_warm_up": False, "font_download": False, **changes}
    )


@asynccontextmanager
async def start_parts(stub: StubEngine, **changes: object) -> AsyncIterator[Parts]:
    """Parts whose monitor has found the engine ready; layout and render pool are not started."""
    parts = create_parts(settings_for(stub, **changes))
    await parts.engine.start()
    try:
        assert await parts.engine.wait_ready(WAIT_S)
        yield parts
    finally:
        await parts.engine.close()
        parts.slots.close()


@asynccontextmanager
async def parts_for(
    stub: StubEngine, layout: FakeLayout | None = None, *, regions: Sequence[Region] | None = None, **changes: object
) -> AsyncIterator[Parts]:
    """Parts with a fake layout that finds `regions` (two text regions) on each page."""
    async with start_parts(stub, **changes) as parts:
        yield replace(parts, layout=layout or FakeLayout(text_regions(2) if regions is None else regions))
