"""The engines that share the calls: which one takes the next, what becomes of calls whose engine is lost, and what all
of them together are to the rest of the service.

Where there is one, as by default, it takes each call, and is waited for. Several hold places, as many as each one's own
limit has, and the queue's bound is the sum of those that serve.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

import structlog

from gateway.engine.discovery import EndpointList
from gateway.engine.endpoint import Endpoint
from gateway.engine.errors import EngineError
from gateway.engine.monitor import DEFAULT_GRACE_S, EngineMonitor, EngineState, require_serving
from gateway.engine.probes import ServedModel
from gateway.model import EngineKind
from gateway.scheduling.call_queue import CallQueue
from gateway.settings import Settings
from gateway.tracing import OFF, Tracing

MAX_WAIT_S = 86_400.0
"""For an engine that has never been ready; one that went away has its grace. The caller's deadline ends either."""

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Place:
    """A call's place at an engine, to be released. `lost` is what the engine's loss ends."""

    endpoint: Endpoint
    lost: asyncio.Timeout | None = None
    is_kept: bool = False
    """Whoever asked goes on with it, and releases it."""
    is_answered_elsewhere: bool = False
    """Another engine was asked beside this one, and has answered."""


@dataclass(eq=False)
class _Waiter:
    """A call that waits for a place at one of `wanted`. Its future gives an endpoint whose place it has then, or None:
    what there is has changed."""

    wanted: Collection[Endpoint]
    given: asyncio.Future[Endpoint | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class EnginePool:
    """`endpoints` are those that are listed now; others may be finishing what they have (`draining`).

    As a whole the pool is `ready` where one engine is, and tells of its `leader` what an engine is: one that serves
    `VLM_MODEL`, where there is one, else the first that is ready. Calls go to engines of the leader's kind that serve
    the same model.
    """

    def __init__(
        self, settings: Settings, queue: CallQueue, tracing: Tracing = OFF, *, name: str | None = None
    ) -> None:
        """`name`: a model of `VLM_MODELS`; None: the engines are those of all settings."""
        self.name = name
        self.moved = 0
        """Calls that were asked of another engine because theirs was lost."""
        self._settings = settings
        self._queue = queue
        self._tracing = tracing
        urls = settings.engine_urls if name is None else settings.model_urls[name]
        self.leader: EngineMonitor | None = None
        """What is known of the engine that stands for all; None where there has been none yet."""
        self._was_ready = self._is_ready = False
        self._since = monotonic()
        self._turns = 0
        self._places: set[Place] = set()
        self._waiters: deque[_Waiter] = deque()
        self._list = EndpointList(urls, settings.vlm_dns_refresh_s, self._create, self._handle_change)
        self.endpoints, self.draining = self._list.listed, self._list.draining
        self.is_single = len(urls) == 1 and not self._list.names
        self._handle_change()

    # What it is, as one engine.

    @property
    def state(self) -> EngineState:
        if self.is_single:
            return self.endpoints[0].monitor.state
        if self._is_ready:
            return "ready"
        if not self._was_ready:
            return "starting"
        return "restarting" if self._patience_s() > 0 else "down"

    @property
    def state_s(self) -> float:
        """Seconds since one became ready, or the last one went away, or since the start."""
        return self.endpoints[0].monitor.state_s if self.is_single else monotonic() - self._since

    @property
    def reason(self) -> str | None:
        """Why the state is not `ready`, one sentence."""
        if self._is_ready:
            return None
        return next((endpoint.monitor.reason for endpoint in self.endpoints), self._list.reason)

    @property
    def warning(self) -> str | None:
        """What is odd about answers, one sentence."""
        return next((endpoint.monitor.warning for endpoint in self.endpoints if endpoint.monitor.warning), None)

    @property
    def kind(self) -> EngineKind | None:
        return self.leader.kind if self.leader else None

    @property
    def model(self) -> str | None:
        """What region calls ask for."""
        return self.leader.model if self.leader else None

    @property
    def models(self) -> tuple[ServedModel, ...]:
        return self.leader.models if self.leader else ()

    @property
    def names(self) -> list[str]:
        """Of what region calls are read by: all names of vLLM, which serves one model; of another engine, which may
        have several models, the one that region calls ask for."""
        if self.kind == "vllm":
            return [model.id for model in self.models]
        return [self.model] if self.model else []

    def serves(self, name: str) -> bool:
        """Whether its engines, or the last ones that it had, have a model of this name: a chat may ask for it."""
        return any(model.id == name for model in self.models)

    @property
    def scripts(self) -> tuple[str, ...] | None:
        """The scripts that the model reads; None where the engine does not say."""
        return self.leader.scripts if self.leader else None

    @property
    def runtimes(self) -> dict[str, str] | None:
        """Networks that the model is made of to what runs each; None where the engine does not say."""
        return self.leader.runtimes if self.leader else None

    @property
    def context(self) -> int | None:
        """Tokens of prompt, picture and answer together, where the engine tells."""
        return self.leader.context if self.leader else None

    @property
    def is_scaling(self) -> bool:
        """Whether crops should come in PaddleOCR-VL's pixel budget."""
        return self.leader is not None and self.leader.is_scaling

    @property
    def takes_priority(self) -> bool:
        """Whether `priority` in a request may be other than 0."""
        return self.leader is not None and self.leader.takes_priority

    def require_serving(self) -> None:
        """Raises ServiceError 503 `vlm_unavailable` where a new document could not be read."""
        require_serving(self.state, self.state_s, self.reason)

    # Its life.

    async def start(self) -> None:
        """Begins to watch the engines; returns at once."""
        await self._list.start()

    async def close(self) -> None:
        """Ends the watch and the connections to the engines, which calls use too."""
        await self._list.close()

    async def wait_ready(self, timeout_s: float) -> bool:
        """Waits for an engine that starts or restarts; False when all stay away, at once when they are down."""
        if self.is_single:
            return await self.endpoints[0].monitor.wait_ready(timeout_s)
        give_up = monotonic() + timeout_s
        while not self._is_ready:
            left_s = min(give_up - monotonic(), self._patience_s())
            if left_s <= 0:
                return False
            await self._wait(_Waiter(()), left_s)
        return True

    # Places for calls.

    async def acquire(self, model: str | None = None, avoid: Collection[Endpoint] = ()) -> Place:
        """A place at the engine with the least to do that serves the model, by default the leader's; not at those to
        `avoid`, where there are others. Waits for an engine, and for a place. Raises EngineError `unavailable`."""
        while True:
            if not await self.wait_ready(MAX_WAIT_S):
                raise EngineError("unavailable", self.reason or "The recognition engine was not there in time.")
            if self.is_single:
                return self._take(self.endpoints[0])
            wanted = self._find_candidates(model, avoid)
            free = [endpoint for endpoint in wanted if endpoint.has_place]
            if free:
                return self._take(min(free, key=lambda endpoint: endpoint.load))
            given = await self._wait(_Waiter(wanted))
            if given is not None:
                return self._hold(given)

    def release(self, place: Place) -> None:
        if place not in self._places:
            return
        self._places.remove(place)
        self._free(place.endpoint)

    def has_other(self, endpoint: Endpoint) -> bool:
        """Whether another engine could take the same call now."""
        return self._find_other(endpoint) is not None

    @contextmanager
    def hold_other(self, endpoint: Endpoint) -> Iterator[Endpoint]:
        """A place at another engine than this one, which may have become the same one."""
        place = self._take(self._find_other(endpoint) or endpoint)
        try:
            yield place.endpoint
        finally:
            self.release(place)

    def can_move(self, endpoint: Endpoint, model: str | None, failed_at: Collection[Endpoint]) -> bool:
        """Whether a call that failed at `endpoint` can be asked of an engine at which it has not failed."""
        return any(other is not endpoint and other not in failed_at for other in self._find_serving(model))

    def why_left_out(self, endpoint: Endpoint) -> str | None:
        """Why an engine that is ready gets no calls, one sentence; None where it gets some, or is not ready."""
        if self.is_single or not endpoint.is_serving:
            return None
        if endpoint not in self._find_serving(None):
            return f"It does not serve the other engines' model, {self.model}."
        if not endpoint.is_trusted and endpoint not in self._find_candidates(None, ()):
            return "A call failed at it; it is tried again soon."
        return None

    def record_move(self, endpoint: Endpoint, failure: EngineError) -> None:
        """A call that failed so at an engine is asked of another."""
        self.moved += 1
        endpoint.failed += 1
        if failure.kind in ("busy", "timeout"):
            endpoint.monitor.refused += 1
        if failure.kind == "unreachable":
            endpoint.monitor.record_loss(failure.message)
        elif failure.kind != "busy":
            endpoint.record_failure()

    def values(self, value: Callable[[Endpoint], float]) -> Mapping[str, float]:
        """Something of each engine by its number."""
        return {self.label(endpoint): value(endpoint) for endpoint in (*self.endpoints, *self.draining)}

    def label(self, endpoint: Endpoint) -> str:
        """What metrics and `/health` call it: its number, behind the model's name where there are several."""
        return str(endpoint.number) if self.name is None else f"{self.name}:{endpoint.number}"

    def _take(self, endpoint: Endpoint) -> Place:
        endpoint.running += 1
        return self._hold(endpoint)

    def _hold(self, endpoint: Endpoint) -> Place:
        self._turns += 1
        endpoint.chosen_at = self._turns
        place = Place(endpoint)
        self._places.add(place)
        return place

    def _free(self, endpoint: Endpoint) -> None:
        """Hands the place to the call that has waited longest for one there."""
        endpoint.running -= 1
        if endpoint.is_serving and endpoint.has_place:
            for waiter in self._waiters:
                if endpoint in waiter.wanted and not waiter.given.done():
                    endpoint.running += 1
                    waiter.given.set_result(endpoint)
                    break
        if endpoint.is_draining:
            self._list.remove_drained()

    async def _wait(self, waiter: _Waiter, timeout_s: float | None = None) -> Endpoint | None:
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter.given
        except TimeoutError:
            return None
        except asyncio.CancelledError:
            if waiter.given.done() and not waiter.given.cancelled() and (endpoint := waiter.given.result()):
                self._free(endpoint)
            raise
        finally:
            self._waiters.remove(waiter)

    def _find_serving(self, model: str | None) -> list[Endpoint]:
        leader = self.leader
        if leader is None:
            return []
        alike = [
            endpoint for endpoint in self.endpoints if endpoint.is_serving and endpoint.monitor.kind == leader.kind
        ]
        return [endpoint for endpoint in alike if endpoint.serves(model or leader.model)] or alike

    def _find_candidates(self, model: str | None, avoid: Collection[Endpoint]) -> list[Endpoint]:
        serving = self._find_serving(model)
        others = [endpoint for endpoint in serving if endpoint not in avoid] or serving
        return [endpoint for endpoint in others if endpoint.is_trusted] or others

    def _find_other(self, endpoint: Endpoint) -> Endpoint | None:
        others = [
            other
            for other in self._find_serving(None)
            if other is not endpoint and other.is_trusted and other.has_place
        ]
        return min(others, key=lambda other: other.load, default=None)

    # What changes.

    def _create(self, number: int, url: str) -> Endpoint:
        return Endpoint(
            number,
            url,
            self._settings,
            self._queue,
            self._tracing,
            self.name,
            on_ready=self._handle_ready,
            on_change=self._handle_change,
        )

    def _handle_ready(self, endpoint: Endpoint) -> None:
        if not any(other.is_serving for other in self.endpoints if other is not endpoint):
            self._queue.reset_rate()

    def _handle_change(self) -> None:
        """Sets the queue's bound, has all that wait look again, and moves the calls of engines that are lost."""
        serving = [endpoint for endpoint in self.endpoints if endpoint.is_serving]
        if bool(serving) != self._is_ready:
            self._since = monotonic()
        self._is_ready = bool(serving)
        self._was_ready = self._was_ready or self._is_ready
        self._choose_leader([endpoint.monitor for endpoint in serving])
        if serving:
            limit = sum(endpoint.limit for endpoint in serving)
            limit = min(limit, self._settings.max_concurrent_regions or limit)
            if limit != self._queue.in_flight.limit:
                self._queue.set_limit(limit)
            self._end_lost_calls()
        for waiter in self._waiters:
            if not waiter.given.done():
                waiter.given.set_result(None)

    def _choose_leader(self, ready: Sequence[EngineMonitor]) -> None:
        """Where none is ready, the last one stays."""
        if self.is_single:
            self.leader = self.endpoints[0].monitor
        else:
            preferred = (monitor for monitor in ready if monitor.model in (self.name, self._settings.vlm_model))
            self.leader = next(preferred, ready[0] if ready else self.leader)

    def _end_lost_calls(self) -> None:
        """Ends the calls that lost engines have, to be asked of those that serve."""
        for place in self._places:
            if place.endpoint.is_lost and place.lost is not None and not place.lost.expired():
                place.lost.reschedule(asyncio.get_running_loop().time())

    def _patience_s(self) -> float:
        """How much longer calls wait for engines of which none is ready."""
        if not self._was_ready:
            return math.inf
        leader = self.leader
        return (leader.grace_s if leader else DEFAULT_GRACE_S) - (monotonic() - self._since)
