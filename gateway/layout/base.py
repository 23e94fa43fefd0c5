"""What a layout detector is: a page's pixels in, its regions in reading order out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.model import PageImage, PageLayout
from gateway.reading_options import LayoutOptions

LayoutState = Literal["not_initialized", "ready", "failed"]
LayoutEngine = Literal["onnx", "paddleocr"]
"""What runs the model: ONNX Runtime in this process, or PaddleOCR in a process of its own."""


class DetectionError(Exception):
    """This detector can't lay a page out, and another one may. A clause says why."""


class LayoutDetector(Protocol):
    """Finds the regions of a page. One detector serves all documents; calls may run at the same time."""

    @property
    def name(self) -> str:
        """Model name, for people."""

    @property
    def engine(self) -> LayoutEngine: ...

    @property
    def state(self) -> LayoutState: ...

    @property
    def reason(self) -> str | None:
        """Why the state is not `ready`, or why there is a `warning`; for whoever runs the service."""

    @property
    def warning(self) -> str | None:
        """What clients are to know of the regions, one clause; None where the model is the one that was asked for."""

    @property
    def pages_at_once(self) -> int:
        """How many pages it can have in hand without one of them waiting for another inside it for long."""

    async def start(self) -> None:
        """Loads the models off the event loop. A failure sets `state` and `reason` and does not raise."""

    def list_unsupported(self, options: LayoutOptions) -> list[str]:
        """Names of the options that were asked for and have no effect with this model."""

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        """Layout of one page, CPU work off the event loop. Raises what the model raises, DetectionError."""

    async def close(self) -> None:
        """Frees the models' threads. Safe to call twice."""


class LayoutWrapper:
    """What a `LayoutDetector` around another one, `_inner`, says as that one does."""

    def __init__(self, inner: LayoutDetector) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def engine(self) -> LayoutEngine:
        return self._inner.engine

    @property
    def state(self) -> LayoutState:
        return self._inner.state

    @property
    def reason(self) -> str | None:
        return self._inner.reason

    @property
    def warning(self) -> str | None:
        return self._inner.warning

    @property
    def pages_at_once(self) -> int:
        return self._inner.pages_at_once

    def list_unsupported(self, options: LayoutOptions) -> list[str]:
        return self._inner.list_unsupported(options)


@dataclass(frozen=True, slots=True)
class Detection:
    """One box as the model gave it, with PaddleOCR-VL's label. Pixels of the page, floats. `is_drawn`: rules bound it,
    and nothing outside of them is a part of it."""

    label: str
    score: float
    box: tuple[float, float, float, float]
    is_drawn: bool = False
