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
from gateway.engine.errors import EngineError
from gateway.engine.probes import ServedModel, ask_canary, ask_health, ask_models, ask_steps, warm_up
from gateway.engine.process_status import read_process_status
from gateway.engine.progress import ProgressWatchdog, frozen_after_s, read_cpu_s, report_frozen
from gateway.errors import ServiceError
from gateway.model import EngineKind
from gateway.settings import Settings

log = structlog.get_logger(__name__)

EngineState = Literal["starting", "ready", "restarting", "down"]
POLL_WHILE_AWAY_S = 1.0
POLL_WHILE_READY_S = 2.0
MAX_LATE_POLLS = 3
"""A saturated engine may be late with its health: so many late answers in a row count, if no region was read either."""
CANARY_TIMEOUT_S = 10.0
CANARY_TIMEOUT_BUSY_S = 60.0
"""For an engine that is at work on other calls, or warms up."""
MAX_MISSED_CANARIES = 2
ADMITTED_WHILE_AWAY_S = 30.0
"""New documents wait so long with the others for an engine that restarts; then they had better go elsewhere."""
GRACE_S: Mapping[EngineKind | None, float] = {"vllm": 300.0, "embedded": 60.0}
DEFAULT_GRACE_S = 30.0
"""`VLM_RESTART_GRACE_S` of 0, by kind: vLLM loads weights and captures graphs for one to four minutes."""
RETRY_AFTER_S = {"starting": 5, "restarting": 15, "down": 30}


async def _do_nothing() -> None:
    pass


