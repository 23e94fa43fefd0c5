from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from gateway.errors import ServiceError
from gateway.intake.content import kept
from gateway.intake.document import open_document
from gateway.intake.workers import RenderPool
from gateway.model import Document, PageFailure, PageImage
from gateway.settings import Settings
from tests.gateway.intake.files import large_pdf, pdf
from tests.support.waiting import WAIT_S, eventually

ROOT = Path(__file__).parents[3]


def workers() -> list[psutil.Process]:
    """Living worker processes of this test process."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "gateway.intake.worker" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def files_of(process: psutil.Process) -> int:
    """How many files of more than a megabyte, that have no name, it has open."""
    found = 0
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that this listing itself is read by
            found += link.stat().st_size > 10**6 and "(deleted)" in os.readlink(link)
    return found


def files_of_this_process() -> int:
    return files_of(psutil.Process())


def files_of_the_worker() -> int:
    return files_of(workers()[0])


def status_lines(worker: psutil.Process) -> list[str]:
    return Path(f"/proc/{worker.pid}/status").read_text().splitlines()


@asynccontextmanager
async def running(**options: object) -> AsyncIterator[tuple[RenderPool, Settings]]:
    settings = Settings.model_validate({"render_workers": 1, "render_timeout_s": WAIT_S, **options})
    pool = RenderPool(settings)
    await pool.start()
    try:
        yield pool, settings
    finally:
        await pool.close()


async def test_a_worker_lets_the_gateway_have_a_core_first() -> None:
    async with running():
        (worker,) = workers()
        assert worker.nice() > psutil.Process().nice()


async def opened(pool: RenderPool, settings: Settings, pages: int = 4, width: int = 100) -> Document:
    data = pdf(pages=pages, size=(width, 50))
    return await open_document(kept(data), "a.pdf", pages=None, dpi=72, pool=pool, settings=settings)


async def next_page(pages: AsyncIterator[PageImage | PageFailure]) -> PageImage | PageFailure:
    return await anext(pages)


async def killed_while_at_work(pages: AsyncIterator[PageImage | PageFailure]) -> PageImage | PageFailure:
    """The next page, whose worker is stopped before the page is asked for and killed while it is waited for."""
    (worker,) = workers()
    worker.suspend()
    waiting = asyncio.create_task(next_page(pages))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    worker.kill()
    return await waiting


async def test_a_killed_worker_costs_one_page() -> None:
    async with running() as (pool, settings):
        document, other = await opened(pool, settings), await opened(pool, settings, width=60)
        pages = document.pages()
        assert isinstance(await next_page(pages), PageImage)
        lost = await killed_while_at_work(pages)
        assert isinstance(lost, PageFailure)
        assert (lost.number, lost.code) == (2, "page_crashed")
        rest = [page async for page in pages]
        assert [page.number for page in rest if isinstance(page, PageImage)] == [3, 4]
        assert [page.width async for page in other.pages() if isinstance(page, PageImage)] == [60] * 4
        assert pool.alive


async def test_a_document_that_costs_two_workers_is_rejected_and_others_are_not() -> None:
    async with running() as (pool, settings):
        document, other = await opened(pool, settings), await opened(pool, settings, pages=1)
        pages = document.pages()
        for _ in range(2):
            await opened(pool, settings)  # returns when there is a worker again
            failure = await killed_while_at_work(pages)
            assert isinstance(failure, PageFailure)
            assert failure.code == "page_crashed"
        rest = [page async for page in pages]
        assert [page.code for page in rest if isinstance(page, PageFailure)] == ["document_rejected"] * 2
        (page,) = [page async for page in other.pages()]
        assert isinstance(page, PageImage)


async def test_a_hung_worker_costs_one_page() -> None:
    async with running(render_timeout_s=1) as (pool, settings):
        document = await opened(pool, settings)
        pages = document.pages()
        (worker,) = workers()
        worker.suspend()
        failure = await next_page(pages)
        assert isinstance(failure, PageFailure)
        assert (failure.number, failure.code) == (1, "page_timeout")
        assert [page.number async for page in pages if isinstance(page, PageImage)] == [2, 3, 4]
        assert worker.pid not in [other.pid for other in workers()]


@pytest.mark.parametrize(("act", "code"), [("kill", "document_crashed"), ("hang", "document_timeout")])
async def test_a_worker_lost_while_it_opens_costs_that_request(act: str, code: str) -> None:
    async with running(render_timeout_s=1) as (pool, settings):
        (worker,) = workers()
        worker.suspend()
        opening = asyncio.create_task(opened(pool, settings))
        await asyncio.sleep(0.05)
        if act == "kill":
            worker.kill()
        with pytest.raises(ServiceError) as caught:
            await opening
        assert (caught.value.status, caught.value.code) == (422, code)
        assert (await opened(pool, settings)).pages_total == 4


async def test_a_large_document_for_a_hung_worker_does_not_hold_up_the_event_loop() -> None:
    async with running(render_timeout_s=1) as (pool, settings):
        workers()[0].suspend()
        data = pdf(pages=1) + b" " * 20_000_000
        opening = asyncio.create_task(open_document(kept(data), "a", pages=None, dpi=144, pool=pool, settings=settings))
        ticks = 0
        while not opening.done():
            await asyncio.sleep(0.02)
            ticks += 1
        assert ticks > 10
        with pytest.raises(ServiceError) as caught:
            await opening
        assert caught.value.code == "document_timeout"


async def test_workers_that_die_idle_are_replaced_without_being_asked() -> None:
    async with running(render_workers=2) as (pool, settings):
        before = {worker.pid for worker in workers()}
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: len({worker.pid for worker in workers()} - before) == 2)
        assert pool.alive
        assert (await opened(pool, settings)).pages_total == 4


async def test_a_request_right_after_an_idle_death_does_not_notice() -> None:
    async with running() as (pool, settings):
        document = await opened(pool, settings)
        (worker,) = workers()
        worker.kill()
        await asyncio.to_thread(worker.wait, WAIT_S)
        assert all([isinstance(page, PageImage) async for page in document.pages()])


async def test_a_cancelled_caller_leaves_no_answer_to_the_next() -> None:
    async with running() as (pool, settings):
        document, other = await opened(pool, settings, width=80), await opened(pool, settings, width=60)
        pages = document.pages()
        (worker,) = workers()
        worker.suspend()
        leaving = asyncio.create_task(next_page(pages))
        await asyncio.sleep(0.05)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await document.close()
        worker.resume()
        got = [page async for page in other.pages()]
        assert [(page.number, page.width) for page in got if isinstance(page, PageImage)] == [
            (1, 60),
            (2, 60),
            (3, 60),
            (4, 60),
        ]


async def test_callers_cancelled_while_they_wait_in_line_cost_no_worker() -> None:
    async with running() as (pool, settings):
        (worker,) = workers()
        worker.suspend()
        first = asyncio.create_task(opened(pool, settings))
        waiting = [asyncio.create_task(opened(pool, settings)) for _ in range(5)]
        await asyncio.sleep(0.05)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        worker.resume()
        assert (await first).pages_total == 4
        assert (await opened(pool, settings)).pages_total == 4
        assert workers() == [worker]


async def test_a_long_document_takes_no_more_memory_than_its_pages() -> None:
    async with running() as (pool, settings):
        (worker,) = workers()
        empty = worker.memory_info().rss
        data = large_pdf(pages=100)
        assert len(data) > 100_000_000
        document = await open_document(kept(data), "a", pages=None, dpi=72, pool=pool, settings=settings)
        sizes = [worker.memory_info().rss async for _ in document.pages()]
        assert len(sizes) == 100
        assert max(sizes) - empty < 70_000_000
        await document.close()


@pytest.mark.parametrize("files", [files_of_this_process, files_of_the_worker])
async def test_a_closed_document_leaves_no_file(files: Callable[[], int]) -> None:
    async with running() as (pool, settings):
        before = files()
        content = kept(pdf(pages=1) + b"\n" * 2_000_000)
        document = await open_document(content, "a", pages=None, dpi=144, pool=pool, settings=settings)
        assert files() > before
        await document.close()
        await eventually(lambda: files() == before)
        assert (await opened(pool, settings)).pages_total == 4


async def test_a_killed_worker_leaves_the_file_to_the_next_one_and_then_none() -> None:
    async with running() as (pool, settings):
        before = files_of_this_process()
        content = kept(pdf(pages=4, size=(100, 50)) + b"\n" * 2_000_000)
        document = await open_document(content, "a", pages=None, dpi=72, pool=pool, settings=settings)
        pages = document.pages()
        await killed_while_at_work(pages)
        assert [page.number async for page in pages if isinstance(page, PageImage)] == [2, 3, 4]
        await document.close()
        await eventually(lambda: files_of_this_process() == before)


async def test_a_document_that_cant_be_opened_leaves_no_file() -> None:
    async with running() as (pool, settings):
        before = files_of_this_process()
        with pytest.raises(ServiceError):
            await open_document(
                kept(b"%PDF-" + bytes(2_000_000)), "a", pages=None, dpi=72, pool=pool, settings=settings
            )
        assert files_of_this_process() == before


async def test_more_documents_than_a_worker_keeps_are_given_to_it_again() -> None:
    async with running() as (pool, settings):
        documents = [await opened(pool, settings, pages=1, width=50 + at) for at in range(20)]
        widths = [
            page.width for document in documents async for page in document.pages() if isinstance(page, PageImage)
        ]
        assert widths == [50 + at for at in range(20)]


async def test_close_ends_the_workers_and_whoever_waits() -> None:
    async with running() as (pool, settings):
        document = await opened(pool, settings)
        workers()[0].suspend()
        at_work = asyncio.create_task(next_page(document.pages()))
        in_line = asyncio.create_task(opened(pool, settings))
        await asyncio.sleep(0.05)
        await pool.close()
        assert not pool.alive
        assert workers() == []
        assert isinstance(await at_work, PageFailure)
        with pytest.raises(ServiceError) as caught:
            await in_line
        assert caught.value.status == 503


async def test_not_alive_before_it_is_started() -> None:
    pool = RenderPool(Settings(_env_file=None))
    assert not pool.alive
    await pool.close()


async def test_workers_that_cannot_start_are_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = RenderPool(Settings(_env_file=None, render_workers=2))
    with pytest.raises(RuntimeError, match="RENDER_MEMORY_MB"):
        await pool.start()
    assert not pool.alive


async def test_workers_are_confined_and_get_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", "s3cret")
    async with running(render_memory_mb=700):
        (worker,) = workers()
        limits = {kind: worker.rlimit(kind) for kind in (psutil.RLIMIT_AS, psutil.RLIMIT_FSIZE, psutil.RLIMIT_CORE)}
        assert limits == {
            psutil.RLIMIT_AS: (700 * 2**20, 700 * 2**20),
            psutil.RLIMIT_FSIZE: (0, 0),
            psutil.RLIMIT_CORE: (0, 0),
        }
        assert "NoNewPrivs:\t1" in status_lines(worker)
        assert os.getpgid(worker.pid) != os.getpgid(0)
        with suppress(PermissionError, psutil.AccessDenied):
            assert "API_KEYS" not in worker.environ()


async def test_ctrl_c_leaves_a_worker_at_work() -> None:
    async with running() as (pool, settings):
        (worker,) = workers()
        worker.send_signal(signal.SIGINT)
        assert (await opened(pool, settings)).pages_total == 4
        assert workers() == [worker]


PARENT = """
import asyncio
from gateway.intake.workers import RenderPool
from gateway.settings import Settings
async def main():
    pool = RenderPool(Settings(_env_file=None, render_workers=2))
    await pool.start()
    print("started", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_workers_die_with_a_killed_gateway() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        children = psutil.Process(parent.pid).children()
        assert len(children) == 2
        parent.kill()
    _, left = psutil.wait_procs(children, timeout=WAIT_S)
    assert left == []


def test_a_worker_loads_only_what_decodes() -> None:
    probe = "import gateway.intake.worker, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True, capture_output=True, text=True)
    heavy = {"numpy", "cv2", "fastapi", "pydantic", "onnxruntime", "openai", "structlog", "asyncio"}
    assert heavy.isdisjoint(loaded.stdout.split())


async def test_a_start_that_is_called_off_leaves_no_worker() -> None:
    pool = RenderPool(Settings.model_validate({"render_workers": 2}))
    starting = asyncio.create_task(pool.start())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await pool.close()
    await eventually(lambda: workers() == [])
