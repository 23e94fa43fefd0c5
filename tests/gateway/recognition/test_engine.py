from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.errors import ServiceError
from gateway.recognition import concurrent_regions, create_recognition
from gateway.recognition.engine import EngineMonitor
from gateway.settings import Settings
from tests.support.parts import eventually, recognition_for, settings_for
from tests.support.stub_engine import StubEngine, free_port


@asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[EngineMonitor]:
    engine = create_recognition(settings).engine
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.recognition.engine.POLL_WHILE_AWAY_S", 0.05)
    monkeypatch.setattr("gateway.recognition.engine.POLL_WHILE_READY_S", 0.05)


@pytest.mark.parametrize("kind", ["vllm", "embedded", "external"])
async def test_a_ready_engine_says_what_it_is(kind: str) -> None:
    with StubEngine(kind=kind, model="some-model") as stub:
        async with recognition_for(stub) as made:
            assert (made.engine.state, made.engine.model, made.engine.kind) == ("ready", "some-model", kind)
            assert made.engine.reason is None
            made.engine.require_serving()


async def test_an_engine_that_was_never_there_is_starting_and_serves_nobody() -> None:
    async with watching(Settings.model_validate({"vlm_port": free_port()})) as engine:
        assert not await engine.wait_ready(0.2)
        assert engine.state == "starting"
        with pytest.raises(ServiceError) as refused:
            engine.require_serving()
    assert (refused.value.status, refused.value.code) == (503, "vlm_unavailable")
    assert (refused.value.retry_after_s or 0) >= 1
    assert "could not be reached" in refused.value.detail


async def test_an_engine_that_loads_becomes_ready_by_itself(stub: StubEngine) -> None:
    stub.health_status = 503
    async with watching(settings_for(stub)) as engine:
        assert not await engine.wait_ready(0.3)
        assert engine.reason == "The recognition engine is not ready yet."
        stub.health_status = 200
        assert await engine.wait_ready(10)


async def test_an_external_server_needs_no_health_path(stub: StubEngine) -> None:
    stub.health_status = 404
    async with watching(settings_for(stub)) as engine:
        assert await engine.wait_ready(10)


async def test_a_server_that_lists_no_models_is_not_ready() -> None:
    async def nothing(_request: web.Request) -> web.Response:
        return web.json_response({"data": []})

    app = web.Application()
    app.router.add_get("/v1/models", nothing)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with watching(Settings.model_validate({"vlm_port": port})) as engine:
        assert not await engine.wait_ready(0.3)
        assert engine.reason == "The recognition engine serves no model."
    await runner.cleanup()


async def test_a_killed_engine_is_restarting_while_calls_may_wait_and_comes_back(stub: StubEngine) -> None:
    async with watching(settings_for(stub)) as engine:
        assert await engine.wait_ready(10)
        stub.kill()
        await eventually(lambda: engine.state == "restarting")
        engine.require_serving()
        back = asyncio.create_task(engine.wait_ready(10))
        stub.start()
        assert await back
        assert engine.state == "ready"


async def test_an_engine_away_for_longer_than_the_grace_is_down(stub: StubEngine) -> None:
    async with watching(settings_for(stub, vlm_restart_grace_s=0.2)) as engine:
        assert await engine.wait_ready(10)
        stub.kill()
        await eventually(lambda: engine.state == "down")
        assert not await engine.wait_ready(60)
        with pytest.raises(ServiceError, match="could not be reached"):
            engine.require_serving()
        stub.start()
        await eventually(lambda: engine.state == "ready")


