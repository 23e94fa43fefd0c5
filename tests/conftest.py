"""How the tests are shared out among workers (`-n auto --dist loadfile`): what takes minutes begins first. And where
they find Tesseract's data.

xdist by itself begins with the files that have most tests, and ends with the few that start vLLM: one core would wait
for another's last file.
"""

from __future__ import annotations

import signal
from collections.abc import Set

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from common.cores import available_cores
from tests.support.tessdata import offer_fetched

ONE_SERVICE = "tests/vllm/"
"""Files that share one service, which takes a minute to start, and go to one worker."""


class ByFile(LoadFileScheduling):  # type: ignore[misc]  # has no types
    """A file's tests, or those of files with one service, go to one worker, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return ONE_SERVICE if nodeid.startswith(ONE_SERVICE) else str(super()._split_scope(nodeid))


def pytest_configure() -> None:
    offer_fetched()
    # A busy machine stops a test for longer than any deadline that would tell of the code.
    settings.register_profile("busy", deadline=None)
    settings.load_profile("busy")
    # Shells have what they start in the background ignore Ctrl-C, and its children too, of which tests interrupt some.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait for processes of theirs for a third of the time."""
    return available_cores() + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile | None:
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with services of their own before others, else in order of their names."""
    slow = {item.path for item in items if item.get_closest_marker("service")}
    items.sort(key=lambda item: _rank(item, slow))


def _rank(item: pytest.Item, slow: Set[object]) -> int:
    if item.nodeid.startswith(ONE_SERVICE):
        return 0
    return 1 if item.path in slow else 2
