"""Durable execution of jobs by DBOS Transact: each is taken from the queue and read, and goes on where it was left.

A job is a workflow, the pages that are read in some seconds a step of it. What a step does runs in the event loop of
the service: DBOS runs workflows that it takes from a queue in a loop of its own.

Of gateways that share a store on Postgres each takes jobs from the one queue of that store; the first of those that
live puts back what a dead one had in work. Who has lost a job to another one can record no step of it any more: DBOS
sees to that.

https://docs.dbos.dev/python/reference/dbos-class
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog

from gateway.jobs.queue import (
    APPLICATION,
    DELIVERY_QUEUE,
    DELIVERY_WORKFLOW,
    FORMER_DELIVERY_QUEUE,
    VERSION,
    WORKFLOW,
    JobQueue,
    delivery_id,
    delivery_options,
)
from gateway.jobs.webhooks import WebhookMessage
from gateway.scheduling.fair_semaphore import reserve_of
from gateway.storage.objects import ObjectStore, load_or_create

if TYPE_CHECKING:
    from dbos import DBOS, WorkflowStatus

    from gateway.jobs.replicas import Replicas

T = TypeVar("T")

POLL_S = 0.25
"""How often the queue is looked at, which takes 5 ms of CPU each time: what a job waits at most where there is room for
it."""
IDLE_POLL_S = 5.0
"""The same, of a queue for which there is nothing new: it may hold jobs of models that were taken away, or messages of
an earlier version."""
BEAT_S = 2.0
"""How often the database is asked whether it is there, and the other gateways are told that this one lives."""
DELIVERIES_AT_ONCE = 16
"""To one host, and some more in all: one that hangs keeps no other's messages waiting."""
READ_STEP = "read_page"
"""The name that it has in databases since a step was a page."""
STALLED_S = 10.0
"""How long a job or a message may be this process's own in the database without being run here, before it is put
back."""
START_S = 12.0
"""How long the end waits for a start that is under way: for longer than a database that is silent keeps one waiting."""
_POOL_SIZE = 8
"""Connections of DBOS itself; with those of the queue's calls, the listener, beats and looks it is 19 at most."""

log = structlog.get_logger(__name__)


class JobSteps(Protocol):
    """What is done of a job, in the service's event loop. Each may be done again after the process was killed in it."""

    async def plan(self, job_id: str) -> list[int]:
        """Opens the document; numbers of the pages to read. Earlier versions, which may take the job over, go by them;
        here they tell only whether there is anything to read."""

    async def read_on(self, job_id: str) -> bool:
        """Reads pages for a while, one at least; whether some are left."""

    async def finish(self, job_id: str) -> None:
        """Writes down how the job ended."""

    async def deliver(self, message: WebhookMessage, attempt: int) -> float | None:
        """Sends the message; seconds until it is to be sent again, None where that is over."""

    async def release(self, job_id: str) -> None:
        """Stops what is done of the job here. No step: called where the job is not this process's any more."""