async def test_a_call_that_lost_the_engine_changes_the_state_at_once(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.recognition.engine.POLL_WHILE_READY_S", 60)
    async with watching(settings_for(stub)) as engine:
        assert await engine.wait_ready(10)
        stub.health_status = 503
        engine.unreachable("It went away.")
        assert (engine.state, engine.reason) == ("restarting", "It went away.")
        stub.health_status = 200
        assert await engine.wait_ready(10)


async def test_an_answer_from_before_the_loss_does_not_hide_it(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.recognition.engine.POLL_WHILE_READY_S", 60)
    async with watching(settings_for(stub)) as engine:
        assert await engine.wait_ready(10)
        stub.health_after, asked = threading.Event(), stub.health_asked
        look = asyncio.create_task(engine.recheck())
        await eventually(lambda: stub.health_asked > asked)
        engine.unreachable("It went away.")
        stub.health_after.set()
        assert not await look
        assert await engine.wait_ready(10)


async def test_an_engine_that_answers_its_health_but_reads_nothing_is_not_ready(stub: StubEngine) -> None:
    async with watching(settings_for(stub, vlm_canary_interval_s=0.01)) as engine:
        assert await engine.wait_ready(10)
        stub.canary_status = 500
        await eventually(lambda: engine.state != "ready")
        stub.canary_status = 200
        await eventually(lambda: engine.state == "ready")


async def test_one_missed_canary_is_forgiven(stub: StubEngine) -> None:
    async with watching(settings_for(stub, vlm_canary_interval_s=0.01)) as engine:
        assert await engine.wait_ready(10)
        for _ in range(3):
            stub.canary_status = 500
            before = stub.canaries
            await eventually(lambda before=before: stub.canaries > before)  # type: ignore[misc]
            stub.canary_status = 200
            await eventually(lambda before=before: stub.canaries > before + 1)  # type: ignore[misc]
        assert engine.state == "ready"


async def test_a_busy_engine_is_a_ready_engine(stub: StubEngine) -> None:
    async with watching(settings_for(stub, vlm_canary_interval_s=0.01)) as engine:
        assert await engine.wait_ready(10)
        stub.canary_status = 503
        asked = stub.canaries
        await eventually(lambda: stub.canaries > asked + 4)
        assert engine.state == "ready"


@pytest.mark.parametrize(("regions_are_read", "state"), [(True, "ready"), (False, "restarting")])
async def test_a_late_health_counts_only_where_no_region_is_read(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch, regions_are_read: bool, state: str
) -> None:
    monkeypatch.setattr("gateway.recognition.probe.POLL_TIMEOUT_S", 0.05)
    async with watching(settings_for(stub, vlm_canary_interval_s=600 if regions_are_read else 0.01)) as engine:
        assert await engine.wait_ready(10)
        stub.health_after, asked = threading.Event(), stub.health_asked
        await eventually(lambda: stub.health_asked > asked + 5)
        assert engine.state == state


async def test_calls_that_succeed_spare_the_canary(stub: StubEngine) -> None:
    async with watching(settings_for(stub, vlm_canary_interval_s=0.4)) as engine:
        assert await engine.wait_ready(10)
        asked = stub.canaries
        for _ in range(30):
            engine.succeeded()
            await asyncio.sleep(0.02)
        assert stub.canaries == asked
        await eventually(lambda: stub.canaries > asked)


async def test_the_queue_widens_when_the_engine_turns_out_to_be_vllm() -> None:
    with StubEngine(kind="vllm") as stub:
        made = create_recognition(settings_for(stub))
        narrow = made.queue.turns.limit
        await made.engine.start()
        assert await made.engine.wait_ready(10)
        assert made.queue.turns.limit == 128 > narrow
        await made.engine.close()


def test_the_setting_for_concurrent_regions_is_obeyed() -> None:
    settings = Settings.model_validate({"max_concurrent_regions": 7})
    assert {concurrent_regions(settings, kind) for kind in ("vllm", "embedded", "external", None)} == {7}


async def test_the_model_of_the_settings_is_taken_where_a_server_has_several(stub: StubEngine) -> None:
    stub.model = "other"
    stub.more_models = ("wanted",)
    async with watching(settings_for(stub, vlm_model="wanted")) as engine:
        assert await engine.wait_ready(10)
        assert engine.model == "wanted"
