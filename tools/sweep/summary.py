"""The tables of a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median

from benchmarks.report import table
from tools.sweep.record import Record

LISTED = 25
"""Most files in a list."""
LOW_RECALL = 0.8


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What was seen of the service before and after; None where nothing could be."""

    timeout_s: float
    rss_before_mb: float | None
    rss_after_mb: float | None
    leftovers: Sequence[str]
    nameless_mb: float


def render_summary(records: Sequence[Record], seen: Circumstances) -> str:
    parts = [
        f"# Sweep over {len(records)} files",
        status_table(records),
        figure_table(records, seen),
        *(f"## {title}\n\n{file_table(files)}" for title, files in anomalies(records, seen.timeout_s).items() if files),
    ]
    return "\n\n".join(parts) + "\n"


def status_table(records: Sequence[Record]) -> str:
    counts = Counter((str(one.status), one.code or one.result or "–") for one in records)
    rows = [[status, what, str(count)] for (status, what), count in sorted(counts.items())]
    return table(["HTTP status", "status or code", "files"], rows)


def figure_table(records: Sequence[Record], seen: Circumstances) -> str:
    recalls = [one.recall for one in records if one.recall is not None and one.status == 200]
    empty = [one for one in records if one.is_empty]
    rss = [one.rss_mb for one in records if one.rss_mb]
    rows = [
        ["empty though its own text has ≥ 2 words, no warning", str(sum(not one.warnings for one in empty))],
        ["the same with a warning", str(sum(bool(one.warnings) for one in empty))],
        ["recall of the own words, median", f"{median(recalls):.3f}" if recalls else "–"],
        ["recall of the own words, mean", f"{mean(recalls):.3f}" if recalls else "–"],
        [f"recall below {LOW_RECALL}", f"{sum(recall < LOW_RECALL for recall in recalls)} of {len(recalls)}"],
        ["5xx or no answer", str(sum(one.is_server_fault for one in records))],
        ["failed in company, read alone", str(sum(one.alone == 200 for one in records))],
        [f"longer than {seen.timeout_s:.0f} s", str(sum(one.seconds > seen.timeout_s for one in records))],
        ["seconds a file, median and most", _span([one.seconds for one in records])],
        ["memory before, at most, after, MB", _memory(seen, rss)],
        ["files left in TEMP_DIR", ", ".join(seen.leftovers) or "none"],
        ["nameless files still open, MB", f"{seen.nameless_mb:.1f}"],
    ]
    return table(["what", "figure"], rows)


def _span(values: Sequence[float]) -> str:
    return f"{median(values):.1f}; {max(values):.1f}" if values else "–"


def _memory(seen: Circumstances, rss: Sequence[float]) -> str:
    if seen.rss_before_mb is None or seen.rss_after_mb is None:
        return "not known"
    return f"{seen.rss_before_mb:.0f}; {max(rss, default=0):.0f}; {seen.rss_after_mb:.0f}"


def anomalies(records: Sequence[Record], timeout_s: float) -> dict[str, list[Record]]:
    """Files to be looked at, by what is odd with them; each in the first list that it suits."""
    kinds: dict[str, Callable[[Record], bool]] = {
        "5xx or no answer": lambda one: one.is_server_fault,
        "Too long": lambda one: one.seconds > timeout_s,
        "A worker process lost": lambda one: one.has_lost_worker,
        "Empty without a warning": lambda one: one.is_empty and not one.warnings,
        "Empty with a warning": lambda one: one.is_empty,
        "Refused though its own text can be read": lambda one: one.status != 200 and bool(one.own_words),
        f"Recall below {LOW_RECALL}": lambda one: one.recall is not None and one.recall < LOW_RECALL,
    }
    found: dict[str, list[Record]] = {title: [] for title in kinds}
    for one in sorted(records, key=lambda one: (one.recall or 0, one.file)):
        if title := next((title for title, suits in kinds.items() if suits(one)), None):
            found[title].append(one)
    return found


def file_table(files: Sequence[Record]) -> str:
    rows = [
        [
            one.file, str(one.status), one.code or one.result or "–", _ratio(one), f"{one.seconds:.1f}",
            _clip("; ".join(one.warnings)),
        ]
        for one in files[:LISTED]
    ]  # fmt: skip
    text = table(["file", "HTTP", "status or code", "own words found", "s", "warnings"], rows)
    return text if len(files) <= LISTED else f"{text}\n\n… and {len(files) - LISTED} more"


def _ratio(one: Record) -> str:
    return f"{one.found_words} of {one.own_words}" if one.own_words is not None else "–"


def _clip(text: str, length: int = 160) -> str:
    line = " ".join(text.split()).replace("|", "/")
    return line if len(line) <= length else f"{line[:length]}…"
