"""Counts of keys that the gateways of one Postgres have in common: each adds its own and learns what all have counted.

No request waits for that. A round goes to the database as soon as something has counted, `ROUND_S` after the last one
at the earliest; until it is back a gateway decides by what it knows. So a limit can be exceeded by what the other
gateways let pass in the time of one round, and by no more. Where a round takes longer than `SLOW_S` that would be much:
each gateway then takes but a part of what is left (`Window.has_room`), and a limit is exceeded by one for each other
gateway at most. How many they are a gateway learns first of all, when it joins the others. While the
database is away each gateway counts alone, and tells the others of it afterwards. The same holds while it does not
answer in `TIMEOUT_S`.

A window is known by the second in which it ends. Gateways whose clocks differ count in the same windows, each for a
minute that is moved by as much.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import sqlalchemy as sa
import structlog

from gateway.keys.accounts import Account, KeyLimits, Window
from gateway.keys.counts_table import BEAT_S, TIMEOUT_S, Counts, CountsTable, WindowId
from gateway.keys.keyring import Keyring

T = TypeVar("T")

ROUND_S = 0.01
_REST = 1
"""A round is followed by so many times its own time at least: many keys and a slow database take a bounded share of the
CPU."""
SLOW_S = 0.1
RETRY_S = 2.0
_SEEN_S = 60.0
"""What is left of a limit is divided by the largest number of gateways that was seen in so long."""
_NO_LIMITS = KeyLimits()

log = structlog.get_logger(__name__)


class SharedCounts:
    """Keeps a keyring's counts in step with those of the other gateways. `reason`: why each counts alone now."""

    def __init__(
        self, keyring: Keyring, database_url: str, timeout_s: float = TIMEOUT_S, slow_s: float = SLOW_S
    ) -> None:
        self.reason: str | None = None
        self.is_shared = False
        """Whether what the others have counted is known."""
        self.keyring = keyring
        self._table = CountsTable(database_url, uuid.uuid4().hex)
        self._timeout_s, self._slow_s = timeout_s, slow_s
        self._seen: list[tuple[float, int]] = []
        """When so many gateways were counted, in the last `_SEEN_S`."""
        self._is_late, self._among = False, 1
        self._changed: dict[str, Account] = {}
        self._in_work: dict[str, Account] = {}
        """Those that have documents here, by owner, whatever their limits: these may change meanwhile."""
        self._elsewhere: set[str] = set()
        """Owners that have documents at other gateways."""
        self._has_changed = asyncio.Event()
        self._read = -BEAT_S

    async def run(self) -> None:
        """Until it is cancelled."""
        self.keyring.share(self._note)
        for account in self.keyring.accounts():
            if account.on_change:
                self._note(account)
        try:
            while True:
                begun = time.monotonic()
                await self._step_safely()
                if self.reason or time.monotonic() - begun < self._slow_s:
                    self._set_late(is_late=False)
                rest_s = RETRY_S if self.reason else max(ROUND_S, _REST * (time.monotonic() - begun))
                await asyncio.sleep(rest_s)
                await self._wait_for_change()
        finally:
            await asyncio.to_thread(self._table.close)

    def _note(self, account: Account) -> None:
        if account.documents:
            self._in_work[account.owner] = account
        else:
            self._in_work.pop(account.owner, None)
        if account.limits != _NO_LIMITS:
            self._changed[account.owner] = account
            self._has_changed.set()

    async def _wait_for_change(self) -> None:
        try:
            async with asyncio.timeout(max(0.0, self._read + BEAT_S - time.monotonic())):
                await self._has_changed.wait()
        except TimeoutError:
            pass

    async def _step_safely(self) -> None:
        try:
            if self.reason or not self._seen:
                await self._join()
            if self.reason or time.monotonic() >= self._read + BEAT_S:
                await self._read_all()
            await self._exchange()
        except Exception as error:
            self._set_documents({}, list(self._elsewhere))
            is_away = isinstance(error, sa.exc.SQLAlchemyError)
            what = "The database is away" if is_away else "Counts of keys can't be shared"
            reason = f"{what}: limits of keys hold for each gateway alone ({type(error).__name__})."
            self._tell(reason, None if is_away else error)
        else:
            self._tell(None)

    async def _call(self, function: Callable[..., T], *arguments: object) -> T:
        """In a thread. Raises what the database raises, also where the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.call_later(self._timeout_s, self._table.cut)
        slow = loop.call_later(self._slow_s, lambda: self._set_late(is_late=True))
        try:
            return await asyncio.to_thread(function, *arguments)
        finally:
            end.cancel()
            slow.cancel()

    def _set_late(self, *, is_late: bool) -> None:
        """Whether gateways learn of each other late."""
        self._is_late = is_late
        self._divide()

    def _divide(self) -> None:
        """What is left of each limit, among all gateways where they learn of each other late."""
        gateways = max(count for _, count in self._seen) if self._is_late and self._seen else 1
        if gateways == self._among == 1:
            return
        self._among = gateways
        for account in self.keyring.accounts():
            account.gateways = gateways

    async def _join(self) -> None:
        """Once, and again after the database was away: the others may not have told since then either."""
        before = max((count for _, count in self._seen), default=1)
        self._see(max(before, await self._call(self._table.join)))

    def _see(self, gateways: int) -> None:
        now = time.monotonic()
        self._seen = [(at, count) for at, count in self._seen if at > now - _SEEN_S]
        self._seen.append((now, gateways))
        self._divide()

    async def _read_all(self) -> None:
        in_work = {owner: account.documents for owner, account in self._in_work.items()}
        counts = await self._call(self._table.read_all, self.keyring.clock(), in_work)
        self._read = time.monotonic()
        self.is_shared = True
        self._see(counts.gateways)
        self._set_documents(counts.documents, self._elsewhere | counts.documents.keys())
        for account in filter(None, map(self.keyring.find_owner, {one.owner for one in counts.windows})):
            for window in account.list_limited_windows():
                _take_over(counts, account, window)

    def _set_documents(self, elsewhere: Mapping[str, int], owners: Iterable[str]) -> None:
        for owner in owners:
            count = elsewhere.get(owner, 0)
            if account := self.keyring.find_owner(owner) or self._in_work.get(owner):
                account.documents_elsewhere = count
            self._elsewhere.add(owner) if count else self._elsewhere.discard(owner)

    async def _exchange(self) -> None:
        """What can't be told is kept for the next time."""
        changed, self._changed = self._changed, {}
        self._has_changed.clear()
        if not changed:
            return
        sent = {
            _id_of(account, window): (window, window.unshared)
            for account in changed.values()
            for window in account.list_limited_windows()
            if window.unshared
        }
        documents = {owner: one.documents for owner, one in changed.items() if one.limits.documents is not None}
        if not sent and not documents:
            return
        try:
            counted = {one: count for one, (_, count) in sent.items()}
            counts = await self._call(self._table.exchange, counted, documents)
        except BaseException:
            self._changed = changed | self._changed
            raise
        for one, (window, count) in sent.items():
            if round(window.ends) == one.ends:
                window.unshared -= count
                window.used = counts.windows[one] + window.unshared
        self._set_documents(counts.documents, documents)

    def _tell(self, reason: str | None, error: Exception | None = None) -> None:
        if reason != self.reason:
            log.log(logging.WARNING if reason else logging.INFO, "key_counts", reason=reason, exc_info=error)
        self.reason = reason


def _take_over(counts: Counts, account: Account, window: Window) -> None:
    total = counts.windows.get(_id_of(account, window))
    if total is not None:
        window.used = total + window.unshared


def _id_of(account: Account, window: Window) -> WindowId:
    return WindowId(account.owner, window.name, round(window.ends))
