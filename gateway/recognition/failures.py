"""The few ways in which talking to the engine can fail."""

from __future__ import annotations

from typing import Literal

FailureKind = Literal["unreachable", "dropped", "late", "busy", "broken", "rejected", "garbled", "away"]


class EngineFailure(Exception):
    """A question to the engine that got no answer.

    `unreachable`: no connection; `dropped`: connection lost while it worked; `late`: no answer in time; `busy`: 429 or
    503; `broken`: another 5xx; `rejected`: another 4xx; `garbled`: an answer that makes no sense; `away`: not
    asked, for the engine or the time to ask it was gone. `sentence` is for clients: it holds nothing that the engine
    said. `status` is the HTTP status, where there was one.
    """

    def __init__(self, kind: FailureKind, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence
        self.status = status


def garbled() -> EngineFailure:
    return EngineFailure("garbled", "The recognition engine gave an answer that could not be understood.")


class RequestRejected(EngineFailure):
    """The engine refused what the client asked for. `reason`: `context`: more tokens than it takes; `model`: a name it
    does not serve; `other`. `field` is the field of the request that it named, if it named one."""

    def __init__(self, reason: Literal["context", "model", "other"], field: str | None = None) -> None:
        super().__init__("rejected", "The recognition engine rejected the request.", 400)
        self.reason = reason
        self.field = field
