"""Progress on the standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from tqdm import tqdm

from paddleocr_vl_client.commands.failures import say, show_line

_MAX_NAME = 40


class Progress:
    """A bar of all documents, and one of the pages of each long document in work. Threads may share it."""

    def __init__(self, documents: int | None) -> None:
        self.is_shown = sys.stderr.isatty()
        self._bar = tqdm(total=documents, unit="document", disable=not self.is_shown, file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def advance(self) -> None:
        self._bar.update()

    def say(self, sentence: str) -> None:
        """A line above the bars."""
        if self.is_shown:
            tqdm.write(show_line(sentence), file=sys.stderr)
        else:
            say(sentence)

    @contextmanager
    def pages(self, name: str) -> Iterator[PageBar]:
        bar = PageBar(show_line(name if len(name) <= _MAX_NAME else f"…{name[-_MAX_NAME:]}"), self.is_shown)
        try:
            yield bar
        finally:
            bar.close()


class PageBar:
    """Appears with its first news."""

    def __init__(self, name: str, is_shown: bool) -> None:
        self._name = name
        self._is_shown = is_shown
        self._bar: tqdm | None = None

    def show(self, done: int, total: int | None) -> None:
        if not self._is_shown:
            return
        if self._bar is None:
            self._bar = tqdm(desc=self._name, total=total, unit="page", leave=False, file=sys.stderr)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
