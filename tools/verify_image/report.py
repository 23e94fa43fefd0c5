"""A verification as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from benchmarks.report import table
from tools.verify_image.checks import CHECKS, Finding, Mark
from tools.verify_image.trial import SCENARIOS

MARKS: Mapping[Mark, str] = {"ok": "✅", "warn": "⚠️", "fail": "❌", "none": "–"}
MAX_CELL = 60
"""Characters; longer texts stand below the table."""


@dataclass(frozen=True, slots=True)
class Verification:
    """`scenarios`: the findings by scenario, then by check."""

    image: str
    engine: str
    date: str
    machine: str
    scenarios: Mapping[str, Mapping[str, Finding]]

    @property
    def failures(self) -> int:
        return sum(finding.mark == "fail" for column in self.scenarios.values() for finding in column.values())


def render_markdown(verification: Verification) -> str:
    """The table, and below it the reason of each mark that is no ✅."""
    columns, failures = verification.scenarios, verification.failures
    rows = [[check, *(_cell(column[check]) for column in columns.values())] for check in CHECKS]
    reasons = [
        f"- {MARKS[finding.mark]} {SCENARIOS[name].title}, {check}: {_line(finding.text)}"
        for name, column in columns.items()
        for check, finding in column.items()
        if not _fits(finding)
    ]
    parts = [
        f"# Verification of {verification.image}",
        f"{verification.date}; run by {verification.engine} on {verification.machine}.",
        f"{MARKS['fail']} {failures} checks failed." if failures else f"{MARKS['ok']} Nothing failed.",
        table(["check", *(SCENARIOS[name].title for name in columns)], rows),
    ]
    return "\n\n".join([*parts, *(["## Why", "\n".join(reasons)] if reasons else [])]) + "\n"


def _fits(finding: Finding) -> bool:
    return finding.mark == "none" or (finding.mark == "ok" and len(finding.text) <= MAX_CELL)


def _cell(finding: Finding) -> str:
    mark = MARKS[finding.mark]
    return f"{mark} {_line(finding.text)}" if finding.mark == "ok" and _fits(finding) else mark


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def render_json(verification: Verification) -> str:
    report = {"ok": verification.failures == 0, **asdict(verification)}
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"
