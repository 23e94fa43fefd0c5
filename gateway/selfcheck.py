"""Reads the bundled example through the whole path, so that "ready" means a document was really read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.resources import files
from typing import Literal

import structlog

from gateway.errors import ServiceError
from gateway.intake.document import open_document
from gateway.intake.spool import SpooledFile
from gateway.parts import Parts
from gateway.pipeline import read_pages
from gateway.reading_options import OcrOptions
from gateway.tasks import PADDLEOCR_VL_DPI

_POLL_S = 0.2
_FIRST_RETRY_S = 1.0
_MAX_RETRY_S = 30.0
_TIMEOUT_S = 120.0

log = structlog.get_logger(__name__)


class SelfCheck:
    """`pending` until the engine and the layout are up, then `passed` once and for all, or `failed` and tried again."""

    def __init__(self) -> None:
        self.state: Literal["pending", "passed", "failed"] = "pending"
        self.reason: str | None = None

    @property
    def passed(self) -> bool:
        return self.state == "passed"

    async def run(self, parts: Parts, is_up: Callable[[], bool]) -> None:
        """Returns when the check has passed; `is_up` says whether it is worth a try."""
        retry_s = _FIRST_RETRY_S
        while not self.passed:
            await _wait_until(is_up)
            await self._try(parts)
            if not self.passed:
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, _MAX_RETRY_S)

    async def _try(self, parts: Parts) -> None:
        try:
            text = await _read_example(parts)
        except ServiceError as error:
            self._fail(error.detail)
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
        else:
            if text.strip():
                self.state, self.reason = "passed", None
            else:
                self._fail("the example gave no text")

    def _fail(self, reason: str) -> None:
        self.state, self.reason = "failed", reason
        log.warning("self-check failed", reason=reason)


async def _wait_until(is_up: Callable[[], bool]) -> None:
    while not is_up():  # noqa: ASYNC110 - the parts' states are plain attributes
        await asyncio.sleep(_POLL_S)


async def _read_example(parts: Parts) -> str:
    content = await asyncio.to_thread(
        lambda: SpooledFile.from_bytes(files("gateway.assets").joinpath("selfcheck.png").read_bytes())
    )
    deadline = asyncio.get_running_loop().time() + _TIMEOUT_S
    document = await open_document(
        content, "selfcheck.png", pages=None, dpi=PADDLEOCR_VL_DPI, pool=parts.pool, settings=parts.settings
    )
    try:
        pages = [page async for page in read_pages(parts, document, _options(parts), deadline)]
    finally:
        await document.close()
    return "".join(page.result.markdown for page in pages)


def _options(parts: Parts) -> OcrOptions:
    """The page read whole where its layout would load a model that is to be loaded later."""
    is_later = parts.settings.layout_loading == "lazy" and parts.layout.state != "ready"
    return OcrOptions(images="none", task="text" if is_later else "document")
