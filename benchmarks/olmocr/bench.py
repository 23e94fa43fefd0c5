"""`make bench-olmocr`: the embedded engine on sample pages of olmOCR-bench, by that benchmark's own checks."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import ROOT, table, write_report
from benchmarks.service import Service, start_service
from tests.support.samples import olmocr_bench

MODES = ("auto", "never")
"""Of `text_layer`."""
MAX_REASON = 90


class Check(NamedTuple):
    """`reason`: why the page fails it, empty where it does not; None where it was left out."""

    id: str
    kind: str
    reason: str | None


def read_pages(service: Service, pages: Sequence[Path], mode: str, folder: Path) -> None:
    """Writes the Markdown of each file's first page, of which all checks are."""
    for file in pages:
        answer = service.ocr(file, images="none", text_layer=mode)
        (folder / f"{file.name}.md").write_text(answer["pages"][0]["markdown"])


def run_checks(python: Path, checks: Path, folder: Path) -> list[Check]:
    command = [str(python), "-m", "benchmarks.olmocr.scorer", str(checks), str(folder)]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    found = [Check(*json.loads(line).values()) for line in answer.stdout.splitlines() if line.startswith("{")]
    return sorted(found)


def summary_row(mode: str, checks: Sequence[Check]) -> list[str]:
    asked = [check for check in checks if check.reason is not None]
    passed = sum(check.reason == "" for check in asked)
    return [mode, f"{passed} of {len(asked)}", str(len(checks) - len(asked))]


def check_row(check: Check, results: Mapping[str, Mapping[str, Check]]) -> list[str]:
    found = [results[mode][check.id].reason for mode in MODES]
    names = ["left out" if reason is None else "passed" if reason == "" else "**failed**" for reason in found]
    reason = next((reason for reason in found if reason), "")
    return [check.id, check.kind, *names, " ".join(reason.split())[:MAX_REASON].replace("|", "\\|")]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--olmocr", type=Path, required=True, help="interpreter whose environment has olmocr")
    python = ROOT / parser.parse_args().olmocr
    pages, checks = olmocr_bench()
    results: dict[str, dict[str, Check]] = {}
    with start_service(VLM_ENGINE="embedded") as service:
        for mode in MODES:
            with tempfile.TemporaryDirectory() as folder:
                read_pages(service, pages, mode, Path(folder))
                results[mode] = {check.id: check for check in run_checks(python, checks, Path(folder))}
    write_report(
        "olmocr",
        "Sample pages of olmOCR-bench, by its own checks",
        f"{len(pages)} pages with the embedded engine, by the PDF's text layer where that is proved (`auto`) and"
        " without it (`never`). Checks of the type `math` are left out: they compare formulas as a browser draws them,"
        " which Playwright would have to download, and the embedded engine writes no LaTeX.",
        table(["text_layer", "passed", "left out"], [summary_row(mode, [*results[mode].values()]) for mode in MODES]),
        table(["check", "type", *MODES, "why"], [check_row(check, results) for check in results[MODES[0]].values()]),
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
