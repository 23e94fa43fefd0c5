"""The conversion workers: processes that work on clients' bodies, each with a bound of memory and of time.

The process that answers probes only passes files on to them. Whoever leaves, or whose deadline passes, ends the worker
that worked for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from gateway.conversion.json_bodies import DocumentPlace, split_body
from gateway.errors import ServiceError
from gateway.formats.conversion import ConversionInput
from gateway.intake.spool import IN_MEMORY_BYTES, SpooledFile
from gateway.scheduling.fair_semaphore import FairSemaphore, Flow, reserve_of
from gateway.settings import Settings
from gateway.workers import messages
from gateway.workers.messages import Header, ProtocolError
from gateway.workers.process import ChildProcess, worker_command, worker_environment

_SMALL_BODY = 64 * 1024
"""Bytes; such a body is parsed in a thread, in less time than a worker needs to answer."""
_SPLIT_MEMORY = (48 * 2**20, 4)
"""Bytes that taking a body apart may take, and bytes for each of the body's."""
_RESTRUCTURING_MEMORY = (24 * 2**20, 9)
_EXPORT_MEMORY = (128 * 2**20, 16)
_FORMAT_MEMORY = (512 * 2**20, 16)
"""A picture is decoded whole, and a PDF's objects are all in memory."""
_BURST = 4
"""Bodies in which a caller that comes anew goes before those that always have more."""
_FILE_FACTOR = 8
"""An answer may be so much larger than the largest body: a Word file for each of a body's pages."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SplitBody:
    """A JSON body without its document: `rest` is small, and empty at the document's place. `sizes`: of the documents
    that lie in `document` one after the other."""

    rest: dict[str, Any]
    document: SpooledFile | None
    sizes: Sequence[int]


class ConversionPool:
    """At most `settings.convert_workers` processes for each caller that take bodies apart, and as many for what takes
    longer; all callers together get the reserve more. They are started when they are needed first.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # What takes milliseconds doesn't wait for what takes minutes.
        self._short_turns, self._long_turns = (
            FairSemaphore(settings.convert_workers, reserve_of(settings.convert_workers), burst=_BURST)
            for _ in range(2)
        )
        self._threads = ThreadPoolExecutor(4 * settings.convert_workers, thread_name_prefix="convert")
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()

    async def split(
        self,
        places: Sequence[DocumentPlace],
        body: SpooledFile,
        flow: Flow,
        deadline: float,
        *,
        takes_all: bool = False,
    ) -> SplitBody:
        """The body's document in a file of its own, and what is left. Raises as `split_body`, and 503
        `storage_unavailable`, 504 `deadline_exceeded`."""
        max_rest = int(self._settings.max_json_kb * 1000)
        if body.size <= _SMALL_BODY:
            return await asyncio.to_thread(_split_here, places, body, max_rest, takes_all)
        request = {
            "op": "split",
            "places": [asdict(place) for place in places],
            "max_rest": max_rest,
            "takes_all": takes_all,
        }
        answer, output = await self._convert(request, body, flow, deadline, _SPLIT_MEMORY)
        raise_error(answer)
        return SplitBody(answer["rest"], output if answer["sizes"] else None, answer["sizes"])

    async def restructure(
        self, body: SpooledFile, flow: Flow, deadline: float, request_id: str
    ) -> tuple[Header, SpooledFile]:
        """The header of `write_restructured`, which may hold an `error`, and the answer's JSON. Raises 503
        `storage_unavailable`, 504 `deadline_exceeded`."""
        request = {"op": "restructure", "request_id": request_id, "max_pages": self._settings.max_pages}
        return await self._convert(request, body, flow, deadline, _RESTRUCTURING_MEMORY)

    async def restructure_pages(self, pages: SpooledFile, flow: Flow, deadline: float) -> SpooledFile:
        """What `write_restructured_pages` makes of what `pack_pages` gave. Closes the pages. Raises as `export`."""
        try:
            request = {"op": "restructure_pages"}
            answer, results = await self._convert(request, pages, flow, deadline, _RESTRUCTURING_MEMORY)
        finally:
            pages.close()
        raise_error(answer)
        return results

    async def export(self, pages: SpooledFile, flow: Flow, deadline: float) -> tuple[Header, SpooledFile]:
        """The header of `write_results` and what it wrote. Closes the pages. Raises as `restructure`, and 413
        `out_of_memory`."""
        try:
            answer, results = await self._convert({"op": "export"}, pages, flow, deadline, _EXPORT_MEMORY)
        finally:
            pages.close()
        raise_error(answer)
        return answer, results

    async def write_format(self, source: ConversionInput, flow: Flow, deadline: float) -> tuple[Header, SpooledFile]:
        """The header of `write_format` and the file. Closes the input. Raises as `export`, and what `write_format`
        raises."""
        try:
            answer, file = await self._convert(source.request, source.body, flow, deadline, _FORMAT_MEMORY)
        finally:
            source.body.close()
        raise_error(answer)
        return answer, file

    async def close(self) -> None:
        """Ends all workers. Safe to call twice."""
        for worker in [*self._idle, *self._busy]:
            worker.kill()
        await asyncio.to_thread(self._threads.shutdown)
        for worker in [*self._idle, *self._busy]:
            worker.close()
        self._idle.clear()

    async def _convert(
        self, request: Header, body: SpooledFile, flow: Flow, deadline: float, memory: tuple[int, int]
    ) -> tuple[Header, SpooledFile]:
        base, factor = memory
        request = {**request, "memory": base + factor * body.size}
        turns = self._short_turns if request["op"] == "split" else self._long_turns
        output = await asyncio.to_thread(SpooledFile.create, in_memory=body.size <= IN_MEMORY_BYTES)
        try:
            async with (
                asyncio.timeout_at(deadline),
                _hold_turn(turns, flow),
                asyncio.timeout(self._settings.convert_timeout_s),
            ):
                answer = await self._work(request, body, output)
        except TimeoutError:
            output.close()
            detail = "The body was not worked through before the deadline (REQUEST_TIMEOUT_S, CONVERT_TIMEOUT_S)."
            raise ServiceError(504, "deadline_exceeded", detail) from None
        except BaseException:
            output.close()
            raise
        output.measure()
        return answer, output

    async def _work(self, request: Header, body: SpooledFile, output: SpooledFile) -> Header:
        worker = await self._take()
        try:
            answer: Header = await self._run_in_thread(worker, worker.ask, request, body, output)
        finally:
            await self._release(worker)
        if failure := answer.get("failure"):
            raise RuntimeError(f"a conversion failed: {failure}")
        return answer

    async def _take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                self._busy.add(worker)
                return worker
            worker.close()
        largest = int(_FILE_FACTOR * self._settings.max_upload_mb) + 1
        worker = _Worker(self._settings.convert_memory_mb, largest)
        self._busy.add(worker)
        try:
            await self._run_in_thread(worker, worker.wait_ready)
        except BaseException:
            await self._release(worker)
            raise
        return worker

    async def _release(self, worker: _Worker) -> None:
        self._busy.discard(worker)
        if worker.alive and not worker.has_grown:
            self._idle.append(worker)
        else:
            await asyncio.to_thread(worker.close)

    async def _run_in_thread(self, worker: _Worker, job: Any, *arguments: Any) -> Any:  # noqa: ANN401 - what the job takes
        """After a cancellation the worker is dead, and the thread done with it."""
        call = asyncio.get_running_loop().run_in_executor(self._threads, job, *arguments)
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            worker.kill()
            await asyncio.wait([call])
            call.exception()
            raise


