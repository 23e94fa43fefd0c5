"""The event loop's time, shared by bodies that come faster than they are taken."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

from gateway.scheduling.fair_threads import CALLER


class BodyTurns:
    """One piece of a body at each pass of the event loop, by turns of callers. To take a piece and to look for the ends
    of its parts takes as long as a hundred steps of other requests: 64 fast uploads had each of these, of which a page
    takes hundreds, wait for 64 pieces.

    Bodies are not slower for it: a loop that has nothing else to do passes on at once. Belongs to the event loop.
    """

    def __init__(self) -> None:
        self._is_taken = False
        """Whether a piece was taken in this pass."""
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def wait(self) -> None:
        """Waits for the turn of one more piece."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._pass_on)
            return
        turn = loop.create_future()
        self._waiting.setdefault(CALLER.get(), deque()).append(turn)
        await turn

    def _pass_on(self) -> None:
        """Gives the next caller's piece its turn in the pass that follows."""
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
