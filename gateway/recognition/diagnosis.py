"""What a failed call says of the engine."""

from __future__ import annotations

from gateway.recognition.engine import EngineMonitor
from gateway.recognition.failures import EngineFailure


async def diagnosed(engine: EngineMonitor, failure: EngineFailure) -> EngineFailure:
    """Tells the monitor of a lost engine, or of one with too much to do.

    A vLLM whose core has just died answers 500 before it ends: lost, too.
    """
    if failure.kind == "broken" and not await engine.recheck():
        failure = EngineFailure("dropped", failure.sentence, failure.status)
    if failure.kind == "unreachable":
        engine.unreachable(failure.sentence)
    elif failure.kind == "dropped":
        engine.dropped(failure.sentence)
    elif failure.kind in ("busy", "late"):
        engine.overloaded()
    return failure
