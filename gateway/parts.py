"""The parts that the service is made of, chosen by the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from gateway.engine.chat_proxy import ChatProxy
from gateway.engine.concurrency import limit_range
from gateway.engine.pool import EnginePool
from gateway.errors import ServiceError
from gateway.imaging.orientation import Orientation, detect_angle
from gateway.intake.render.render_pool import RenderPool
from gateway.layout.base import LayoutDetector
from gateway.layout.factory import create_layout
from gateway.layout.text_ink import TextInk
from gateway.reading_options import RecognitionMode
from gateway.recognition.line_reader import LineReader
from gateway.recognition.reader import RegionReader
from gateway.scheduling.call_queue import CallQueue
from gateway.scheduling.page_slots import PageSlots
from gateway.settings import Settings
from gateway.tracing import Tracing


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What one model of several has of its own."""

    queue: CallQueue
    engine: EnginePool
    reader: RegionReader
    chat: ChatProxy


@dataclass(frozen=True, slots=True)
class Parts:
    """What reading a document, and chat, take; made once for the process."""

    settings: Settings
    pool: RenderPool
    layout: LayoutDetector
    slots: PageSlots
    queue: CallQueue
    engine: EnginePool
    reader: RegionReader
    chat: ChatProxy
    tracing: Tracing
    line_reader: LineReader | None = None
    """The embedded engine beside a VLM, where the settings name one."""
    orientation: Orientation = detect_angle
    ink: TextInk = field(default_factory=TextInk)
    others: Mapping[str, ModelParts] = field(default_factory=dict)
    """The models of `VLM_MODELS` besides the default one."""

    @property
    def models(self) -> Iterator[Parts]:
        """What reads with each model, the default one first."""
        yield self
        for other in self.others.values():
            yield replace(self, queue=other.queue, engine=other.engine, reader=other.reader, chat=other.chat)

    @property
    def model_names(self) -> list[str]:
        """Of `VLM_MODELS`; where that is not set, the names under which the engine serves its model."""
        if self.engine.name is None:
            return self.engine.names
        return [self.engine.name, *self.others]

    @property
    def chat_names(self) -> list[str]:
        """As `model_names`, where that is not `VLM_MODELS` all models of the engine: a chat's call names its own."""
        return [model.id for model in self.engine.models] if self.engine.name is None else self.model_names

    def find_model(self, name: str | None, *, is_chat: bool = False) -> Parts | None:
        """What reads with the model of this name, by default the first one. `is_chat`: what answers chats for it, which
        may be another model of the same engine than documents are read with."""
        if name is None:
            return self
        models = list(self.models)
        return next(
            chain(
                (parts for parts in models if parts.engine.name == name),
                (parts for parts in models if name in parts.engine.names),
                (parts for parts in models if is_chat and parts.engine.serves(name)),
            ),
            None,
        )

    def choose(self, name: str | None, *, is_chat: bool = False) -> Parts:
        """As `find_model`; ServiceError 422 `unknown_model`, 503 `vlm_unavailable` where an engine has not told its
        models yet."""
        found = self.find_model(name, is_chat=is_chat)
        if found is None:
            for parts in self.models:
                if not parts.engine.models:
                    parts.engine.require_serving()
            names = self.chat_names if is_chat else self.model_names
            known = ", ".join(f"`{known}`" for known in names) or "none yet"
            raise ServiceError(422, "unknown_model", f"There is no model `{(name or '')[:100]}`; there are: {known}.")
        return found

    def require_recognition(self, mode: RecognitionMode) -> None:
        """Raises ServiceError 422 `hybrid_unavailable` where one of two readers is missing for good. One that is away
        for a while is none's loss: the VLM reads all."""
        if why := self.refuse_recognition(mode):
            raise ServiceError(422, "hybrid_unavailable", f"{why}.")

    def refuse_recognition(self, mode: RecognitionMode) -> str | None:
        """Why not all of the readers are here, a clause; None where they are."""
        needs = "`recognition=hybrid` needs a VLM with an embedded engine beside it"
        if mode == "hybrid" and (self.settings.vlm_engine == "embedded" or self.engine.kind == "embedded"):
            return f"{needs}: here is no VLM, and the embedded engine reads all text"
        if mode == "hybrid" and self.line_reader is None:
            return f"{needs}: here is none (LINE_READER_PORT)"
        return None


def create_parts(settings: Settings) -> Parts:
    """The parts that the settings ask for, not yet started.

    The queue takes more calls at once as soon as the engine says what it is.
    """
    tracing = Tracing(settings)
    first, *others = settings.model_urls or [None]
    default = _create_model(settings, tracing, first)
    return Parts(
        settings=settings,
        pool=RenderPool(settings),
        layout=create_layout(settings),
        slots=PageSlots(settings),
        queue=default.queue,
        engine=default.engine,
        reader=default.reader,
        chat=default.chat,
        tracing=tracing,
        others={name: _create_model(settings, tracing, name) for name in others if name},
        line_reader=LineReader(settings, tracing) if settings.has_line_reader else None,
    )


def _create_model(settings: Settings, tracing: Tracing, name: str | None) -> ModelParts:
    """`name`: of a model of `VLM_MODELS`."""
    queue = CallQueue(settings, limit_range(settings, None, None).start)
    engine = EnginePool(settings, queue, tracing, name=name)
    return ModelParts(queue, engine, RegionReader(settings, engine), ChatProxy(engine))
