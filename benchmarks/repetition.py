"""How many loops the guard sees, how soon, what it takes for one, and what it costs: `make bench-runaway`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from benchmarks.report import table, write_report
from gateway.imaging.capacity import text_capacity
from gateway.recognition.repetition import SUSPECTED_LENGTH, SUSPECTED_LENGTH_AGAIN, Repetition, RepetitionDetector
from tests.support.repetition_corpus import MAX_TOKENS, Reading, honest, runaways, tokens

PIECE = 100
"""Characters of one event: about 32 tokens."""
METHOD = """The corpus is made by `tests/support/repetition_corpus.py`: readings of 18 kinds that went round in circles
until 4096 tokens, and of 22 kinds that repeat themselves because the document does, in English, Russian and Chinese,
each with the size of its region in print of 6 to 12 points. It is made, not found: it shows what the guard sees and
takes for a loop, not how often PaddleOCR-VL loops. Tokens are estimated (a tag, a digit, a Chinese letter or four
letters each).

* A loop is **stopped** when the guard says so; one that never is goes on to the limit. A loop is certain where the
  region has no room for it. Tokens saved are those of the first reading; what the second one costs is not taken off.
* An honest reading is **doubted** when it is stopped: it is then read once more, with a guard that is more patient. It
  is **lost** only if that stops it, too, in an engine that writes the same again. `numbers at random` are copies that
  differ in random numbers, which the guard does not look for, lest it take a table of numbers for a loop."""


@dataclass(frozen=True, slots=True)
class Verdict:
    reading: Reading
    loop: Repetition | None
    tokens: int
    """Until it was stopped, or all."""
    is_lost: bool


def judged(reading: Reading) -> Verdict:
    loop, length = stopped(reading, SUSPECTED_LENGTH)
    return Verdict(
        reading, loop, tokens(reading.text[:length]), stopped(reading, SUSPECTED_LENGTH_AGAIN)[0] is not None
    )


def stopped(reading: Reading, doubtful: int) -> tuple[Repetition | None, int]:
    """The loop that ended it, and after how many characters."""
    detector = RepetitionDetector(text_capacity(reading.width, reading.height), doubtful)
    for end in range(PIECE, len(reading.text) + PIECE, PIECE):
        if detector.detect(reading.text[:end]):
            return detector.repetition, end
    return None, len(reading.text)


def by_kind(verdicts: Iterable[Verdict]) -> Iterator[tuple[str, list[Verdict]]]:
    for kind, found in groupby(verdicts, key=lambda verdict: verdict.reading.kind):
        yield kind, list(found)


def of_runaways(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for kind, found in [*by_kind(verdicts), ("all", list(verdicts))]:
        caught = [verdict for verdict in found if verdict.loop]
        written = [verdict.tokens for verdict in found]
        rows.append(
            [
                kind,
                str(len(found)),
                f"{len(caught) / len(found):.0%}",
                str(sum(verdict.loop.is_certain for verdict in caught if verdict.loop)),
                f"{median(written):.0f}",
                str(max(written)),
                f"{1 - sum(written) / sum(tokens(verdict.reading.text) for verdict in found):.0%}",
            ]
        )
    header = ["loop of", "readings", "stopped", "of these certain", "tokens until then: median", "most", "tokens saved"]
    return table(header, rows)


def of_honest(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for kind, found in [*by_kind(verdicts), ("all", list(verdicts))]:
        doubted = [verdict for verdict in found if verdict.loop]
        extra = sum(verdict.tokens for verdict in doubted) / sum(tokens(verdict.reading.text) for verdict in found)
        longest = max(tokens(verdict.reading.text) for verdict in found)
        lost = sum(verdict.is_lost for verdict in found)
        rows.append([kind, str(len(found)), str(longest), str(len(doubted)), f"{extra:.1%}", str(lost)])
    return table(["document", "readings", "longest, tokens", "doubted", "tokens read twice", "lost"], rows)


def summary(bad: Sequence[Verdict], good: Sequence[Verdict]) -> str:
    caught, wrong = sum(verdict.loop is not None for verdict in bad), sum(verdict.loop is not None for verdict in good)
    lost = sum(verdict.is_lost for verdict in good)
    saved = sum(MAX_TOKENS - verdict.tokens for verdict in bad) / len(bad)
    return (
        f"{len(bad)} runaways, {len(good)} honest readings. Precision of an alarm **{caught / (caught + wrong):.3f}**, "
        f"recall **{caught / len(bad):.3f}**, tokens saved of a runaway **{saved:.0f}** of {MAX_TOKENS} on average. "
        f"Honest readings doubted: **{wrong}**; lost: **{lost}**."
    )


def costs(readings: Sequence[Reading]) -> str:
    """CPU time of the guard by length of the reading."""
    rows = []
    for least, most in ((0, 300), (300, 1000), (1000, 3000), (3000, 100_000)):
        some = [reading for reading in readings if least <= len(reading.text) < most]
        started = time.process_time()
        for reading in some:
            stopped(reading, SUSPECTED_LENGTH)
        spent_ms = 1000 * (time.process_time() - started) / len(some)
        rows.append([f"{least} to {max(len(reading.text) for reading in some)}", str(len(some)), f"{spent_ms:.3f}"])
    return table(["honest readings of characters", "readings", "ms a reading"], rows)


def main() -> None:
    good = list(honest())
    bad_verdicts, good_verdicts = list(map(judged, runaways())), list(map(judged, good))
    write_report(
        "runaway",
        "The guard against readings without end",
        METHOD,
        summary(bad_verdicts, good_verdicts),
        "## Runaways",
        of_runaways(bad_verdicts),
        "## Honest readings",
        of_honest(good_verdicts),
        "## CPU time of the guard",
        costs(good),
    )


if __name__ == "__main__":
    main()