class EngineMonitor:
    """Asks the engine how it is in the background, and hears from real calls how they fared.

    States: `starting`: never ready yet; `ready`; `restarting`: was ready and is away for less than `grace_s`, calls
    wait for it; `down`: away for longer, or known not to come by itself. `is_busy` says whether region calls run, so
    that the canary is patient; `on_ready` hears each time that the engine becomes ready, `while_ready` is called every
    `POLL_WHILE_READY_S` from then on. `on_change` hears of each change between ready and away, `on_lost` when calls in
    work had better be asked of another engine.

    An engine of this container that is asked and makes no step for `frozen_after_s` is reported to the watchdog, which
    kills it, which is how supervisord comes to start it again. Calls wait for that and then for its start: the grace
    begins anew.
    """

    def __init__(
        self,
        settings: Settings,
        client: EngineClient,
        *,
        is_busy: Callable[[], bool] = lambda: False,
        on_ready: Callable[[EngineMonitor], None] = lambda _engine: None,
        while_ready: Callable[[], Awaitable[None]] = _do_nothing,
        on_change: Callable[[], None] = lambda: None,
        on_lost: Callable[[], None] = lambda: None,
        preferred: str | None = None,
    ) -> None:
        """`preferred`: of the engine's models the one to ask, before `VLM_MODEL`."""
        self.reason: str | None = "The recognition engine has not answered yet."
        """Why the state is not `ready`, one sentence."""
        self.warning: str | None = None
        """What is odd about its answers, one sentence."""
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
        self._on_change = on_change
        self._on_lost = on_lost
        self._preferred = (preferred, settings.vlm_model)
        self._ready = asyncio.Event()
        self._wake = asyncio.Event()
        self._since = self._grace_from = monotonic()
        self._is_silent = False
        self._was_ready = False
        self._gave_up = False
        self._watchdog = ProgressWatchdog()
        self._last_loss = -math.inf
        self._last_success = -math.inf
        self._late_polls = 0
        self._missed_canaries = 0
        self._poll_task: asyncio.Task[bool] | None = None
        self._monitor_task: asyncio.Task[None] | None = None

    @property
    def state(self) -> EngineState:
        if self._ready.is_set():
            return "ready"
        if self._gave_up:
            return "down"
        if not self._was_ready:
            return "starting"
        return "restarting" if self._grace_left_s() > 0 else "down"

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    @property
    def state_s(self) -> float:
        """Seconds since the engine became ready, or went away, or since the start."""
        return monotonic() - self._since

    @property
    def scripts(self) -> tuple[str, ...] | None:
        """The scripts that its model reads; None where the engine does not say."""
        return next((model.scripts for model in self.models if model.id == self.model), None)

    @property
    def runtimes(self) -> dict[str, str] | None:
        """Networks that its model is made of to what runs each; None where the engine does not say."""
        return next((model.runtimes for model in self.models if model.id == self.model), None)

    @property
    def grace_s(self) -> float:
        """How long calls wait for an engine that went away."""
        return self._settings.vlm_restart_grace_s or GRACE_S.get(self.kind, DEFAULT_GRACE_S)

    @property
    def frozen_after_s(self) -> float:
        """How long an engine may make no step though it is asked."""
        return frozen_after_s(self._settings, self.kind)

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
        self._monitor_task = asyncio.create_task(self._poll_forever(), name="engine-monitor")

    async def close(self) -> None:
        """Ends the watch and the connection to the engine, which region calls use too."""
        tasks = [task for task in (self._monitor_task, self._poll_task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._monitor_task = self._poll_task = None
        await self._client.close()

    def record_success(self) -> None:
        """A region call got its answer."""
        self._last_success = monotonic()
        self._missed_canaries = 0
        self._watchdog.record()

    def record_loss(self, reason: str) -> None:
        """A region call found the engine gone: the state changes at once, and the engine is looked at."""
        self._last_loss = monotonic()
        if self._ready.is_set():
            self._mark_down(reason)
        self._wake.set()

    def doubt(self) -> None:
        """A call fared badly for no reason that is known: the engine is looked at now, with a canary."""
        self._last_success = -math.inf
        self._wake.set()

    def has_answered_since(self, moment: float) -> bool:
        """Whether a call or a canary had its answer after a monotonic time."""
        return self._last_success > moment

    def record_model(self, name: object) -> None:
        """An answer came from the model of this name; one that was not asked for is told in the log and `/health`."""
        if not isinstance(name, str) or not name or name in (model.id for model in self.models):
            return
        warning = f"The recognition engine answers as {name[:100]!r}, a model that it was not asked for."
        if warning != self.warning:
            log.warning("engine_model", asked=self.model, answered=name[:100])
        self.warning = warning

    async def report(self, failure: EngineError) -> EngineError:
        """Notes how a real call failed; gives the error as it is to be treated, a lost engine being told from a call.

        A vLLM whose core has just died answers 500 before it ends: lost, too. A connection that broke says nothing yet
        of the engine: it may have been the only one.
        """
        if failure.kind in ("server_error", "connection_lost"):
            if await self.check_now():
                return failure
            failure = EngineError("connection_lost", failure.message, failure.status)
        if failure.kind in ("unreachable", "connection_lost"):
            self.record_loss(failure.message)
        elif failure.kind in ("busy", "timeout"):
            self.refused += 1
        return failure

    async def wait_ready(self, timeout_s: float) -> bool:
        """Waits for an engine that starts or restarts; False when it stays away, at once when it is down."""
        if self._was_ready or self._gave_up:
            timeout_s = min(timeout_s, self._grace_left_s())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(timeout_s, 0)):
                await self._ready.wait()
        return self._ready.is_set()

    async def check_now(self) -> bool:
        """Asks the engine now whether it is well; callers at the same time share one answer."""
        begun = self._poll_task
        if begun is not None and not begun.done():
            # It may have found the engine well before the caller found it broken.
            await asyncio.wait([begun])
        if self._poll_task is None or self._poll_task is begun:
            self._poll_task = asyncio.create_task(self._poll(), name="engine-poll")
        return await asyncio.shield(self._poll_task)

    def require_serving(self) -> None:
        """Raises ServiceError 503 `vlm_unavailable` where a new document could not be read."""
        require_serving(self.state, self.state_s, self.reason)

    def _grace_left_s(self) -> float:
        if self._gave_up:
            return 0.0
        left_s = self.grace_s - (monotonic() - self._grace_from)
        if not self._is_silent:
            return left_s
        watchdog = self._watchdog
        verdict_s = watchdog.time_to_frozen_s(self.frozen_after_s, is_working=watchdog.is_working)
        return max(left_s, verdict_s + self.grace_s)

    async def _poll_forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                if await self.check_now():
                    await self._while_ready()
            except Exception:
                log.exception("engine_look_failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_WHILE_READY_S if self._ready.is_set() else POLL_WHILE_AWAY_S):
                    await self._wake.wait()

    async def _poll(self) -> bool:
        """One look at the engine, and what follows from it for the state. False: the engine is not well."""
        asked_at = monotonic()
        try:
            await ask_health(self._client)
            self.models = await ask_models(self._client)
            served = self._choose_model()
            self.model, self.kind = served.id, served.kind
            await self._check_canary(served.id, served.kind)
            await self._warm_up(served.id, served.kind)
        except EngineError as failure:
            return await self._handle_poll_error(failure)
        except Exception:
            log.exception("engine_look_failed")
            return False
        self._late_polls = 0
        if not self._ready.is_set() and self._last_loss < asked_at:
            report = await asyncio.to_thread(read_process_status, self._settings)
            self.sequences, self.takes_priority = report.sequences, report.takes_priority
            self._mark_ready()
        return self._ready.is_set()

    def _choose_model(self) -> ServedModel:
        """The model of the settings, if the engine has it, else its first."""
        served = {model.id: model for model in self.models}
        return next((served[name] for name in self._preferred if name in served), self.models[0])

    async def _check_canary(self, model: str, kind: EngineKind) -> None:
        """A canary, where no region call shows that the engine works; a ready engine may miss one."""
        if self._ready.is_set() and not self._is_canary_due():
            return
        self._watchdog.record_steps(await ask_steps(self._client))
        try:
            await ask_canary(self._client, model, kind, self._canary_timeout_s())
        except EngineError:
            is_at_work = self._watchdog.record_steps(await ask_steps(self._client))
            if is_at_work and self._ready.is_set():
                return
            # One may be missed by chance, but not while the counter stands still.
            self._missed_canaries = MAX_MISSED_CANARIES if self._watchdog.has_counter else self._missed_canaries + 1
            if not self._ready.is_set() or self._missed_canaries >= MAX_MISSED_CANARIES:
                raise
        else:
            self.record_success()

    def _canary_timeout_s(self) -> float:
        if self._ready.is_set():
            return CANARY_TIMEOUT_BUSY_S if self._is_busy() and not self._watchdog.has_counter else CANARY_TIMEOUT_S
        # Of an engine that went away without a word, the canary is to be back when the verdict is due.
        return max(CANARY_TIMEOUT_S, self._watchdog.time_to_frozen_s(self.frozen_after_s))

    async def _warm_up(self, model: str, kind: EngineKind) -> None:
        if self._ready.is_set() or kind != "vllm" or not self._settings.vlm_warm_up:
            return
        self.reason = "The recognition engine is warming up."
        if await warm_up(self._client, model, kind):
            self.record_success()

    async def _handle_poll_error(self, failure: EngineError) -> bool:
        if failure.kind == "timeout" and self._ready.is_set() and self._missed_canaries < MAX_MISSED_CANARIES:
            self._late_polls += 1
            if self._late_polls < MAX_LATE_POLLS or not self._is_canary_due():
                return True
        was_away = not self._ready.is_set()
        self._mark_down(failure.message)
        self._is_silent = failure.kind == "timeout"
        # One connection that was not made may be chance. A busy engine, and one that ends, see to their calls.
        if self._is_silent or (was_away and failure.kind == "unreachable"):
            self._on_lost()
        if self._is_silent:
            await self._report_if_frozen()
        else:
            self._watchdog.reset()
            await self._explain(failure)
        return False

    async def _report_if_frozen(self) -> None:
        if self.kind == "embedded":
            self._watchdog.record_cpu(await asyncio.to_thread(read_cpu_s, self._settings))
        if self._watchdog.time_to_frozen_s(self.frozen_after_s, is_working=self._watchdog.is_working) > 0:
            return
        idle_s = self._watchdog.idle_s
        if await asyncio.to_thread(report_frozen, self._settings, idle_s):
            self._watchdog.reset()
            self._is_silent, self._grace_from = False, monotonic()
            self.reason = f"The recognition engine was frozen for {idle_s:.0f} s and is killed; it starts again."
            log.error("engine_frozen", reason=self.reason)

    async def _explain(self, failure: EngineError) -> None:
        """Puts what the tier says of itself in the place of what can be seen from outside."""
        if failure.kind != "unreachable":
            return
        report = await asyncio.to_thread(read_process_status, self._settings)
        self._gave_up = report.gave_up
        self.reason = report.reason or failure.message

    def _is_canary_due(self) -> bool:
        return monotonic() - self._last_success >= self._settings.vlm_canary_interval_s

    def _mark_ready(self) -> None:
        self.reason = None
        self._gave_up = False
        self._was_ready = True
        self._is_silent = False
        self._since = monotonic()
        self._on_ready(self)
        self._ready.set()
        self._on_change()
        log.info("engine_ready", model=self.model, kind=self.kind)

    def _mark_down(self, reason: str) -> None:
        self.reason = reason
        if self._ready.is_set():
            self._ready.clear()
            self._since = self._grace_from = monotonic()
            self._on_change()
            log.warning("engine_away", reason=reason)


def require_serving(state: EngineState, state_s: float, reason: str | None) -> None:
    """Raises ServiceError 503 `vlm_unavailable` where engines in this state read no new document."""
    retry_after_s = RETRY_AFTER_S.get(state)
    if retry_after_s is not None and not (state == "restarting" and state_s < ADMITTED_WHILE_AWAY_S):
        detail = reason or "The recognition engine is away."
        raise ServiceError(503, "vlm_unavailable", detail, retry_after_s=retry_after_s)
