"""The monitor of the engine."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
from aiohttp import web

from common.contracts import Failure, frozen_file
from gateway.engine.concurrency import limit_range
from gateway.engine.monitor import EngineMonitor
from gateway.engine.progress import ProgressWatchdog
from gateway.errors import ServiceError
from gateway.imaging.crops import cut_crop
from gateway.model import Region
from gateway.parts import create_parts
from gateway.settings import Settings
from gateway.tasks import RegionTask
from tests.support.fakes import blank
from tests.support.parts import settings_for, start_parts
from tests.support.ports import free_port
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import WAIT_S, eventually
from vlm_backend.settings import Settings as TierSettings
from vlm_backend.status import describe_process, write_status

CROP = cut_crop(blank(200, 100), Region("text", (0, 0, 200, 100), 1), RegionTask(), fit=False)


@asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[EngineMonitor]:
    engines = create_parts(settings).engine
    await engines.start()
    try:
        yield engines.endpoints[0].monitor
    finally:
        await engines.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.engine.monitor.POLL_WHILE_AWAY_S", 0.05)
    monkeypatch.setattr("gateway.engine.monitor.POLL_WHILE_READY_S", 0.05)


@pytest.mark.parametrize("kind", ["vllm", "embedded", "external"])
async def test_a_ready_engine_says_what_it_is(kind: str) -> None:
    with StubEngine(kind=kind, model="some-model") as stub:
        async with start_parts(stub) as parts:
            assert (parts.engine.state, parts.engine.model, parts.engine.kind) == ("ready", "some-model", kind)
            assert parts.engine.reason is None
            parts.engine.require_serving()


async def test_an_engine_that_was_never_there_is_starting_and_serves_nobody() -> None:
    async with watching(Settings.model_validate({"vlm_port": free_port()})) as engine:
        await eventually(lambda: "could not be reached" in (engine.reason or ""))
        assert engine.state == "starting"
        with pytest.raises(ServiceError) as refused:
            engine.require_serving()
    assert (refused.value.status, refused.value.code) == (503, "vlm_unavailable")
    assert (refused.value.retry_after_s or 0) >= 1
    assert "could not be reached" in refused.value.detail


async def test_an_engine_that_loads_becomes_ready_by_itself(stub: StubEngine) -> None:
    stub.health_status = 503
    async with watching(settings_for(stub)) as engine:
        await eventually(lambda: engine.reason == "The recognition engine is not ready yet.")
        assert engine.state == "starting"
        stub.health_status = 200
        assert await engine.wait_ready(WAIT_S)


async def test_an_external_server_needs_no_health_path(stub: StubEngine) -> None:
    stub.health_status = 404
    async with watching(settings_for(stub)) as engine:
        assert await engine.wait_ready(WAIT_S)


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
        await eventually(lambda: engine.reason == "The recognition engine serves no model.")
        assert engine.state == "starting"
    await runner.cleanup()


async def test_a_killed_engine_is_restarting_while_calls_may_wait_and_comes_back(stub: StubEngine) -> None:
    async with watching(settings_for(stub)) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.kill()
        await eventually(lambda: engine.state == "restarting")
        engine.require_serving()
        back = asyncio.create_task(engine.wait_ready(WAIT_S))
        stub.start()
        assert await back
        assert engine.state == "ready"


async def test_an_engine_away_for_longer_than_the_grace_is_down(stub: StubEngine) -> None:
    async with watching(settings_for(stub, vlm_restart_grace_s=0.2)) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.kill()
        await eventually(lambda: engine.state == "down")
        assert not await engine.wait_ready(WAIT_S)
        with pytest.raises(ServiceError, match="could not be reached"):
            engine.require_serving()
        stub.start()
        await eventually(lambda: engine.state == "ready")


async def test_a_call_that_lost_the_engine_changes_the_state_at_once(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.monitor.POLL_WHILE_READY_S", 60)
    async with watching(settings_for(stub)) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.health_status = 503
        engine.record_loss("It went away.")
        assert (engine.state, engine.reason) == ("restarting", "It went away.")
        stub.health_status = 200
        assert await engine.wait_ready(WAIT_S)


async def held_look(stub: StubEngine, engine: EngineMonitor) -> tuple[asyncio.Task[bool], threading.Event]:
    """A look at the engine whose health is asked for and not answered before the event is set."""
    stub.health_after, asked = threading.Event(), stub.health_asked
    look = asyncio.create_task(engine.check_now())
    await eventually(lambda: stub.health_asked > asked)
    return look, stub.health_after


async def test_an_answer_from_before_the_loss_does_not_hide_it(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.monitor.POLL_WHILE_READY_S", 60)
    async with watching(settings_for(stub)) as engine:
        assert await engine.wait_ready(WAIT_S)
        look, let_go = await held_look(stub, engine)
        engine.record_loss("It went away.")
        let_go.set()
        assert not await look
        assert await engine.wait_ready(WAIT_S)


async def test_a_look_that_began_before_the_question_is_not_its_answer(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.monitor.POLL_WHILE_READY_S", 60)
    async with watching(settings_for(stub)) as engine:
        assert await engine.wait_ready(WAIT_S)
        earlier, let_go = await held_look(stub, engine)
        question = asyncio.create_task(engine.check_now())
        await asyncio.sleep(0)
        let_go.set()
        assert await earlier
        stub.health_status = 503
        assert not await question


async def test_an_engine_that_answers_its_health_but_reads_nothing_is_not_ready(stub: StubEngine) -> None:
    async with watching(settings_for(stub, vlm_canary_interval_s=0.01)) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.canary_status = 500
        await eventually(lambda: engine.state != "ready")
        stub.canary_status = 200
        await eventually(lambda: engine.state == "ready")


async def test_one_missed_canary_is_forgiven(stub: StubEngine) -> None:
    async with watching(settings_for(stub, vlm_canary_interval_s=0.01)) as engine:
        assert await engine.wait_ready(WAIT_S)
        for _ in range(3):
            stub.canary_status = 500
            before = stub.canaries
            await eventually(lambda before=before: stub.canaries > before)  # type: ignore[misc]
            stub.canary_status = 200
            await eventually(lambda before=before: stub.canaries > before + 1)  # type: ignore[misc]
        assert engine.state == "ready"


async def test_a_busy_engine_is_a_ready_engine(stub: StubEngine) -> None:
    async with watching(settings_for(stub, vlm_canary_interval_s=0.01)) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.canary_status = 503
        asked = stub.canaries
        await eventually(lambda: stub.canaries > asked + 4)
        assert engine.state == "ready"


@pytest.mark.parametrize(("regions_are_read", "state"), [(True, "ready"), (False, "restarting")])
async def test_a_late_health_counts_only_where_no_region_is_read(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch, regions_are_read: bool, state: str
) -> None:
    monkeypatch.setattr("gateway.engine.probes.POLL_TIMEOUT_S", 0.05)
    async with watching(settings_for(stub, vlm_canary_interval_s=600 if regions_are_read else 0.01)) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.health_after, asked = threading.Event(), stub.health_asked
        await eventually(lambda: stub.health_asked > asked + 5)
        assert engine.state == state


async def test_calls_that_succeed_spare_the_canary(stub: StubEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = monotonic()
    monkeypatch.setattr("gateway.engine.monitor.monotonic", lambda: now)
    async with watching(settings_for(stub, vlm_canary_interval_s=15)) as engine:
        assert await engine.wait_ready(WAIT_S)
        asked = stub.canaries
        for _ in range(3):
            now += 10
            engine.record_success()
            looks = stub.health_asked
            await eventually(lambda: stub.health_asked > looks + 1)  # noqa: B023 - the first one may have begun before
        assert stub.canaries == asked
        now += 15
        await eventually(lambda: stub.canaries > asked)


async def test_the_queue_widens_when_the_engine_turns_out_to_be_vllm() -> None:
    with StubEngine(kind="vllm") as stub:
        parts = create_parts(settings_for(stub))
        narrow = parts.queue.in_flight.limit
        await parts.engine.start()
        assert await parts.engine.wait_ready(WAIT_S)
        assert parts.queue.in_flight.limit == 128 > narrow
        await parts.engine.close()


@pytest.mark.parametrize("sequences", [16, 256])
async def test_vllm_is_given_a_little_more_than_it_works_on_at_once(tmp_path: Path, sequences: int) -> None:
    with StubEngine(kind="vllm") as stub:
        settings = settings_for(stub, temp_dir=tmp_path)
        tier = TierSettings.model_validate({"vlm_port": settings.vlm_port, "temp_dir": tmp_path})
        write_status(tier, describe_process("starting", "vllm", "", sequences=sequences))
        parts = create_parts(settings)
        await parts.engine.start()
        assert await parts.engine.wait_ready(WAIT_S)
        assert sequences < parts.queue.in_flight.limit < 1.5 * sequences
        await parts.engine.close()


async def test_an_engine_that_never_answers_its_warm_up_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.engine.probes.MAX_WARM_UP_S", 0.1)
    with StubEngine(kind="vllm") as stub:
        stub.answer = lambda request: Reply(hang=True)
        async with watching(settings_for(stub, vlm_warm_up=True)) as engine:
            await eventually(lambda: len(stub.requests) > 1)
            assert engine.state != "ready"


async def test_an_engine_too_slow_for_its_warm_up_gets_ready_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.engine.probes.MAX_WARM_UP_S", 0.3)
    with StubEngine(kind="vllm") as stub:
        stub.answer = lambda request: Reply(hang=len(stub.requests) > 1)
        async with watching(settings_for(stub, vlm_warm_up=True)) as engine:
            assert await engine.wait_ready(WAIT_S)


def test_the_setting_for_concurrent_regions_is_obeyed() -> None:
    settings = Settings.model_validate({"max_concurrent_regions": 7})
    assert {limit_range(settings, kind, 64).start for kind in ("vllm", "embedded", "external", None)} == {7}


def test_the_embedded_engine_gets_calls_for_the_cores_of_its_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {5})
    assert limit_range(Settings.model_validate({}), "embedded", None).maximum == 1 + 2


async def test_the_model_of_the_settings_is_taken_where_a_server_has_several(stub: StubEngine) -> None:
    stub.model = "other"
    stub.more_models = ("wanted",)
    async with watching(settings_for(stub, vlm_model="wanted")) as engine:
        assert await engine.wait_ready(WAIT_S)
        assert engine.model == "wanted"


@asynccontextmanager
async def stand_in(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that the tier's status file names as the engine."""
    process = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    told = describe_process("starting", "vllm", "", pid=process.pid)
    write_status(TierSettings.model_validate({"vlm_port": settings.vlm_port, "temp_dir": settings.temp_dir}), told)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def frozen_soon(stub: StubEngine, folder: Path, frozen_after_s: float) -> Settings:
    return settings_for(stub, temp_dir=folder, vlm_canary_interval_s=0.05, vlm_frozen_after_s=frozen_after_s)


