"""The event loop's time, shared by callers whose requests and bodies come faster than they are taken."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

from gateway.scheduling.fair_threads import CALLER


class LoopTurns:
    """One request, or one piece of a body, at each pass of the event loop, by turns of callers. To begin a request, or
    to look for the ends of a form's parts, takes as long as a hundred steps of other requests: with 64 of one caller
    ready at once, each of the steps of another's page, of which it has hundreds, waited for 64 of them.

    No work is slower for it: a loop that has nothing else to do passes on at once. Belongs to the event loop.
    """

    def __init__(self) -> None:
        self._is_taken = False
        """Whether somebody had a turn in this pass."""
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def wait(self, caller: str | None = None) -> None:
        """Waits for a turn, of the present caller unless another is named."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._pass_on)
            return
        turn = loop.create_future()
        self._waiting.setdefault(CALLER.get() if caller is None else caller, deque()).append(turn)
        await turn

    def _pass_on(self) -> None:
        """Gives the next caller its turn in the pass that follows."""
        while self._waiting:
            caller, turns = next(iter(self._waiting.items()))
            turn = turns.popleft()
            if turns:
                self._waiting.move_to_end(caller)
            else:
                del self._waiting[caller]
            if not turn.done():
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._pass_on)
                return
        self._is_taken = False
