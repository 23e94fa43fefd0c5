"""What one API key may do, and what it has done: requests and pages by the minute and by the day, documents at once.

A minute begins with the first request that counts in it; a day is one of UTC. So no minute of the key's holds more than
its limit, and whoever is refused can be told when there is room again. Where gateways share their counts
(`shared_counts`) a minute is one of the clock, which is the same one for all of them.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.errors import ServiceError
from gateway.reading_options import OWN_NAMES, OptionNames
from gateway.storage.stored_sizes import StoredSizes

Scope: TypeAlias = Literal["ocr", "chat", "jobs", "admin"]
Stored: TypeAlias = Literal["jobs", "files"]
MINUTE_S, DAY_S = 60, 86_400
MAX_LIMIT = 2**62
"""The database's integers hold twice as much."""
_BUSY_RETRY_AFTER_S = 5
_LEARN_S = 1
"""When to ask again where other gateways may have taken what is left."""
_SHARE_PARTS = 3
"""What a gateway decides by may lack the last round of the others. With halves of the shares rounds that are used up to
the full then take more than is left in the end; thirds are the largest parts with which they never do."""


def _refuse_truth(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("it is no number")  # YAML's `yes` and `on` would be a limit of 1
    return value


Limit: TypeAlias = Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(_refuse_truth)]


