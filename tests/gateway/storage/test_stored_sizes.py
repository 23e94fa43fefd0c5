"""What is known of the store between looks through it, whatever changes while one lasts."""

from __future__ import annotations

import time

import pytest

from gateway.storage.stored_sizes import StoredSizes


@pytest.fixture
def sizes() -> StoredSizes:
    """With something that was found: 10 bytes."""
    found = StoredSizes()
    found.set_found({"old": 10}, time.monotonic())
    return found


def test_what_was_kept_during_a_look_stays_counted(sizes: StoredSizes) -> None:
    begun = time.monotonic()
    with sizes.hold({"new": 5}):
        pass
    sizes.set_found({"old": 10}, begun)
    assert sizes.total == 15


def test_what_was_removed_during_a_look_stays_removed(sizes: StoredSizes) -> None:
    begun = time.monotonic()
    sizes.remove("old")
    sizes.set_found({"old": 10}, begun)
    assert sizes.total == 0


def test_a_later_look_tells_what_others_have_kept_and_removed(sizes: StoredSizes) -> None:
    with sizes.hold({"new": 5}):
        pass
    sizes.remove("old")
    sizes.set_found({"new": 8, "of another gateway": 1}, time.monotonic())
    assert sizes.total == 9
    sizes.set_found({}, time.monotonic())
    assert sizes.total == 0


def test_a_look_that_lands_after_a_later_one_tells_nothing(sizes: StoredSizes) -> None:
    begun = time.monotonic()
    sizes.set_found({"old": 10, "grown": 3}, time.monotonic())
    sizes.set_found({"old": 10}, begun)
    assert sizes.total == 13


def test_what_grew_is_removed_as_it_was_counted(sizes: StoredSizes) -> None:
    with sizes.hold({"job": 5}):
        pass
    sizes.set_found({"old": 10, "job": 50}, time.monotonic())
    for _ in range(2):
        sizes.remove("job")
    assert sizes.total == 10


def test_what_was_not_kept_is_not_counted(sizes: StoredSizes) -> None:
    with pytest.raises(OSError, match="full"), sizes.hold({"new": 5}):
        raise OSError("full")
    assert sizes.total == 10
