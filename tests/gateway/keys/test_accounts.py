"""What a key may do: limits that end when their time does."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gateway.errors import ServiceError
from gateway.keys.accounts import Account, KeyLimits

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self, now: float = MIDNIGHT + 3600) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def account(clock: Clock, **limits: int) -> Account:
    return Account("scans", "owner", frozenset({"ocr"}), KeyLimits(**limits), clock=clock)


def read(one: Account, pages: int) -> None:
    """A document of so many pages, all of them read."""
    with one.hold_pages(pages) as count:
        for _ in range(pages):
            count()


def count_taken(take: Callable[[], None], tries: int) -> int:
    refusals = []
    for _ in range(tries):
        try:
            take()
        except ServiceError as error:
            refusals.append((error.status, error.code))
    assert set(refusals) <= {(429, "key_limit_reached")}
    return tries - len(refusals)


def test_requests_of_a_minute() -> None:
    clock = Clock()
    one = account(clock, requests_per_minute=100)
    for _ in range(5):
        assert count_taken(one.take_request, 250) == 100
        clock.now += 60
    assert (one.requests, one.refused) == (500, 750)


def test_whoever_is_refused_learns_which_limit_and_when() -> None:
    clock = Clock()
    one = account(clock, pages_per_minute=10)
    read(one, 8)
    clock.now += 45
    with pytest.raises(ServiceError, match=r"`scans`.*10 pages a minute \(pages_per_minute\).*15 s") as refusal:
        read(one, 3)
    assert refusal.value.retry_after_s == 15
    read(one, 2)
    clock.now += 15
    read(one, 10)


def test_days_are_those_of_utc() -> None:
    clock = Clock(MIDNIGHT + 23 * 3600)
    one = account(clock, pages_per_day=5)
    read(one, 5)
    with pytest.raises(ServiceError, match="pages_per_day") as refusal:
        read(one, 1)
    assert refusal.value.retry_after_s == 3600
    clock.now += 3600
    read(one, 5)
    clock.now += 86_399
    with pytest.raises(ServiceError):
        read(one, 1)


def test_a_document_that_never_fits_is_told_so() -> None:
    with pytest.raises(ServiceError, match="select fewer") as refusal:
        read(account(Clock(), pages_per_minute=10), 11)
    assert (refusal.value.status, refusal.value.code) == (422, "too_many_pages_for_key")


def test_a_refused_document_takes_nothing_of_another_limit() -> None:
    one = account(Clock(), pages_per_minute=100, pages_per_day=120)
    read(one, 100)
    with pytest.raises(ServiceError):
        read(one, 30)
    assert one.pages == 100
    assert one.usage().pages_per_day.used == 100


def test_pages_that_were_not_read_come_back() -> None:
    one = account(Clock(), pages_per_minute=10)
    with one.hold_pages(10) as count:
        for _ in range(3):
            count()
    assert one.pages_left() == 7
    assert one.pages == 3


def test_pages_come_back_to_the_minute_that_they_were_taken_from() -> None:
    clock = Clock()
    one = account(clock, pages_per_minute=10)
    with one.hold_pages(10):
        clock.now += 60
        read(one, 8)
    assert one.pages_left() == 2
    assert one.pages == 8


def test_documents_at_once() -> None:
    one = account(Clock(), documents=2)
    with one.hold_document():
        with one.hold_document(), pytest.raises(ServiceError, match="2 documents"), one.hold_document():
            pass
        with one.hold_document():
            pass


def test_a_clock_that_was_set_back_shuts_nobody_out() -> None:
    clock = Clock()
    one = account(clock, requests_per_minute=1)
    one.take_request()
    clock.now -= 3600
    one.take_request()


def test_a_key_without_limits() -> None:
    one = account(Clock())
    read(one, 10**6)
    assert one.pages_left() is None


def test_bytes_that_are_stored() -> None:
    one = account(Clock(), bytes_stored=100)
    with one.hold_storage("jobs", {"job": 60}):
        pass
    with pytest.raises(OSError, match="full"), one.hold_storage("files", {"file": 40}):
        raise OSError("full")
    with pytest.raises(ServiceError, match=r"`scans`.*100 bytes.*\(bytes_stored\).*60") as refusal:
        one.hold_storage("files", {"file": 41}).__enter__()
    assert (refusal.value.status, refusal.value.code) == (507, "key_storage_full")
    with one.hold_storage("files", {"file": 40}):
        pass
    for _ in range(2):
        one.free_storage("jobs", "job")
    assert one.usage().bytes_stored == 40


def test_uploads_at_once_are_counted_before_they_are_kept() -> None:
    """Whatever a look through the store, which does not see them yet, finds meanwhile."""
    one = account(Clock(), bytes_stored=10)
    with one.hold_storage("files", {"first": 6}):
        one.set_stored("files", {}, time.monotonic())
        with pytest.raises(ServiceError):
            one.hold_storage("files", {"second": 6}).__enter__()
    assert one.usage().bytes_stored == 6


def test_what_is_stored_is_counted_once_it_is_limited() -> None:
    one = account(Clock())
    with one.hold_storage("files", {"unlimited": 6}):
        pass
    one.limits = KeyLimits(bytes_stored=10)
    one.set_stored("files", {"unlimited": 6}, time.monotonic())
    assert not one.has_storage(5)
