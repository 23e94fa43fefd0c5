"""A whole run: which files are left, their rows into the table, what is told meanwhile."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from paddleocr_vl_client.bulk.execution import read_by_threads, read_on_ray
from paddleocr_vl_client.bulk.reading import Plan
from paddleocr_vl_client.bulk.results import FAILED, Row
from paddleocr_vl_client.bulk.stores import Store, open_store
from paddleocr_vl_client.bulk.table import drop_failed, open_table, read_keys
from paddleocr_vl_client.commands.failures import CommandError, ExitStatus
from paddleocr_vl_client.commands.inputs import SUFFIXES
from paddleocr_vl_client.commands.progress import Progress

_TELL_S = 30.0


@dataclass(slots=True)
class Tally:
    """Files of this run; `before`: those that the target held already."""

    before: int = 0
    files: int = 0
    partial: int = 0
    failed: int = 0
    pages: int = 0

    def add(self, row: Row) -> None:
        self.files += 1
        self.pages += row.pages
        self.partial += row.status == "partial"
        self.failed += row.status == "failed"


def run_plan(plan: Plan, parallel: int, ray_address: str | None) -> Tally:
    """Reads what the target lacks. CommandError where the source holds no document, or something stops the run."""
    source, target = open_store(plan.source), open_store(plan.target)
    keys = find_keys(source, plan)
    if not keys:
        raise CommandError(f"There is no document in {plan.source}.", ExitStatus.USAGE)
    if plan.retries_failed:
        drop_failed(target)
    done = read_keys(target)
    left = [key for key in keys if key not in done]
    tally = Tally(before=len(keys) - len(left))
    with Progress(len(left)) as progress, open_table(target) as table:
        rows = _tell(_read(plan, left, parallel, ray_address), tally, len(left), progress)
        for row in rows:
            if row.status == "stopped":
                rows.close()
                raise CommandError(row.error, ExitStatus[row.code])
            table.add(row)
    return tally


def find_keys(source: Store, plan: Plan) -> list[str]:
    """Names of files with the ending of a document; hidden ones and the target's own are left out."""
    own = f"{plan.target}/".removeprefix(f"{plan.source}/") if plan.target.startswith(f"{plan.source}/") else None
    return [
        name
        for name in source.names(must_exist=True)
        if PurePosixPath(name).suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in name.split("/"))
        and not (own and name.startswith(own))
    ]


def _read(plan: Plan, keys: Sequence[str], parallel: int, ray_address: str | None) -> Iterator[Row]:
    if not keys:
        return iter(())
    return read_on_ray(plan, keys, parallel, ray_address) if ray_address else read_by_threads(plan, keys, parallel)


def _tell(rows: Iterator[Row], tally: Tally, total: int, progress: Progress) -> Generator[Row, None, None]:
    """Counts the rows, and tells of them: a bar on a terminal, a line now and then elsewhere."""
    begun = told = time.monotonic()
    for row in rows:
        tally.add(row)
        progress.advance()
        if row.status == "failed":
            progress.say(f"{row.key}: set aside. {row.error}")
        now = time.monotonic()
        if not progress.is_shown and now - told >= _TELL_S:
            told = now
            pace = f"{tally.pages / (now - begun):.1f} pages a second"
            progress.say(f"{tally.files} of {total} files, {tally.failed} set aside ({FAILED}/), {pace}.")
        yield row
