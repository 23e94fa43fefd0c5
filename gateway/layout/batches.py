"""Calls of many documents, run together: whatever waits when the model is free goes into its next batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class BatchQueue(Generic[Item, Answer]):
    """Hands items to `run`, which answers each of them, in `executor`: one batch at a time, of at most `most`.

    No item waits for another to come. What its caller gave up before its turn is not run.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Answer]], executor: Executor, most: int) -> None:
        self._run = run
        self._executor = executor
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._serving: asyncio.Task[None] | None = None

    async def put(self, item: Item) -> Answer:
        """The item's answer. Raises what `run` raises for it alone."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve_all())
        return await answer

    async def _serve_all(self) -> None:
        while batch := self._next():
            await self._serve(batch)

    def _next(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        wanted = [(item, answer) for item, answer in self._waiting if not answer.done()]
        self._waiting = wanted[self._most :]
        return wanted[: self._most]

    async def _serve(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        """One that can't be answered must not fail the others: after a failure each is run alone."""
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._executor, self._run, [item for item, _ in batch])
        except asyncio.CancelledError:
            for _, future in (*batch, *self._waiting):
                future.cancel()
            raise
        except Exception as error:
            for one in batch if len(batch) > 1 else ():
                await self._serve([one])
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
