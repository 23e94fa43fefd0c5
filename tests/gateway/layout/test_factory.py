"""Which layout model serves while the wanted one is on its way and after, and one that loads with the first page."""

from __future__ import annotations

import asyncio

import pytest

from common.download import DownloadError
from gateway.layout import factory
from gateway.layout.factory import FallbackLayout, LazyLayout
from gateway.model import PageImage
from gateway.reading_options import LayoutOptions
from tests.support.fakes import FakeLayout, blank, text_regions
from tests.support.waiting import eventually

PAGE = PageImage(1, blank(400, 300))


def detectors() -> tuple[FakeLayout, FakeLayout]:
    wanted = FakeLayout(text_regions(3), name="wanted", state="not_initialized", failing="there is no file")
    return wanted, FakeLayout(text_regions(1), name="other", state="not_initialized")


async def regions(layout: FallbackLayout) -> int:
    return len((await layout.detect(PAGE, LayoutOptions())).regions)


async def test_fallback_serves_during_download() -> None:
    wanted, other = detectors()
    arrived = asyncio.Event()

    async def fetch() -> None:
        await arrived.wait()
        wanted.failing = None

    layout = FallbackLayout(wanted, other, fetch)
    await layout.start()
    assert (layout.state, layout.name, await regions(layout)) == ("ready", "other", 1)
    assert "until wanted is downloaded" in (layout.warning or "")
    arrived.set()
    await eventually(lambda: layout.name == "wanted")
    assert (layout.state, layout.warning, await regions(layout)) == ("ready", None, 3)
    await layout.close()


async def test_failed_download_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "MIN_RETRY_S", 0.05)
    wanted, other = detectors()
    outcomes = [DownloadError("the hub is away"), DownloadError("the hub is away"), None]

    async def fetch() -> None:
        if outcome := outcomes.pop(0):
            raise outcome
        wanted.failing = None

    layout = FallbackLayout(wanted, other, fetch)
    await layout.start()
    await eventually(lambda: "the hub is away" in (layout.reason or ""))
    assert await regions(layout) == 1
    await eventually(lambda: layout.name == "wanted")
    assert (layout.warning, layout.reason, outcomes) == (None, None, [])
    await layout.close()


async def test_unloadable_download_is_reported() -> None:
    wanted, other = detectors()

    async def fetch() -> None:
        wanted.failing = "the file is broken"

    layout = FallbackLayout(wanted, other, fetch)
    await layout.start()
    await eventually(lambda: "the file is broken" in (layout.reason or ""))
    assert (layout.state, layout.name) == ("ready", "other")
    await layout.close()


async def test_lazy_layout_loads_once() -> None:
    inner = FakeLayout(text_regions(2), state="not_initialized")
    layout = LazyLayout(inner)
    await layout.start()
    assert (layout.state, inner.starts) == ("not_initialized", 0)
    assert "first page" in (layout.reason or "")
    found = await asyncio.gather(*(layout.detect(PAGE, LayoutOptions()) for _ in range(3)))
    assert [len(one.regions) for one in found] == [2, 2, 2]
    assert (layout.state, layout.reason, inner.starts) == ("ready", None, 1)
    await layout.close()


async def test_leaving_client_keeps_loading() -> None:
    inner = FakeLayout(text_regions(2), state="not_initialized")
    layout = LazyLayout(inner)
    gone = asyncio.create_task(layout.detect(PAGE, LayoutOptions()))
    await asyncio.sleep(0)
    gone.cancel()
    assert len((await layout.detect(PAGE, LayoutOptions())).regions) == 2
    assert inner.starts == 1
    await layout.close()


async def test_failed_lazy_load_says_why() -> None:
    layout = LazyLayout(FakeLayout(state="not_initialized", failing="there is no file"))
    with pytest.raises(RuntimeError, match="there is no file"):
        await layout.detect(PAGE, LayoutOptions())
    assert (layout.state, layout.reason) == ("failed", "there is no file")
    await layout.close()