class KeyLimits(BaseModel):
    """None: no limit of the key's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: Limit | None = None
    pages_per_minute: Limit | None = None
    pages_per_day: Limit | None = None
    documents: Limit | None = Field(None, description="Documents and chats in work at once; jobs apart")
    bytes_stored: Limit | None = Field(None, description="What its jobs and uploaded files take of the store")


class WindowUsage(BaseModel):
    """`resets_in_s`: None where nothing is counted now."""

    used: int
    limit: int | None
    resets_in_s: int | None


class KeyUsage(BaseModel):
    """What a key has used since the service started, and in the windows of its limits."""

    name: str
    scopes: list[Scope]
    requests: int
    refused: int = Field(description="Requests that a limit of the key's has refused")
    pages: int = Field(description="Pages read")
    documents: int = Field(description="Documents and chats in work")
    requests_per_minute: WindowUsage
    pages_per_minute: WindowUsage
    pages_per_day: WindowUsage
    bytes_stored: int | None = Field(description="What its jobs and files take of the store; null: that is not limited")


@dataclass(slots=True)
class Window:
    """A count that begins anew when its time is over. `name`: the limit's; `unit`: what is counted. `unshared`: what of
    `used` the other gateways have not been told yet."""

    name: str
    unit: str
    period: str
    ends: float = 0.0
    used: int = 0
    unshared: int = 0

    def renew(self, now: float, length_s: float, begins: float) -> None:
        if not self.ends - length_s <= now < self.ends:
            self.ends, self.used, self.unshared = begins + length_s, 0, 0

    def has_room(self, count: int, limit: int, gateways: int = 1) -> bool:
        """Where so many gateways count together and learn of each other late, each takes no more until then than a part
        of its share of what was left: so the limit holds whatever the others take meanwhile. What is larger goes
        alone."""
        if self.used + count > limit:
            return False
        left = limit - (self.used - self.unshared)
        return gateways == 1 or self.unshared <= 0 or self.unshared + count <= left // (_SHARE_PARTS * gateways)

    def count(self, more: int) -> None:
        self.used += more
        self.unshared += more


@dataclass(slots=True, weakref_slot=True)
class Account:
    """`owner`: whose jobs and files the key sees; `clock` gives seconds since 1970. Belongs to the event loop.

    `stored`: its jobs and files, where what they take is limited. `on_change` is called when something was counted,
    where gateways share their counts; `documents_elsewhere` are those of the other gateways then. `gateways`: how many
    share them, while they learn of each other late.
    """

    name: str
    owner: str
    scopes: frozenset[Scope]
    limits: KeyLimits = field(default_factory=KeyLimits)
    expires: datetime | None = None
    clock: Callable[[], float] = time.time
    requests: int = 0
    refused: int = 0
    pages: int = 0
    documents: int = 0
    documents_elsewhere: int = 0
    gateways: int = 1
    stored: defaultdict[Stored, StoredSizes] = field(default_factory=lambda: defaultdict(StoredSizes))
    on_change: Callable[[Account], None] | None = None
    _requests_minute: Window = field(default_factory=lambda: Window("requests_per_minute", "requests", "a minute"))
    _pages_minute: Window = field(default_factory=lambda: Window("pages_per_minute", "pages", "a minute"))
    _pages_day: Window = field(default_factory=lambda: Window("pages_per_day", "pages", "a day"))

    @property
    def is_expired(self) -> bool:
        return self.expires is not None and datetime.fromtimestamp(self.clock(), UTC) >= self.expires

    def require_scope(self, scope: Scope | None) -> None:
        """ServiceError 403 `scope_missing`; `scope` None: any key will do."""
        if scope is not None and scope not in self.scopes:
            has = ", ".join(f"`{one}`" for one in sorted(self.scopes)) or "none"
            raise ServiceError(403, "scope_missing", f"The key `{self.name}` lacks the scope `{scope}`; it has {has}.")

    def take_request(self) -> None:
        """Counts a request. ServiceError 429 `key_limit_reached`."""
        self._take(1, [(self._requests_minute, self.limits.requests_per_minute)])
        self.requests += 1

    @contextmanager
    def hold_pages(self, wanted: int, names: OptionNames = OWN_NAMES) -> Iterator[Callable[[], None]]:
        """Counts pages that are to be read; what is given is called for each that was, and the others come back in the
        end, to the minute and the day that they were taken from. `names`: how a refusal names the options.

        ServiceError 429 `key_limit_reached`, 422 `too_many_pages_for_key` where that many never fit.
        """
        windows = self._page_windows()
        for window, limit in windows:
            if limit is not None and wanted > limit:
                self.refused += 1
                may = f"The key `{self.name}` may read {limit} pages {window.period} ({window.name})"
                fewer = f"select fewer with `{names.pages}`" if names.pages else "send fewer"
                remedy = f"{fewer}, or submit a job, which takes its time"
                raise ServiceError(422, "too_many_pages_for_key", f"{may}, the document has {wanted}: {remedy}.")
        self._take(wanted, windows)
        taken = [(window, window.ends) for window, _ in windows]
        left = wanted

        def count() -> None:
            nonlocal left
            left -= 1
            self.pages += 1

        try:
            yield count
        finally:
            for window, ends in taken:
                if window.ends == ends:
                    window.count(-left)
            self._announce_change()

    def pages_left(self) -> int | None:
        """How many pages fit now; None: any number."""
        self._renew()
        left = [max(0, limit - window.used) for window, limit in self._page_windows() if limit is not None]
        return min(left, default=None)

    @contextmanager
    def hold_document(self) -> Iterator[None]:
        """A document's place among the key's own. ServiceError 429 `key_limit_reached`."""
        limit = self.limits.documents
        if limit is not None and self.documents + self.documents_elsewhere >= limit:
            self.refused += 1
            detail = f"The key `{self.name}` may have {limit} documents in work at once (documents)."
            raise ServiceError(429, "key_limit_reached", detail, retry_after_s=_BUSY_RETRY_AFTER_S)
        self.documents += 1
        self._announce_change()
        try:
            yield
        finally:
            self.documents -= 1
            self._announce_change()

    @property
    def bytes_stored(self) -> int:
        return sum(sizes.total for sizes in self.stored.values())

    def has_storage(self, size: int) -> bool:
        limit = self.limits.bytes_stored
        return limit is None or self.bytes_stored + size <= limit

    @contextmanager
    def hold_storage(self, kind: Stored, sizes: Mapping[str, int]) -> Iterator[None]:
        """Counts what is being kept, bytes by id; where that fails they come back. ServiceError 507
        `key_storage_full`."""
        limit, stored, size = self.limits.bytes_stored, self.bytes_stored, sum(sizes.values())
        if not self.has_storage(size):
            self.refused += 1
            raise ServiceError(
                507,
                "key_storage_full",
                f"The key `{self.name}` may have {limit} bytes stored (bytes_stored); its jobs and files take {stored} "
                f"and this {size}: delete some, or wait until their time is over.",
            )
        with nullcontext() if limit is None else self.stored[kind].hold(sizes):
            yield

    def free_storage(self, kind: Stored, one: str) -> None:
        """Of what was deleted, by its id."""
        if self.limits.bytes_stored is not None:
            self.stored[kind].remove(one)

    def set_stored(self, kind: Stored, found: Mapping[str, int], begun: float) -> None:
        """Takes over what a look through the store has found that began then, by `time.monotonic`: bytes by id."""
        if self.limits.bytes_stored is not None:
            self.stored[kind].set_found(found, begun)
        else:
            self.stored.clear()

    def share(self, on_change: Callable[[Account], None]) -> None:
        """From now on minutes are those of the clock, the one that has begun included."""
        if self.on_change is None:
            now = self.clock()
            for window in (self._requests_minute, self._pages_minute):
                window.ends = now - now % MINUTE_S + MINUTE_S
        self.on_change = on_change

    def list_limited_windows(self) -> list[Window]:
        """Those of now that have a limit."""
        self._renew()
        windows = [(self._requests_minute, self.limits.requests_per_minute), *self._page_windows()]
        return [window for window, limit in windows if limit is not None]

    def usage(self) -> KeyUsage:
        self._renew()
        now, limits = self.clock(), self.limits
        return KeyUsage(
            name=self.name,
            scopes=sorted(self.scopes),
            requests=self.requests,
            refused=self.refused,
            pages=self.pages,
            documents=self.documents,
            requests_per_minute=_describe(self._requests_minute, limits.requests_per_minute, now),
            pages_per_minute=_describe(self._pages_minute, limits.pages_per_minute, now),
            pages_per_day=_describe(self._pages_day, limits.pages_per_day, now),
            bytes_stored=None if limits.bytes_stored is None else self.bytes_stored,
        )

    def _page_windows(self) -> list[tuple[Window, int | None]]:
        return [
            (self._pages_minute, self.limits.pages_per_minute),
            (self._pages_day, self.limits.pages_per_day),
        ]

    def _take(self, count: int, windows: list[tuple[Window, int | None]]) -> None:
        """From all windows, or from none."""
        self._renew()
        for window, limit in windows:
            if limit is not None and not window.has_room(count, limit, self.gateways):
                self.refused += 1
                is_full = window.used + count > limit
                wait_s = max(1, ceil(window.ends - self.clock())) if is_full else _LEARN_S
                raise ServiceError(
                    429,
                    "key_limit_reached",
                    f"The key `{self.name}` may have {limit} {window.unit} {window.period} ({window.name}); there is "
                    f"room again in {wait_s} s.",
                    retry_after_s=wait_s,
                )
        for window, _ in windows:
            window.count(count)
        self._announce_change()

    def _announce_change(self) -> None:
        if self.on_change is not None:
            self.on_change(self)

    def _renew(self) -> None:
        now = self.clock()
        minute = now if self.on_change is None else now - now % MINUTE_S
        self._requests_minute.renew(now, MINUTE_S, minute)
        self._pages_minute.renew(now, MINUTE_S, minute)
        self._pages_day.renew(now, DAY_S, now - now % DAY_S)


def _describe(window: Window, limit: int | None, now: float) -> WindowUsage:
    resets_in_s = ceil(window.ends - now) if window.used else None
    return WindowUsage(used=window.used, limit=limit, resets_in_s=resets_in_s)