@asynccontextmanager
async def _hold_turn(turns: FairSemaphore, flow: Flow) -> AsyncIterator[None]:
    await turns.acquire(flow, 1)
    try:
        yield
    finally:
        turns.release(flow)


def raise_error(answer: Header) -> None:
    """Raises the ServiceError that a worker's answer tells of, if any."""
    if error := answer.get("error"):
        raise messages.unpack_error(error)


def _split_here(places: Sequence[DocumentPlace], body: SpooledFile, max_rest: int, takes_all: bool) -> SplitBody:
    document = bytearray()
    rest, sizes = split_body(places, body.read(), max_rest, document.extend, takes_all=takes_all)
    return SplitBody(rest, SpooledFile.from_bytes(document) if sizes else None, sizes)


class _Worker(ChildProcess):
    """The gateway's side of one process. `ask` and `wait_ready` block and run in threads."""

    def __init__(self, memory_mb: int, file_mb: int) -> None:
        self.has_grown = False
        self._is_killed = False
        command = worker_command("gateway.conversion.conversion_worker", str(memory_mb), str(file_mb))
        super().__init__(command, worker_environment())

    @property
    def alive(self) -> bool:
        return not self._is_killed and super().alive

    def wait_ready(self) -> None:
        """Raises RuntimeError where the process can't start."""
        try:
            messages.receive(self._stdout)
        except (OSError, ProtocolError) as error:
            self.kill()
            raise RuntimeError("a conversion worker can't start; is CONVERT_MEMORY_MB too low?") from error

    def ask(self, request: Header, body: SpooledFile, output: SpooledFile) -> Header:
        """The answer. Raises ServiceError 413 `out_of_memory` where the process ended instead."""
        try:
            with body.open_fd() as source, output.open_fd(os.O_WRONLY) as target:
                messages.send_request(self._channel, request, source, target)
            answer = messages.receive(self._stdout)
        except (OSError, ProtocolError) as error:
            self.kill()
            log.warning("conversion_worker_lost", pid=self._process.pid, operation=request["op"])
            detail = "The body needs more memory than its size allows it."
            raise ServiceError(413, "out_of_memory", detail) from error
        self.has_grown = bool(answer.get("has_grown"))
        return answer

    def kill(self) -> None:
        """Ends what a thread is waiting for here."""
        self._is_killed = True
        super().kill()
