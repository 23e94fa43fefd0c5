"""The gateway's side of PaddleOCR's layout worker: starts it, talks to it, ends it. Blocks; runs in a thread."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

from gateway.model import Pixels
from gateway.workers import messages
from gateway.workers.messages import Header, ProtocolError
from gateway.workers.process import ChildProcess

PROGRAM = Path(__file__).with_name("layout_worker.py")
_INHERITED = ("LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "PYTHONDONTWRITEBYTECODE")


class WorkerLost(Exception):
    """The worker ended, or was ended because it took too long. A clause says so."""

    def __init__(self, reason: str, *, is_late: bool = False) -> None:
        super().__init__(reason)
        self.is_late = is_late


class WorkerFailure(Exception):
    """What the worker says went wrong. It lives on, unless it was only starting."""


class LayoutWorker(ChildProcess):
    """One layout worker. `cache`: a folder that PaddleX and what it imports may write to; it takes it for its home.

    Raises OSError where the interpreter can't be run.
    """

    def __init__(self, python: Path, arguments: Sequence[str], cache: Path) -> None:
        # Without -P its own folder would be searched, where `import paddle` finds something else.
        super().__init__([python, "-P", "-s", PROGRAM, *arguments], _environment(cache))

    def wait_ready(self, timeout_s: float) -> Header:
        """What it says when it is ready. Raises WorkerLost, WorkerFailure."""
        return self._receive(timeout_s)

    def detect(self, pages: Sequence[Pixels], options: Header, timeout_s: float) -> list[list[dict[str, Any]]]:
        """The boxes of each page, as the worker gives them. Raises WorkerLost, WorkerFailure."""
        request = {"sizes": [page.shape[:2] for page in pages], "options": options}
        with _write_pages(pages) as file:
            try:
                messages.send_request(self._channel, request, file.fileno())
            except OSError as error:
                raise self._end_worker() from error
        return cast(list[list[dict[str, Any]]], self._receive(timeout_s)["pages"])

    def _receive(self, timeout_s: float) -> Header:
        too_late = threading.Event()

        def end() -> None:
            too_late.set()
            self.kill()

        clock = threading.Timer(timeout_s, end)
        clock.daemon = True
        clock.start()
        try:
            answer = messages.receive(self._stdout)
        except (OSError, ValueError, ProtocolError) as error:
            if too_late.is_set():
                raise WorkerLost(f"was ended, for it took longer than {timeout_s:g} s", is_late=True) from error
            raise self._end_worker() from error
        finally:
            clock.cancel()
        if "error" in answer:
            raise WorkerFailure(answer["error"])
        return answer

    def _end_worker(self) -> WorkerLost:
        """After a broken exchange nothing more that the worker says can be matched to a question."""
        self._process.kill()
        code = self._process.wait()
        return WorkerLost(f"was ended by signal {-code}" if code < 0 else f"ended with code {code}")


def _write_pages(pages: Sequence[Pixels]) -> IO[bytes]:
    """The pages' pixels, one after the other, in a file without a name: in memory where the system can have that."""
    in_memory = hasattr(os, "memfd_create")
    file = os.fdopen(os.memfd_create("pages"), "wb") if in_memory else tempfile.TemporaryFile()  # noqa: SIM115
    for page in pages:
        file.write(page.data if page.flags.c_contiguous else page.tobytes())
    file.flush()
    return file


def _environment(cache: Path) -> dict[str, str]:
    """As little as it needs: what it decodes is a page's pixels, and our keys are none of its business."""
    folder = str(cache.absolute())
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "HOME": folder,
        "PADDLE_PDX_CACHE_HOME": folder,
        # A folder is given: no hub is asked.
        "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True",
    }
