"""One engine of those that share the calls: the way to it, how it is, how many calls it has and may have."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic
from urllib.parse import urlsplit

from gateway.engine.client import EngineClient
from gateway.engine.concurrency import ConcurrencyController
from gateway.engine.monitor import EngineMonitor
from gateway.scheduling.call_queue import CallQueue
from gateway.settings import Settings
from gateway.tracing import Tracing

REST_S = 0.5
"""An engine at which a call failed gets none for so long, twice as long with each failure after that: one that fails at
once would else always be the one with least to do, and get them all."""
MAX_REST_S = 30.0


class Endpoint:
    """`number` tells it from the others that are there now. `on_change` hears when it may take more calls or fewer, or
    is lost, `on_ready` when it becomes ready. `model`: the one of its models that region calls ask for."""

    def __init__(
        self,
        number: int,
        url: str,
        settings: Settings,
        queue: CallQueue,
        tracing: Tracing,
        model: str | None = None,
        *,
        on_ready: Callable[[Endpoint], None],
        on_change: Callable[[], None],
    ) -> None:
        self.number = number
        self.url = url
        self.running = 0
        """Calls that it has now."""
        self.answered = 0
        self.failed = 0
        """Calls that it broke, did not answer or had no room for, and that were asked of another engine."""
        self.is_draining = False
        """It is not listed any more, finishes what it has, and gets nothing new."""
        self.is_lost = False
        """It was found hung, or unreachable twice in a row: its calls had better be asked of another engine."""
        self.chosen_at = 0
        """Its turn among equals: the lowest is next."""
        self._settings = settings
        self._on_ready = on_ready
        self._on_change = on_change
        self._rest_s = REST_S
        self._doubted_at: float | None = None
        self._rests_until = -math.inf
        self.client = EngineClient(settings, url, tracing)
        self._controller = ConcurrencyController(
            settings,
            self.client,
            queue,
            finished=lambda: self.answered,
            set_limit=lambda _limit: on_change(),
        )
        self.monitor = EngineMonitor(
            settings,
            self.client,
            is_busy=lambda: self.running > 0,
            on_ready=self._reset,
            while_ready=self._update,
            on_change=on_change,
            on_lost=self._lose,
            preferred=model,
        )

    @property
    def name(self) -> str:
        """Its URL without a user's name and password."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def limit(self) -> int:
        """How many calls it may have at once."""
        return self._controller.limit

    @property
    def is_serving(self) -> bool:
        return self.monitor.is_ready and not self.is_draining

    @property
    def is_trusted(self) -> bool:
        """Whether no call has failed at it since it last answered one, or it was found well and has rested."""
        return self._doubted_at is None and monotonic() >= self._rests_until

    @property
    def has_place(self) -> bool:
        """As many beyond the limit as the queue lets run for callers that have few calls."""
        reserve = 0 if self._settings.max_concurrent_regions else math.ceil(self.limit / 8)
        return self.running < self.limit + reserve

    @property
    def load(self) -> tuple[float, int]:
        """The one with the least is next."""
        return (self.running + 1) / self.limit, self.chosen_at

    def serves(self, model: str | None) -> bool:
        return model is None or any(served.id == model for served in self.monitor.models)

    def record_success(self) -> None:
        """A call had its answer."""
        self.answered += 1
        self._rest_s, self._doubted_at, self._rests_until = REST_S, None, -math.inf
        self.monitor.record_success()

    def record_failure(self) -> None:
        """A call failed, or was answered by another engine while this one was silent: it gets none until a canary has
        found it well, unless there is no other. Calls that fail while it rests count once, for it had them all."""
        now = monotonic()
        self._doubted_at = now
        if now >= self._rests_until:
            self._rests_until = now + self._rest_s
            self._rest_s = min(2 * self._rest_s, MAX_REST_S)
        self.monitor.doubt()
        self._on_change()

    def _reset(self, monitor: EngineMonitor) -> None:
        self._doubted_at, self._rests_until, self.is_lost = None, -math.inf, False
        self._on_ready(self)
        self._controller.reset(monitor)

    def _lose(self) -> None:
        self.is_lost = True
        self._on_change()

    async def _update(self) -> None:
        if self._doubted_at is not None and self.monitor.has_answered_since(self._doubted_at):
            self._doubted_at = None
            self._on_change()
        await self._controller.update()
