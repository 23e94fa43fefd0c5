"""What the gateway knows of the recognition engine: is it there, what is it, does it answer. Told from memory."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Literal

import structlog

from gateway.engine.client import EngineClient
from gateway.engine.errors import EngineFailure
from gateway.engine.probes import ServedModel, ask_canary, ask_health, ask_models, ask_steps, warm_up
from gateway.engine.process_status import kill_tier, read_tier
from gateway.errors import ServiceError
from gateway.model import EngineKind
from gateway.settings import Settings

log = structlog.get_logger(__name__)

FIRST_BEAT_FACTOR = 5
"""An engine that has just started compiles before its first step; it may be still for so much longer."""
EngineState = Literal["starting", "ready", "restarting", "down"]
POLL_WHILE_AWAY_S = 1.0
POLL_WHILE_READY_S = 2.0
LATE_POLLS_MAX = 3
"""A saturated engine may be late with its health: so many late answers in a row count, if no region was read either."""
CANARY_TIMEOUT_S = 10.0
CANARY_TIMEOUT_BUSY_S = 60.0
"""For an engine that is at work on other calls, or warms up."""
MISSED_CANARIES_MAX = 2
ADMITTED_WHILE_AWAY_S = 30.0
"""New documents wait so long with the others for an engine that restarts; then they had better go elsewhere."""
GRACE_S: Mapping[EngineKind | None, float] = {"vllm": 300.0}
USUAL_GRACE_S = 30.0
"""`VLM_RESTART_GRACE_S` of 0, by kind: vLLM loads weights and captures graphs for one to four minutes."""
RETRY_AFTER_S = {"starting": 5, "restarting": 15, "down": 30}


class Pulse:
    """A beat is an answer, or a step forward of the engine's own counter."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The engine is not there, or not yet: its silence counts from its next start."""
        self._last = monotonic()
        self._has_beaten = False
        self._steps: float | None = None

    @property
    def still_s(self) -> float:
        """Seconds since the last beat, or since the engine was seen starting."""
        return monotonic() - self._last

    @property
    def is_counted(self) -> bool:
        """Whether the engine has a counter."""
        return self._steps is not None

    def beat(self) -> None:
        self._last = monotonic()
        self._has_beaten = True

    def count(self, steps: float | None) -> bool:
        """Notes the counter; whether it has moved since it was last read, which is a beat. None: it can't be read."""
        if steps is None:
            return False
        moved = self._steps is not None and steps != self._steps
        self._steps = steps
        if moved:
            self.beat()
        return moved

    def left_s(self, frozen_after_s: float) -> float:
        """Seconds until an engine that stays still is to be called frozen; 0 or less: it is."""
        return frozen_after_s * (1 if self._has_beaten else FIRST_BEAT_FACTOR) - self.still_s


async def _nothing() -> None:
    pass


