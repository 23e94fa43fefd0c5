"""The self-check: passes on text, fails on none, tries again until it passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import selfcheck
from gateway.parts import Parts, create_parts
from gateway.selfcheck import SelfCheck
from gateway.settings import Settings
from tests.support.fakes import FakeLayout, text_regions
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import WAIT_S, eventually


@pytest.fixture
def engine() -> StubEngine:
    return StubEngine(answer=lambda _request: Reply("Self-check"))


@pytest.fixture
async def parts(tmp_path: Path, engine: StubEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Parts]:
    monkeypatch.setattr(selfcheck, "_FIRST_RETRY_S", 0.05)
    with engine:
        settings = Settings(
            _env_file=None, vlm_engine="external", vlm_base_url=engine.base_url, render_workers=1, temp_dir=tmp_path
        )
        made = replace(create_parts(settings), layout=FakeLayout(text_regions(2)))
        await asyncio.gather(made.pool.start(), made.engine.start())
        await eventually(lambda: made.engine.state == "ready")
        yield made
        await made.engine.close()
        await made.pool.close()


async def test_text_from_the_example_passes(parts: Parts, engine: StubEngine) -> None:
    check = SelfCheck()
    await check.run(parts, lambda: True)
    assert (check.state, check.reason) == ("passed", None)
    assert engine.prompts == ["OCR:", "OCR:"]


@pytest.mark.parametrize("broken", [Reply(""), Reply(status=400)])
async def test_no_text_fails_and_is_tried_again(parts: Parts, engine: StubEngine, broken: Reply) -> None:
    check = SelfCheck()
    engine.answer = lambda _request: broken
    running = asyncio.create_task(check.run(parts, lambda: True))
    await eventually(lambda: check.state == "failed")
    assert check.reason
    engine.answer = lambda _request: Reply("Self-check")
    await asyncio.wait_for(running, WAIT_S)
    assert check.passed


async def test_nothing_is_tried_before_the_parts_are_up(parts: Parts, engine: StubEngine) -> None:
    check = SelfCheck()
    up = False
    running = asyncio.create_task(check.run(parts, lambda: up))
    await asyncio.sleep(0.3)
    assert (check.state, engine.prompts) == ("pending", [])
    up = True
    await asyncio.wait_for(running, WAIT_S)
    assert check.passed
