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
from gateway.intake.document import open_document
from gateway.intake.render.render_pool import RenderPool
from gateway.intake.spool import SpooledFile
from gateway.model import Document, PageFailure, PageImage, TextPage
from gateway.scheduling.fair_semaphore import Flow
from gateway.settings import Settings
from tests.gateway.intake.files import large_pdf, pdf
from tests.support.waiting import WAIT_S, eventually

ROOT = Path(__file__).parents[4]
spool = SpooledFile.from_bytes


def workers() -> list[psutil.Process]:
    """Living worker processes of this test process."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "gateway.intake.render.worker" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def files_of(process: psutil.Process) -> int:
    """How many files of more than a megabyte, that have no name, it has open."""
    found, folder = 0, Path(f"/proc/{process.pid}/fd")
    if not os.access(folder, os.R_OK):
        pytest.skip("only root sees the files of a process that has shut itself in")
    for link in folder.iterdir():
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


async def test_workers_have_low_priority() -> None:
    async with running():
        (worker,) = workers()
        assert worker.nice() > psutil.Process().nice()


async def opened(pool: RenderPool, settings: Settings, pages: int = 4, width: int = 100) -> Document:
    data = pdf(pages=pages, size=(width, 50))
    return await open_document(spool(data), "a.pdf", pages=None, dpi=72, pool=pool, settings=settings)


Page = PageImage | PageFailure | TextPage


async def next_page(pages: AsyncIterator[Page]) -> Page:
    return await anext(pages)


async def killed_while_at_work(pages: AsyncIterator[Page]) -> Page:
    """The next page, whose worker is stopped before the page is asked for and killed while it is waited for."""
    (worker,) = workers()
    worker.suspend()
    waiting = asyncio.create_task(next_page(pages))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    worker.kill()
    return await waiting


async def test_killed_worker_costs_one_page() -> None:
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


async def test_document_killing_workers_is_rejected() -> None:
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


async def test_hung_worker_costs_one_page() -> None:
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
async def test_worker_lost_while_opening(act: str, code: str) -> None:
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


async def test_hung_worker_never_blocks_the_loop() -> None:
    async with running(render_timeout_s=1) as (pool, settings):
        workers()[0].suspend()
        data = pdf(pages=1) + b" " * 20_000_000
        opening = asyncio.create_task(
            open_document(spool(data), "a", pages=None, dpi=144, pool=pool, settings=settings)
        )
        ticks = 0
        while not opening.done():
            await asyncio.sleep(0.02)
            ticks += 1
        assert ticks > 10
        with pytest.raises(ServiceError) as caught:
            await opening
        assert caught.value.code == "document_timeout"


async def test_dead_idle_workers_are_replaced() -> None:
    async with running(render_workers=2) as (pool, settings):
        before = {worker.pid for worker in workers()}
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: len({worker.pid for worker in workers()} - before) == 2)
        assert pool.alive
        assert (await opened(pool, settings)).pages_total == 4


async def test_request_after_an_idle_death() -> None:
    async with running() as (pool, settings):
        document = await opened(pool, settings)
        (worker,) = workers()
        worker.kill()
        await asyncio.to_thread(worker.wait, WAIT_S)
        assert all([isinstance(page, PageImage) async for page in document.pages()])


async def test_cancelled_page_leaves_no_answer_behind() -> None:
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


async def test_cancelled_waiters_cost_no_worker() -> None:
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


async def test_long_document_memory() -> None:
    async with running() as (pool, settings):
        (worker,) = workers()
        empty = worker.memory_info().rss
        data = large_pdf(pages=100)
        assert len(data) > 100_000_000
        document = await open_document(spool(data), "a", pages=None, dpi=72, pool=pool, settings=settings)
        sizes = [worker.memory_info().rss async for _ in document.pages()]
        assert len(sizes) == 100
        assert max(sizes) - empty < 70_000_000
        await document.close()


@pytest.mark.parametrize("files", [files_of_this_process, files_of_the_worker])
async def test_closed_document_leaves_no_file(files: Callable[[], int]) -> None:
    async with running() as (pool, settings):
        before = files()
        content = spool(pdf(pages=1) + b"\n" * 2_000_000)
        document = await open_document(content, "a", pages=None, dpi=144, pool=pool, settings=settings)
        assert files() > before
        await document.close()
        await eventually(lambda: files() == before)
        assert (await opened(pool, settings)).pages_total == 4


async def test_killed_worker_leaves_no_file() -> None:
    async with running() as (pool, settings):
        before = files_of_this_process()
        content = spool(pdf(pages=4, size=(100, 50)) + b"\n" * 2_000_000)
        document = await open_document(content, "a", pages=None, dpi=72, pool=pool, settings=settings)
        pages = document.pages()
        await killed_while_at_work(pages)
        assert [page.number async for page in pages if isinstance(page, PageImage)] == [2, 3, 4]
        await document.close()
        await eventually(lambda: files_of_this_process() == before)


async def test_unreadable_document_leaves_no_file() -> None:
    async with running() as (pool, settings):
        before = files_of_this_process()
        with pytest.raises(ServiceError):
            await open_document(
                spool(b"%PDF-" + bytes(2_000_000)),
                "a",
                pages=None,
                dpi=72,
                pool=pool,
                settings=settings,
            )
        assert files_of_this_process() == before


async def test_more_documents_than_cached() -> None:
    async with running() as (pool, settings):
        documents = [await opened(pool, settings, pages=1, width=50 + at) for at in range(20)]
        widths = [
            page.width for document in documents async for page in document.pages() if isinstance(page, PageImage)
        ]
        assert widths == [50 + at for at in range(20)]


async def test_page_goes_to_the_last_worker() -> None:
    """An image is decoded when it is opened: another worker would decode it once more."""
    async with running(render_workers=2, render_timeout_s=5) as (pool, settings):
        data = pdf(pages=3, size=(100, 50)) + b"\n" * 2_000_000
        document = await open_document(spool(data), "a", pages=None, dpi=72, pool=pool, settings=settings)
        (other,) = (worker for worker in workers() if not files_of(worker))
        other.suspend()
        assert [page.number async for page in document.pages() if isinstance(page, PageImage)] == [1, 2, 3]


async def test_close_ends_workers_and_waiters() -> None:
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


async def test_not_alive_before_start() -> None:
    pool = RenderPool(Settings(_env_file=None))
    assert not pool.alive
    await pool.close()


async def test_failed_start_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = RenderPool(Settings(_env_file=None, render_workers=2))
    with pytest.raises(RuntimeError, match="RENDER_MEMORY_MB"):
        await pool.start()
    assert not pool.alive


async def test_workers_are_confined(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_ctrl_c_spares_workers() -> None:
    async with running() as (pool, settings):
        (worker,) = workers()
        worker.send_signal(signal.SIGINT)
        assert (await opened(pool, settings)).pages_total == 4
        assert workers() == [worker]


PARENT = """
import asyncio
from gateway.intake.render.render_pool import RenderPool
from gateway.settings import Settings
async def main():
    pool = RenderPool(Settings(_env_file=None, render_workers=2))
    await pool.start()
    print("started", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_workers_die_with_the_gateway() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        children = psutil.Process(parent.pid).children()
        assert len(children) == 2
        parent.kill()
    _, left = psutil.wait_procs(children, timeout=WAIT_S)
    assert left == []


def test_worker_imports_decoders_only() -> None:
    probe = "import gateway.intake.render.worker, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True, capture_output=True, text=True)
    heavy = {"numpy", "cv2", "fastapi", "pydantic", "onnxruntime", "openai", "structlog", "asyncio"}
    assert heavy.isdisjoint(loaded.stdout.split())


async def test_cancelled_start_leaves_no_worker() -> None:
    pool = RenderPool(Settings.model_validate({"render_workers": 2}))
    starting = asyncio.create_task(pool.start())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await pool.close()
    await eventually(lambda: workers() == [])


@pytest.mark.parametrize(("limit_s", "codes"), [(1e-9, {"document_rejected"}), (WAIT_S, set())])
async def test_a_document_that_has_taken_its_time_gets_no_more(limit_s: float, codes: set[str]) -> None:
    async with running(render_document_cpu_s=limit_s) as (pool, settings):
        document = await opened(pool, settings)
        pages = [page async for page in document.pages()]
        assert {page.code for page in pages if isinstance(page, PageFailure)} == codes
        assert all("RENDER_DOCUMENT_CPU_S" in page.detail for page in pages if isinstance(page, PageFailure))


async def opened_by(caller: str, pool: RenderPool, settings: Settings) -> Document:
    data, flow = pdf(pages=1, size=(100, 50)), Flow(caller=caller)
    return await open_document(spool(data), "a", pages=None, dpi=72, pool=pool, settings=settings, flow=flow)


async def test_a_caller_who_keeps_all_workers_busy_keeps_no_other_out() -> None:
    async with running(render_workers=2) as (pool, settings):
        held = workers()
        for worker in held:
            worker.suspend()
        greedy = [asyncio.create_task(opened_by("greedy", pool, settings)) for _ in range(10)]
        await asyncio.sleep(0.05)
        for _ in range(3):
            assert (await opened_by("polite", pool, settings)).pages_total == 1
        assert not any(task.done() for task in greedy)
        assert len(workers()) == 3
        for worker in held:
            worker.resume()
        assert [(await task).pages_total for task in greedy] == [1] * 10


async def test_one_caller_alone_has_no_more_workers_than_the_setting_says() -> None:
    async with running(render_workers=2) as (pool, settings):
        documents = [opened_by("only", pool, settings) for _ in range(10)]
        assert [document.pages_total for document in await asyncio.gather(*documents)] == [1] * 10
        assert len(workers()) == 2


async def test_callers_take_turns_at_the_workers() -> None:
    async with running() as (pool, settings):
        ended: list[str] = []

        async def open_noted(caller: str) -> None:
            await opened_by(caller, pool, settings)
            ended.append(caller)

        (worker,) = workers()
        worker.suspend()
        greedy = [asyncio.create_task(open_noted("greedy")) for _ in range(20)]
        await asyncio.sleep(0.05)
        polite = [asyncio.create_task(open_noted("polite")) for _ in range(3)]
        await asyncio.sleep(0.05)
        worker.resume()
        await asyncio.gather(*greedy, *polite)
        assert max(at for at, caller in enumerate(ended) if caller == "polite") < 10


async def test_a_caller_who_leaves_keeps_its_turn_until_the_worker_is_free() -> None:
    async with running() as (pool, settings):
        (worker,) = workers()
        worker.suspend()
        left = [asyncio.create_task(opened_by("greedy", pool, settings)) for _ in range(4)]
        await asyncio.sleep(0.05)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        assert (await opened_by("polite", pool, settings)).pages_total == 1
        waiting = asyncio.create_task(opened_by("greedy", pool, settings))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        worker.resume()
        assert (await waiting).pages_total == 1
