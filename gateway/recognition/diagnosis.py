"""What a failed call says of the engine."""

from __future__ import annotations

from gateway.engine.errors import EngineFailure
from gateway.recognition.engine import EngineMonitor


async def diagnosed(engine: EngineMonitor, failure: EngineFailure) -> EngineFailure:
    """Tells the monitor of a lost engine, or of one with too much to do.

    A vLLM whose core has just died answers 500 before it ends: lost, too. A connection that broke says nothing yet of
    the engine: it may have been the only one.
    """
    if failure.kind in ("broken", "dropped"):
        if await engine.recheck():
            return failure
        failure = EngineFailure("dropped", failure.sentence, failure.status)
    if failure.kind in ("unreachable", "dropped"):
        engine.unreachable(failure.sentence)
    elif failure.kind in ("busy", "late"):
        engine.overloaded()
    return failure