class EngineMonitor:
    """Asks the engine how it is in the background, and hears from real calls how they fared.

    States: `starting`: never ready yet; `ready`; `restarting`: was ready and is away for less than `grace_s`, calls
    wait for it; `down`: away for longer, or known not to come by itself. `is_busy` says whether region calls run, so
    that the canary is patient; `on_ready` hears each time that the engine becomes ready, `while_ready` is called every
    `POLL_WHILE_READY_S` from then on.

    An engine of this container that is asked and makes no step for `settings.vlm_frozen_after_s` is killed, which is
    how supervisord comes to start it again.
    """

    def __init__(
        self,
        settings: Settings,
        client: EngineClient,
        *,
        is_busy: Callable[[], bool] = lambda: False,
        on_ready: Callable[[EngineMonitor], None] = lambda _engine: None,
        while_ready: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self.reason: str | None = "The recognition engine has not answered yet."
        """Why the state is not `ready`, one sentence."""
        self.models: tuple[ServedModel, ...] = ()
        """What the engine serves; region calls go to `model`, one of them."""
        self.model: str | None = None
        self.kind: EngineKind | None = None
        self.sequences: int | None = None
        """How many calls it works on at once, where the tier of this container says so."""
        self.takes_priority = False
        """Whether the tier of this container says that `priority` in a request may be other than 0."""
        self.refused = 0
        """Calls that it had no room or no time for."""
        self._settings = settings
        self._client = client
        self._is_busy = is_busy
        self._on_ready = on_ready
        self._while_ready = while_ready
        self._ready = asyncio.Event()
        self._wake = asyncio.Event()
        self._since = monotonic()
        self._was_ready = False
        self._is_lost = False
        self._pulse = Pulse()
        self._last_loss = -math.inf
        self._last_success = -math.inf
        self._late_polls = 0
        self._missed_canaries = 0
        self._look_task: asyncio.Task[bool] | None = None
        self._watch_task: asyncio.Task[None] | None = None

    @property
    def state(self) -> EngineState:
        if self._ready.is_set():
            return "ready"
        if self._is_lost:
            return "down"
        if not self._was_ready:
            return "starting"
        return "restarting" if self._grace_left_s() > 0 else "down"

    @property
    def state_s(self) -> float:
        """Seconds since the engine became ready, or went away, or since the start."""
        return monotonic() - self._since

    @property
    def scripts(self) -> tuple[str, ...] | None:
        """The scripts that its model reads; None where the engine does not say."""
        return next((model.scripts for model in self.models if model.id == self.model), None)

    @property
    def grace_s(self) -> float:
        """How long calls wait for an engine that went away."""
        return self._settings.vlm_restart_grace_s or GRACE_S.get(self.kind, USUAL_GRACE_S)

    @property
    def context(self) -> int | None:
        """Tokens of prompt, picture and answer together, where the engine tells."""
        return next((model.max_model_len for model in self.models if model.id == self.model), None)

    @property
    def is_scaling(self) -> bool:
        """Whether crops should come in PaddleOCR-VL's pixel budget; PP-OCR reads them best as they are on the page."""
        return self.kind in ("vllm", "external")

    async def start(self) -> None:
        """Begins to watch the engine; returns at once."""
        self._watch_task = asyncio.create_task(self._watch(), name="engine-monitor")

    async def close(self) -> None:
        """Ends the watch and the connection to the engine, which region calls use too."""
        tasks = [task for task in (self._watch_task, self._look_task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watch_task = self._look_task = None
        await self._client.close()

    def succeeded(self) -> None:
        """A region call got its answer."""
        self._last_success = monotonic()
        self._missed_canaries = 0
        self._pulse.beat()

    def overloaded(self) -> None:
        """A region call was refused, or not answered in time."""
        self.refused += 1

    def unreachable(self, reason: str) -> None:
        """A region call found the engine gone: the state changes at once, and the engine is looked at."""
        self._last_loss = monotonic()
        if self._ready.is_set():
            self._went_away(reason)
        self._wake.set()

    async def wait_ready(self, timeout_s: float) -> bool:
        """Waits for an engine that starts or restarts; False when it stays away, at once when it is down."""
        if self._was_ready or self._is_lost:
            timeout_s = min(timeout_s, self._grace_left_s())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(timeout_s, 0)):
                await self._ready.wait()
        return self._ready.is_set()

    async def recheck(self) -> bool:
        """Asks the engine now whether it is well; callers at the same time share one answer."""
        begun = self._look_task
        if begun is not None and not begun.done():
            # It may have found the engine well before the caller found it broken.
            await asyncio.wait([begun])
        if self._look_task is None or self._look_task is begun:
            self._look_task = asyncio.create_task(self._look(), name="engine-look")
        return await asyncio.shield(self._look_task)

    def require_serving(self) -> None:
        """Raises ServiceError 503 `vlm_unavailable` where a new document could not be read."""
        state = self.state
        retry_after_s = RETRY_AFTER_S.get(state)
        if retry_after_s is not None and not (state == "restarting" and self.state_s < ADMITTED_WHILE_AWAY_S):
            detail = self.reason or "The recognition engine is away."
            raise ServiceError(503, "vlm_unavailable", detail, retry_after_s=retry_after_s)

    def _grace_left_s(self) -> float:
        return 0.0 if self._is_lost else self.grace_s - self.state_s

    async def _watch(self) -> None:
        while True:
            self._wake.clear()
            if await self.recheck():
                await self._while_ready()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_WHILE_READY_S if self._ready.is_set() else POLL_WHILE_AWAY_S):
                    await self._wake.wait()

    async def _look(self) -> bool:
        """One look at the engine, and what follows from it for the state. False: the engine is not well."""
        asked_at = monotonic()
        try:
            await ask_health(self._client)
            self.models = await ask_models(self._client)
            served = self._preferred()
            self.model, self.kind = served.id, served.kind
            await self._prove_life(served.id, served.kind)
            await self._warm_up(served.id, served.kind)
        except EngineFailure as failure:
            return await self._look_failed(failure)
        except Exception:
            log.exception("engine_look_failed")
            return False
        self._late_polls = 0
        if not self._ready.is_set() and self._last_loss < asked_at:
            report = await asyncio.to_thread(read_tier, self._settings)
            self.sequences, self.takes_priority = report.sequences, report.takes_priority
            self._came_back()
        return self._ready.is_set()

    def _preferred(self) -> ServedModel:
        """The model of the settings, if the engine has it, else its first."""
        return next((model for model in self.models if model.id == self._settings.vlm_model), self.models[0])

    async def _prove_life(self, model: str, kind: EngineKind) -> None:
        """A canary, where no region call shows that the engine works; a ready engine may miss one."""
        if self._ready.is_set() and not self._canary_is_due():
            return
        self._pulse.count(await ask_steps(self._client))
        try:
            await ask_canary(self._client, model, kind, self._patience_s())
        except EngineFailure:
            is_at_work = self._pulse.count(await ask_steps(self._client))
            if is_at_work and self._ready.is_set():
                return
            # One may be missed by chance, but not while the counter stands still.
            self._missed_canaries = MISSED_CANARIES_MAX if self._pulse.is_counted else self._missed_canaries + 1
            if not self._ready.is_set() or self._missed_canaries >= MISSED_CANARIES_MAX:
                raise
        else:
            self.succeeded()

    def _patience_s(self) -> float:
        if self._ready.is_set():
            return CANARY_TIMEOUT_BUSY_S if self._is_busy() and not self._pulse.is_counted else CANARY_TIMEOUT_S
        # Of an engine that went away without a word, the canary is to be back when the verdict is due.
        return max(CANARY_TIMEOUT_S, self._pulse.left_s(self._settings.vlm_frozen_after_s))

    async def _warm_up(self, model: str, kind: EngineKind) -> None:
        if self._ready.is_set() or kind != "vllm" or not self._settings.vlm_warm_up:
            return
        self.reason = "The recognition engine is warming up."
        if await warm_up(self._client, model, kind):
            self.succeeded()

    async def _look_failed(self, failure: EngineFailure) -> bool:
        if failure.kind == "late" and self._ready.is_set() and self._missed_canaries < MISSED_CANARIES_MAX:
            self._late_polls += 1
            if self._late_polls < LATE_POLLS_MAX or not self._canary_is_due():
                return True
        self._went_away(failure.sentence)
        if failure.kind == "late":
            await self._end_if_frozen()
        else:
            self._pulse.restart()
            await self._explain(failure)
        return False

    async def _end_if_frozen(self) -> None:
        if self._pulse.left_s(self._settings.vlm_frozen_after_s) > 0:
            return
        still_s = self._pulse.still_s
        if await asyncio.to_thread(kill_tier, self._settings):
            self._pulse.restart()
            self.reason = f"The recognition engine was frozen for {still_s:.0f} s and has been killed; it starts again."
            log.error("engine_killed", reason=self.reason)

    async def _explain(self, failure: EngineFailure) -> None:
        """Puts what the tier says of itself in the place of what can be seen from outside."""
        if failure.kind != "unreachable":
            return
        report = await asyncio.to_thread(read_tier, self._settings)
        self._is_lost = report.is_lost
        self.reason = report.reason or failure.sentence

    def _canary_is_due(self) -> bool:
        return monotonic() - self._last_success >= self._settings.vlm_canary_interval_s

    def _came_back(self) -> None:
        self.reason = None
        self._is_lost = False
        self._was_ready = True
        self._since = monotonic()
        self._on_ready(self)
        self._ready.set()
        log.info("engine_ready", model=self.model, kind=self.kind)

    def _went_away(self, reason: str) -> None:
        self.reason = reason
        if self._ready.is_set():
            self._ready.clear()
            self._since = monotonic()
            log.warning("engine_away", reason=reason)


async def diagnosed(engine: EngineMonitor, failure: EngineFailure) -> EngineFailure:
    """Tells the monitor of a lost engine, or of one with too much to do.

    A vLLM whose core has just died answers 500 before it ends: lost, too. A connection that broke says nothing yet of
    the engine: it may have been the only one.
    """
    if failure.kind in ("broken", "dropped"):
        if await engine.recheck():
            return failure
        failure = EngineFailure("dropped", failure.sentence, failure.status)
    if failure.kind in ("unreachable", "dropped"):
        engine.unreachable(failure.sentence)
    elif failure.kind in ("busy", "late"):
        engine.overloaded()
    return failure
