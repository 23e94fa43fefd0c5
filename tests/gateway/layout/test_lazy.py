"""A layout model that loads with the first page."""

from __future__ import annotations

import asyncio

import pytest

from gateway.layout.lazy import LazyLayout
from gateway.model import LayoutOptions, PageImage
from tests.support.fakes import FakeLayout, blank, text_regions

PAGE = PageImage(1, blank(400, 300))


async def test_it_loads_once_when_pages_come() -> None:
    inner = FakeLayout(text_regions(2), state="not_initialized")
    layout = LazyLayout(inner)
    await layout.start()
    assert (layout.state, inner.starts) == ("not_initialized", 0)
    assert "first page" in (layout.reason or "")
    found = await asyncio.gather(*(layout.detect(PAGE, LayoutOptions()) for _ in range(3)))
    assert [len(one.regions) for one in found] == [2, 2, 2]
    assert (layout.state, layout.reason, inner.starts) == ("ready", None, 1)
    await layout.close()


async def test_a_client_that_leaves_does_not_stop_the_loading() -> None:
    inner = FakeLayout(text_regions(2), state="not_initialized")
    layout = LazyLayout(inner)
    gone = asyncio.create_task(layout.detect(PAGE, LayoutOptions()))
    await asyncio.sleep(0)
    gone.cancel()
    assert len((await layout.detect(PAGE, LayoutOptions())).regions) == 2
    assert inner.starts == 1
    await layout.close()


async def test_a_model_that_does_not_load_says_why() -> None:
    layout = LazyLayout(FakeLayout(state="not_initialized", failing="there is no file"))
    with pytest.raises(RuntimeError, match="there is no file"):
        await layout.detect(PAGE, LayoutOptions())
    assert (layout.state, layout.reason) == ("failed", "there is no file")
    await layout.close()
