"""The bundled layout model in the place of one that can't be had."""

from __future__ import annotations

import structlog

from gateway.layout.base import LayoutDetector, LayoutState
from gateway.model import PageImage, Region

log = structlog.get_logger(__name__)


class FallbackLayout:
    """`LayoutDetector` that serves with `wanted`, and with `other` where that one does not load; `warning` says so."""

    def __init__(self, wanted: LayoutDetector, other: LayoutDetector) -> None:
        self.warning: str | None = None
        self._detectors = (wanted, other)
        self._used = wanted

    @property
    def name(self) -> str:
        return self._used.name

    @property
    def state(self) -> LayoutState:
        return self._used.state

    @property
    def reason(self) -> str | None:
        return self._used.reason

    async def start(self) -> None:
        wanted, other = self._detectors
        await wanted.start()
        if wanted.state == "ready":
            return
        log.warning("layout_model_replaced", wanted=wanted.name, used=other.name, reason=wanted.reason)
        self.warning = f"the layout is by {other.name}, for {wanted.name} could not be loaded"
        self._used = other
        await other.start()

    async def detect(self, page: PageImage) -> list[Region]:
        return await self._used.detect(page)

    async def close(self) -> None:
        for detector in self._detectors:
            await detector.close()
