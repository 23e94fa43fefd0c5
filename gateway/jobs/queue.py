"""Which jobs there are to read, and how far each has come: by ids and numbers, in the jobs' database."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import structlog

from gateway.errors import ServiceError
from gateway.jobs.webhooks import WebhookMessage

if TYPE_CHECKING:
    from dbos import DBOSClient, EnqueueOptions, WorkflowStatus

T = TypeVar("T")
ExecutionState = Literal["queued", "running", "ended", "cancelled", "broken"]

APPLICATION = "paddleocr-vl-service"
WORKFLOW = "read_job"
DELIVERY_WORKFLOW = "deliver_webhook"
DELIVERY_QUEUE, FORMER_DELIVERY_QUEUE = "deliveries", "webhooks"
"""One for all gateways of a database: a message holds all that its delivery takes. The former one has messages of
earlier versions, up to ten hours long, without the partition key that a queue of partitions takes them by."""
DELIVERY_KEEP_S = 86_400.0
"""How long a message that was sent is remembered, and not sent again."""
_FORGET_AT_ONCE = 1000
POSITIONS_S = 1.0
VERSION = "1"
"""Of the workflow's steps. A job that another version has begun is not gone on with by this one."""
DATABASE_THREADS = 8
DATABASE_TIMEOUT_S = 15.0
RETRY_AFTER_S = 30
MAX_REASON = 300
_PRIORITIES = {"interactive": 1, "batch": 2}
_STATES: Mapping[str, ExecutionState] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "ended",
    "CANCELLED": "cancelled",
    "ERROR": "broken",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "broken",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Execution:
    """How far a job is. `created_ms`: since 1970."""

    job_id: str
    state: ExecutionState
    created_ms: int


class Cursor(NamedTuple):
    """A place in a list of jobs, newest first, that stays where it is when others come: behind the job, or where that
    is gone, behind `skip` jobs of those that were created then or before. SQLite keeps whole seconds only."""

    created_ms: int
    skip: int
    job_id: str


