"""The parts of a pipeline around a stub engine and a fake layout."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.intake.render.pool import RenderPool
from gateway.model import Region
from gateway.parts import Parts
from gateway.pixels import PixelStage
from gateway.recognition import Recognition, create_recognition
from gateway.settings import Settings
from tests.support.fakes import FakeLayout, text_regions
from tests.support.stub_engine import StubEngine
from tests.support.waiting import WAIT_S


def settings_for(stub: StubEngine, **changes: object) -> Settings:
    """Settings that lead to the stub, with no warm-up among the requests it records."""
    return Settings.model_validate({"vlm_engine": "auto", "vlm_port": stub.port, "vlm_warm_up": False, **changes})


@asynccontextmanager
async def recognition_for(stub: StubEngine, **changes: object) -> AsyncIterator[Recognition]:
    """Recognition that has found its engine ready."""
    recognition = create_recognition(settings_for(stub, **changes))
    await recognition.engine.start()
    try:
        assert await recognition.engine.wait_ready(WAIT_S)
        yield recognition
    finally:
        await recognition.engine.close()


@asynccontextmanager
async def parts_for(
    stub: StubEngine, layout: FakeLayout | None = None, *, regions: Sequence[Region] | None = None, **changes: object
) -> AsyncIterator[Parts]:
    """Parts with a fake layout that finds `regions` (two text regions) on each page; the render pool is not started."""
    layout = layout or FakeLayout(text_regions(2) if regions is None else regions)
    settings = settings_for(stub, **changes)
    async with recognition_for(stub, **changes) as made:
        pool, pixels = RenderPool(settings), PixelStage(settings)
        try:
            yield Parts(settings, pool, layout, pixels, made.queue, made.engine, made.reader, made.chat)
        finally:
            pixels.close()