class JobExecutor:
    """The process's one DBOS instance. Its jobs are those of one store, where their documents lie.

    `gateways`: how many share the database and live, this one included.
    """

    def __init__(
        self,
        queue: JobQueue,
        database_url: str | None,
        data_dir: Path,
        objects: ObjectStore,
        concurrency: int,
        *,
        other_models: int = 0,
    ) -> None:
        self.gateways = 0
        self._queue = queue
        self._url = database_url or f"sqlite:///{data_dir.absolute() / 'jobs.sqlite'}"
        self._data_dir = data_dir
        self._objects = objects
        self._id = ""
        self._concurrency = concurrency
        self._other_models = other_models
        self._replicas: Replicas | None = None
        self._beats = ThreadPoolExecutor(1, thread_name_prefix="beats")
        self._open = ExitStack()
        self._running: Counter[str] = Counter()
        self._stalled: dict[str, float] = {}
        """Jobs and deliveries that are this process's and are not run, and since when."""

    async def start(self, steps: JobSteps) -> None:
        """Goes on with the jobs that an earlier process has left. Raises what the database raises, and ServiceError 503
        `jobs_unavailable` where another gateway has them."""
        launch = asyncio.create_task(asyncio.to_thread(self._launch, steps, asyncio.get_running_loop()))
        try:
            await asyncio.shield(launch)
        except BaseException:
            launch.add_done_callback(_pass_over)
            await asyncio.wait([launch], timeout=START_S)  # what it opens later would take jobs that nobody reads
            await self.stop()
            raise

    async def stop(self) -> None:
        """Lets go of the database; jobs in work go on with the next process, or with another gateway at once."""
        await asyncio.to_thread(self._open.close)

    async def beat(self) -> None:
        """Tells the other gateways that this one lives. To be called every `BEAT_S`. Raises what the database raises.

        Not among the queue's calls: where those wait for a slow database, a gateway that lives would be taken for dead.
        """
        if self._replicas is not None:
            await asyncio.get_running_loop().run_in_executor(self._beats, self._replicas.beat)

    async def look_after(self) -> None:
        """Puts back the jobs that nobody runs any more. To be called every `BEAT_S`. Raises ServiceError 503
        `jobs_unavailable`."""
        await self._queue.call(self._look_after)

    def _launch(self, steps: JobSteps, loop: asyncio.AbstractEventLoop) -> None:
        from dbos import DBOS

        from gateway.database import complete_url, is_shared

        url = complete_url(self._url)
        store = load_or_create(self._objects, "instance", uuid.uuid4().hex.encode()).decode()
        queues = f"jobs-{store}", f"jobs-{store}-others"
        logging.getLogger("dbos").setLevel(logging.WARNING)
        if is_shared(url):
            DBOS.migrate(url)  # makes a database that is not there yet, too
        self._join(store, url if is_shared(url) else None)
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": url,
                "application_version": VERSION,
                "executor_id": self._id,
                "log_level": "WARNING",
                "sys_db_pool_size": _POOL_SIZE,
            }
        )
        self._open.callback(DBOS.destroy, workflow_completion_timeout_sec=0, destroy_registry=True)
        logging.getLogger("dbos").propagate = False
        self._register_workflows(DBOS, steps, loop)
        # Another store's jobs would find no documents here.
        DBOS.listen_queues([*queues, DELIVERY_QUEUE, FORMER_DELIVERY_QUEUE])
        DBOS.launch()
        # A job waits in its place while its model is away, and keeps none of another model's out. The others share one
        # queue, which is taken from when `VLM_MODELS` has changed, too.
        for name, models in zip(queues, (1, self._other_models), strict=True):
            self._register_queue(DBOS, name, models)
        self._register_deliveries(DBOS)
        self._queue.open(url, queues)
        self._open.callback(self._queue.close)

    def _register_queue(self, dbos: type[DBOS], name: str, models: int) -> None:
        """Owners take turns, and whoever comes anew need not wait for a long job of one that has many."""
        dbos.register_queue(
            name,
            worker_concurrency=max(models, 1) * (self._concurrency + reserve_of(self._concurrency)),
            partition_worker_concurrency=self._concurrency,
            polling_interval_sec=POLL_S if models else IDLE_POLL_S,
            on_conflict="always_update",
        )

    def _register_deliveries(self, dbos: type[DBOS]) -> None:
        dbos.register_queue(
            DELIVERY_QUEUE,
            worker_concurrency=DELIVERIES_AT_ONCE + reserve_of(DELIVERIES_AT_ONCE),
            partition_worker_concurrency=DELIVERIES_AT_ONCE,
            on_conflict="always_update",
        )
        dbos.register_queue(
            FORMER_DELIVERY_QUEUE,
            worker_concurrency=DELIVERIES_AT_ONCE,
            polling_interval_sec=IDLE_POLL_S,
            on_conflict="always_update",
        )

    def _join(self, store: str, shared_url: str | None) -> None:
        """On SQLite a store has one gateway, and what its last process had in work is its own."""
        from gateway.jobs.replicas import Replicas, lock_store

        if shared_url is None:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._id, self._replicas = store, None
            self._open.enter_context(lock_store(self._data_dir))
            return
        self._id = uuid.uuid4().hex
        self._replicas = Replicas(shared_url, self._id)
        self._open.callback(self._replicas.close)
        self._replicas.join()

    def _look_after(self) -> None:
        # In this order: whoever has a job in the list has counted before.
        begun = self._queue.list_workflows(status="PENDING", application_name=APPLICATION)
        living = self._replicas.find_living() if self._replicas else {self._id}
        self.gateways = len(living)
        left = self._find_stalled([one for one in begun if one.executor_id == self._id])
        if self._replicas and self._id == min(living):
            left += [one for one in begun if one.executor_id not in living]
        for name, of_queue in groupby(sorted(left, key=_queue_name), _queue_name):
            ids = [one.workflow_id for one in of_queue]
            log.warning("jobs_put_back", ids=ids)
            self._queue.require_client().resume_workflows(ids, queue_name=name)

    def _find_stalled(self, own: Sequence[WorkflowStatus]) -> list[WorkflowStatus]:
        """What is not run: its start, or the record of its end, met a database that was away."""
        now = time.monotonic()
        idle = [one for one in own if not self._running[one.workflow_id]]
        self._stalled = {one.workflow_id: self._stalled.get(one.workflow_id, now) for one in idle}
        return [one for one in idle if now - self._stalled[one.workflow_id] > STALLED_S]

    def _register_workflows(self, dbos: type[DBOS], steps: JobSteps, loop: asyncio.AbstractEventLoop) -> None:
        async def run_on_loop(step: Callable[..., Coroutine[Any, Any, T]], *arguments: object) -> T:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(step(*arguments), loop))

        async def run(name: str, step: Callable[..., Coroutine[Any, Any, T]], *arguments: object) -> T:
            async def step_on_loop() -> T:
                return await run_on_loop(step, *arguments)

            return await dbos.run_step_async({"name": name}, step_on_loop)

        @dbos.workflow(name=WORKFLOW)
        async def read_job(job_id: str) -> None:
            with self._count_running(job_id):
                try:
                    if await run("plan", steps.plan, job_id):
                        # Jobs that an earlier version has begun have a step without a result for each page.
                        while await run(READ_STEP, steps.read_on, job_id) is not False:
                            pass
                    await run("finish", steps.finish, job_id)
                except asyncio.CancelledError:  # the process ends
                    raise
                except BaseException:  # DBOS's own for a workflow that was cancelled, or went to another gateway
                    await run_on_loop(steps.release, job_id)
                    raise

        @dbos.workflow(name=DELIVERY_WORKFLOW)
        async def deliver_webhook(content: str, attempt: int) -> None:
            """One attempt; the next is another workflow, so that a message that waits takes no place in the queue."""
            message = WebhookMessage.model_validate_json(content)
            with self._count_running(delivery_id(message.id, attempt)):
                delay_s = await run("deliver", steps.deliver, message, attempt)
                if delay_s is not None:
                    options = delivery_options(message, attempt + 1, delay_s)
                    await dbos.enqueue_workflow_with_options_async(options, content, attempt + 1)

    @contextmanager
    def _count_running(self, workflow_id: str) -> Iterator[None]:
        self._running[workflow_id] += 1
        try:
            yield
        finally:
            self._running[workflow_id] -= 1
            if not self._running[workflow_id]:
                del self._running[workflow_id]


def _queue_name(status: WorkflowStatus) -> str:
    return status.queue_name or ""


def _pass_over(launch: asyncio.Task[None]) -> None:
    """Who has ended a start asks no more why it failed."""
    if not launch.cancelled():
        launch.exception()
