"""Which files of a sweep are to be looked at, and why."""

from __future__ import annotations

from dataclasses import replace

from tools.sweep.record import Record
from tools.sweep.summary import anomalies

RECORD = Record("whole.pdf", 200, None, "ok", 1.0, 1, own_words=10, read_words=10, found_words=10, rss_mb=100.0)
EMPTY = replace(RECORD, read_words=0, found_words=0)


def test_each_file_is_named_once_by_what_is_odd() -> None:
    odd = [
        replace(EMPTY, file="silent.pdf"),
        replace(EMPTY, file="told.pdf", warnings=["page 1: a line of text, in no block, not read"]),
        replace(EMPTY, file="broken.pdf", status=500),
        replace(RECORD, file="slow.pdf", seconds=61.0),
        replace(RECORD, file="refused.pdf", status=400),
    ]
    found = anomalies([RECORD, *odd], timeout_s=60.0)
    assert {title: [one.file for one in files] for title, files in found.items() if files} == {
        "5xx or no answer": ["broken.pdf"],
        "Too long": ["slow.pdf"],
        "Empty without a warning": ["silent.pdf"],
        "Empty with a warning": ["told.pdf"],
        "Refused though its own text can be read": ["refused.pdf"],
    }