class JobQueue:
    """Calls go by DBOS's client, which says at once that the database is away, where an instance would wait for it.

    Its blocking functions are called, in threads: those for a loop put DBOS's threads into the place of the loop's own.
    """

    def __init__(self) -> None:
        self._names: tuple[str, str] = "", ""
        self._client: DBOSClient | None = None
        self._positions: dict[str, asyncio.Task[Mapping[str, int]]] = {}
        # Not the loop's own threads: calls that wait for a database would keep the whole service waiting.
        self._threads = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="jobs")

    @property
    def is_open(self) -> bool:
        return self._client is not None

    def open(self, url: str, names: tuple[str, str]) -> None:
        """Blocks. `names`: of the two queues of the store whose jobs they are, for the first model and for all others.
        Raises what the database raises."""
        from dbos import DBOSClient

        self._names = names
        self._client = DBOSClient(
            system_database_url=url,
            system_database_pool_size=DATABASE_THREADS,
            application_name=APPLICATION,
            retry_connection_errors=False,
        )

    def close(self) -> None:
        """Blocks."""
        client, self._client = self._client, None
        if client is not None:
            client.destroy()

    async def enqueue(self, job_id: str, owner: str, priority: str, model: str | None = None) -> None:
        """On return the job is in the database. Nothing happens where it is there already. `model`: one of
        `VLM_MODELS`, None for the first."""
        first, others = self._names
        await self.call(
            self.require_client().enqueue,
            {
                "queue_name": first if model is None else others,
                "workflow_name": WORKFLOW,
                "workflow_id": job_id,
                "priority": _PRIORITIES[priority],
                "app_version": VERSION,
                "authenticated_user": owner,
                "queue_partition_key": owner if model is None else f"{owner} {model}",
            },
            job_id,
        )

    async def enqueue_delivery(self, message: WebhookMessage) -> None:
        """On return the message is in the database, and will be sent. Nothing happens where it is there already."""
        options = delivery_options(message, 0, 0)
        await self.call(self.require_client().enqueue, options, message.model_dump_json(), 0)

    async def forget_deliveries(self) -> None:
        """Removes messages of long ago from the database."""
        before = datetime.fromtimestamp(time.time() - DELIVERY_KEEP_S, UTC).isoformat()
        ended = await self.call(
            self.list_workflows,
            name=DELIVERY_WORKFLOW,
            completed_before=before,
            limit=_FORGET_AT_ONCE,
        )
        if ended:
            await self.call(self.require_client().delete_workflows, [status.workflow_id for status in ended])

    async def find(self, job_id: str) -> Execution | None:
        return (await self.find_all([job_id])).get(job_id)

    async def find_all(self, job_ids: Sequence[str]) -> Mapping[str, Execution]:
        """Those that there are."""
        found = await self.call(self.list_workflows, workflow_ids=list(job_ids))
        return {status.workflow_id: _execution(status) for status in found}

    async def list_jobs(
        self,
        owner: str,
        *,
        states: Sequence[ExecutionState] = (),
        prefix: str | None = None,
        limit: int,
        cursor: Cursor | None = None,
    ) -> tuple[Sequence[Execution], Cursor | None]:
        """Newest first, those behind the cursor, and where the next begin, if there may be more. `prefix`: of ids."""
        # Half a millisecond more: DBOS cuts off what floating point leaves of one.
        until = datetime.fromtimestamp((cursor.created_ms + 0.5) / 1000, UTC).isoformat() if cursor else None
        found = await self.call(
            self.list_workflows,
            name=WORKFLOW,
            queue_name=list(self._names),
            user=owner,
            status=[name for name, state in _STATES.items() if state in states] or None,
            workflow_id_prefix=prefix,
            limit=limit + (cursor.skip if cursor else 0),
            end_time=until,
            sort_desc=True,
        )
        return _take_page([_execution(status) for status in found], cursor, limit)

    async def find_positions(self, owner: str) -> Mapping[str, int]:
        """The owner's jobs that wait, each with its place among those of its model, from 1; as it was a second ago at
        most. One listing, which takes long where many wait, is for all who ask meanwhile."""
        if owner not in self._positions:
            counting = self._positions[owner] = asyncio.create_task(self._count_positions(owner))
            forget = partial(asyncio.get_running_loop().call_later, POSITIONS_S, self._positions.pop, owner)
            counting.add_done_callback(lambda _task: forget())
        return await asyncio.shield(self._positions[owner])

    async def _count_positions(self, owner: str) -> Mapping[str, int]:
        waiting = await self.call(
            self.list_workflows, name=WORKFLOW, queue_name=list(self._names), user=owner, status="ENQUEUED"
        )
        waiting.sort(key=lambda status: (status.priority or 0, status.created_at or 0))
        counted, places = Counter[str | None](), dict[str, int]()
        for status in waiting:
            counted[status.queue_partition_key] += 1
            places[status.workflow_id] = counted[status.queue_partition_key]
        return places

    async def cancel(self, job_id: str) -> None:
        await self.call(self.require_client().cancel_workflow, job_id)

    async def delete(self, job_id: str) -> None:
        await self.call(self.require_client().delete_workflow, job_id)

    async def forget_ended(self, job_id: str) -> None:
        """Removes what is left of an execution that is over, with which none of the same id would begin."""
        execution = await self.find(job_id)
        if execution and execution.state not in ("queued", "running"):
            await self.delete(job_id)

    async def call(self, function: Callable[..., T], *arguments: object, **options: object) -> T:
        """In a thread of the queue's own. ServiceError 503 `jobs_unavailable` where the database does not answer."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S):
                return await loop.run_in_executor(self._threads, partial(function, *arguments, **options))
        except ServiceError:
            raise
        except Exception as error:
            log.warning("jobs_database_failed", reason=f"{type(error).__name__}: {error}"[:MAX_REASON])
            detail = "The jobs' database does not answer."
            raise ServiceError(503, "jobs_unavailable", detail, retry_after_s=RETRY_AFTER_S) from error

    def list_workflows(self, **conditions: Any) -> list[WorkflowStatus]:  # noqa: ANN401 - DBOS's own
        """Blocks. What DBOS keeps of all workflows that fulfil them, without what went in and came out."""
        return self.require_client().list_workflows(**conditions, load_input=False, load_output=False)

    def require_client(self) -> DBOSClient:
        if self._client is None:
            raise ServiceError(503, "jobs_unavailable", "Jobs are not running.", retry_after_s=RETRY_AFTER_S)
        return self._client


def delivery_id(message_id: str, attempt: int) -> str:
    return f"{message_id}-{attempt}"


def delivery_options(message: WebhookMessage, attempt: int, delay_s: float) -> EnqueueOptions:
    options: EnqueueOptions = {
        "queue_name": DELIVERY_QUEUE,
        "workflow_name": DELIVERY_WORKFLOW,
        "workflow_id": delivery_id(message.id, attempt),
        "app_version": VERSION,
        "queue_partition_key": urlsplit(message.url).hostname or "unknown",
    }
    if delay_s:
        options["delay_seconds"] = delay_s
    return options


def _take_page(
    found: Sequence[Execution], cursor: Cursor | None, limit: int
) -> tuple[Sequence[Execution], Cursor | None]:
    """`found`: all from the cursor's time on, as many as may hold a page behind it."""
    start = skip = cursor.skip if cursor else 0
    if cursor:
        start = next((at for at, one in enumerate(found, 1) if one.job_id == cursor.job_id), skip)
    page = found[start : start + limit]
    if not page or len(found) < skip + limit:
        return page, None
    last = page[-1]
    passed = sum(one.created_ms == last.created_ms for one in found[: start + len(page)])
    return page, Cursor(last.created_ms, passed, last.job_id)


def _execution(status: WorkflowStatus) -> Execution:
    return Execution(status.workflow_id, _STATES[status.status], status.created_at or 0)