async def test_an_engine_that_answers_its_health_and_makes_no_step_is_reported(
    stub: StubEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.monitor.CANARY_TIMEOUT_S", 0.1)
    stub.steps = 7
    settings = frozen_soon(stub, tmp_path, 0.6)
    async with stand_in(settings) as process, watching(settings) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.canary_hangs = True
        report = frozen_file(tmp_path, settings.vlm_port)
        await eventually(report.exists)
        assert json.loads(report.read_text(encoding="utf-8"))["pid"] == process.pid
        await eventually(lambda: "frozen" in (engine.reason or ""))
        stub.canary_hangs = False
        await eventually(lambda: engine.state == "ready")


@pytest.mark.parametrize("kind", ["embedded", "vllm"])
async def test_calls_wait_for_a_frozen_engine_until_it_is_found_killed_and_back(kind: str, tmp_path: Path) -> None:
    with StubEngine(kind=kind) as stub:
        settings = frozen_soon(stub, tmp_path, 0)
        async with watching(settings) as engine:
            assert await engine.wait_ready(WAIT_S)
            assert engine.frozen_after_s * 2 < engine.grace_s


async def test_a_call_in_work_at_a_frozen_engine_is_asked_again_of_the_next_one(
    stub: StubEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.monitor.CANARY_TIMEOUT_S", 0.1)
    monkeypatch.setattr("gateway.engine.probes.POLL_TIMEOUT_S", 0.1)
    # Shorter than it takes to find the engine frozen: it begins when that is done.
    changes = {"temp_dir": tmp_path, "vlm_frozen_after_s": 2, "vlm_restart_grace_s": 1, "vlm_canary_interval_s": 0.05}
    async with start_parts(stub, **changes) as parts, stand_in(settings_for(stub, temp_dir=tmp_path)) as process:
        hangs = threading.Event()
        stub.answer = lambda _request: Reply(after=hangs)
        reading = asyncio.create_task(parts.reader.read(CROP, RegionTask()))
        await eventually(lambda: stub.running == 1)
        stub.health_after, stub.canary_hangs = hangs, True
        late = asyncio.create_task(parts.reader.read(CROP, RegionTask()))
        # What the watchdog kills then.
        await eventually(frozen_file(tmp_path, stub.port).exists)
        process.kill()
        stub.kill()
        stub.answer, stub.health_after, stub.canary_hangs = (lambda _request: Reply("read")), None, False
        stub.start()
        assert [(await each).text for each in (reading, late)] == ["read", "read"]


async def test_an_engine_that_is_long_at_one_step_is_left_alone(
    stub: StubEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.monitor.CANARY_TIMEOUT_S", 0.1)
    monkeypatch.setattr("gateway.engine.progress.LONG_STEP_FACTOR", 1e6)
    taken = itertools.count(1.0)
    monkeypatch.setattr("gateway.engine.monitor.read_cpu_s", lambda _settings: next(taken))
    stub.steps = 7
    settings = frozen_soon(stub, tmp_path, 0.2)
    async with stand_in(settings) as process, watching(settings) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.canary_hangs, asked = True, stub.canaries
        await eventually(lambda: stub.canaries > asked + 5)
        assert process.returncode is None


async def test_an_engine_that_is_slow_but_makes_steps_is_left_alone(
    stub: StubEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.monitor.CANARY_TIMEOUT_S", 0.1)
    stub.steps = 7
    settings = frozen_soon(stub, tmp_path, 0.3)
    async with stand_in(settings), watching(settings) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.canary_hangs, asked = True, stub.canaries
        while stub.canaries < asked + 6:
            stub.steps += 1
            await asyncio.sleep(0.01)
        assert engine.state == "ready"
    assert not frozen_file(tmp_path, settings.vlm_port).exists()


async def test_an_engine_that_went_away_and_makes_steps_is_left_alone_too(
    stub: StubEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.monitor.CANARY_TIMEOUT_S", 0.1)
    stub.steps = 7
    settings = frozen_soon(stub, tmp_path, 0.3)
    async with stand_in(settings), watching(settings) as engine:
        assert await engine.wait_ready(WAIT_S)
        stub.canary_hangs, asked = True, stub.canaries
        engine.record_loss("It went away.")
        while stub.canaries < asked + 4:
            stub.steps += 1
            await asyncio.sleep(0.01)
    assert not frozen_file(tmp_path, settings.vlm_port).exists()


async def test_vllm_is_warmed_up_with_each_prompt_at_real_sizes_before_it_is_ready() -> None:
    with StubEngine(kind="vllm") as stub:
        stub.answer = lambda request: Reply(after=may_read)
        may_read = threading.Event()
        async with watching(settings_for(stub, vlm_warm_up=True)) as engine:
            assert not await engine.wait_ready(0.5)
            may_read.set()
            assert await engine.wait_ready(WAIT_S)
        areas = {request.prompt: request.size[0] * request.size[1] for request in stub.requests}
    assert set(areas) == {
        "OCR:",
        "Table Recognition:",
        "Formula Recognition:",
        "Chart Recognition:",
        "Seal Recognition:",
        "Spotting:",
    }
    assert all(28 * 28 * 144 <= area <= 28 * 28 * 2048 for area in areas.values())
    assert areas["Spotting:"] > 28 * 28 * 1280


async def test_an_engine_that_breaks_at_its_warm_up_is_not_ready() -> None:
    with StubEngine(kind="vllm") as stub:
        stub.answer = lambda request: Reply(status=500)
        async with watching(settings_for(stub, vlm_warm_up=True)) as engine:
            await eventually(lambda: len(stub.requests) > 1)
            assert not await engine.wait_ready(0.2)
            stub.answer = lambda request: Reply()
            assert await engine.wait_ready(WAIT_S)


async def test_why_the_tier_cannot_start_is_told_and_nothing_waits_for_it(tmp_path: Path) -> None:
    settings = Settings.model_validate({"vlm_port": free_port(), "temp_dir": tmp_path})
    failure = Failure(check="driver", detail="There is no GPU.", remedy="Get one.")
    tier = TierSettings.model_validate({"vlm_port": settings.vlm_port, "temp_dir": tmp_path})
    write_status(tier, describe_process("refused", "vllm", "", [failure]))
    async with watching(settings) as engine:
        await eventually(lambda: engine.state == "down")
        assert not await engine.wait_ready(WAIT_S)
        with pytest.raises(ServiceError, match=r"There is no GPU\. Get one\."):
            engine.require_serving()


async def test_vllm_may_be_away_for_minutes_but_new_documents_are_turned_away_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.engine.monitor.ADMITTED_WHILE_AWAY_S", 0.2)
    with StubEngine(kind="vllm") as stub:
        async with watching(settings_for(stub)) as engine:
            assert await engine.wait_ready(WAIT_S)
            stub.kill()
            await eventually(lambda: engine.state == "restarting")
            in_work = asyncio.create_task(engine.wait_ready(WAIT_S))
            await asyncio.sleep(0.3)
            with pytest.raises(ServiceError) as refused:
                engine.require_serving()
            assert (refused.value.status, engine.state) == (503, "restarting")
            stub.start()
            assert await in_work


def test_a_counter_that_could_not_be_read_once_still_tells_of_steps() -> None:
    watchdog = ProgressWatchdog()
    assert [watchdog.record_steps(steps) for steps in (7, None, 7, None, 8)] == [False, False, False, False, True]
