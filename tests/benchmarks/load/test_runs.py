from __future__ import annotations

from subprocess import Popen
from typing import cast

import pytest

from benchmarks.load.runs import LOST, SERVER, Outcome, Run
from benchmarks.load.servers import Reply
from benchmarks.processes import Memory, Program


def run(*replies: Reply, wall_s: float = 2.0) -> Run:
    outcomes = [Outcome(seconds, reply) for seconds, reply in enumerate(replies, start=1)]
    return Run(10, wall_s, {SERVER: 4.0}, 0.0, 0.0, outcomes)


def test_only_whole_documents_count() -> None:
    taken = run(Reply(200, True), Reply(200, False), Reply(429), Reply(LOST), Reply(200, True))
    assert taken.pages_a_second == 10
    assert taken.cpu_ms_a_page == 200
    assert taken.latency_s(0.5) == 5
    assert taken.statuses() == {"whole": 2, "partial": 1, "429": 1, "0": 1}


def test_slope_is_that_of_the_second_half() -> None:
    memory = Memory(Program("any", "http://nowhere", cast("Popen[bytes]", None)))
    memory.samples = [(0, 100), (1, 900), (2, 500), (3, 501), (4, 502), (5, 503)]
    assert memory.slope_mb_an_hour() == pytest.approx(3600)
    assert memory.peak_mb == 900
