"""How much of the store something takes, known between looks through the store, which last while others change it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class StoredSizes:
    """Bytes by the id of what is kept: as the last look through the store found them, and as this process has changed
    them since that look began. For one thread at a time. Times are those of `time.monotonic`."""

    __slots__ = ("_changed", "_looked", "_sizes", "total")

    def __init__(self) -> None:
        self.total = 0
        self._sizes: dict[str, int] = {}
        self._changed: dict[str, float] = {}
        """When each was added or removed, since the last look began; `inf` while it is being written."""
        self._looked = -math.inf

    @property
    def is_known(self) -> bool:
        """Whether the store was looked through yet."""
        return self._looked > -math.inf

    @contextmanager
    def hold(self, sizes: Mapping[str, int]) -> Iterator[None]:
        """Counts what is being written, and no more where that fails."""
        for one, size in sizes.items():
            self.remove(one)
            self._sizes[one], self._changed[one] = size, math.inf
        self.total += sum(sizes.values())
        try:
            yield
        except BaseException:
            for one in sizes:
                self.remove(one)
            raise
        self._changed |= dict.fromkeys(sizes, time.monotonic())

    def remove(self, one: str) -> None:
        """No longer counts what was counted for it, if anything was."""
        self.total -= self._sizes.pop(one, 0)
        self._changed[one] = time.monotonic()

    def set_found(self, found: Mapping[str, int], begun: float) -> None:
        """Takes over what a look that began then has found. What has changed since is known better here; a look that
        began before the last one tells nothing."""
        if begun < self._looked:
            return
        self._looked = begun
        self._changed = {one: at for one, at in self._changed.items() if at >= begun}
        own = {one: self._sizes[one] for one in self._changed if one in self._sizes}
        self._sizes = {one: size for one, size in found.items() if one not in self._changed} | own
        self.total = sum(self._sizes.values())
