"""How long tests wait: for events, and never for a number of seconds in which a busy machine may not have come to them.

The ceilings only end a run that hangs. They are many times what a quiet machine takes, so that reaching one is a fault
of the code and not of the machine. All waits of the tests take theirs from here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

WAIT_S = 300.0
"""For what a quiet machine does in seconds: an answer, the end of a process, a change of state."""
LONG_WAIT_S = 1800.0
"""For what a quiet machine does in minutes: a start of vLLM, what it reads after one."""


def wait_until(condition: Callable[[], object], what: str, log: Path | None = None, ceiling_s: float = WAIT_S) -> None:
    """Fails after the ceiling, naming `what` and showing how `log` ends."""
    give_up = time.monotonic() + ceiling_s
    while not condition():
        if time.monotonic() > give_up:
            end = f"; the log ends with:\n{log.read_text(errors='replace')[-3000:]}" if log else ""
            raise AssertionError(f"waited {ceiling_s:.0f} s in vain for {what}{end}")
        time.sleep(0.02)


async def eventually(holds: Callable[[], object]) -> None:
    """Waits until `holds()`, which other tasks of this loop or other threads bring about."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not holds():  # noqa: ASYNC110 - what is waited for may change in another thread
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"did not come true in {WAIT_S:.0f} s") from None
