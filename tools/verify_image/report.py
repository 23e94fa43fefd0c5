"""A verification as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.report import table
from tools.verify_image.finding import Finding, Mark
from tools.verify_image.texts import CHECK, CHECKS, HEADER, NO_GPU, SCENARIOS, TEXTS, TITLE, VERDICT, WHY, Language

MARKS: Mapping[Mark, str] = {"ok": "✅", "warn": "⚠️", "fail": "❌", "none": "–"}
LONGEST = 60
"""Characters of what was found that a cell holds."""


@dataclass(frozen=True, slots=True)
class Verification:
    """`findings`: of each scenario, in the order of columns, each check's, in the order of rows. `gpu`: its name."""

    image: str
    engine: str
    when: str
    machine: str
    cpus: int
    gpu: str | None
    findings: Mapping[str, Mapping[str, Finding]]

    @property
    def failures(self) -> int:
        return sum(finding.mark == "fail" for column in self.findings.values() for finding in column.values())


def sentence(finding: Finding, language: Language) -> str:
    return TEXTS[finding.text][language].format(**finding.values)


def markdown(verification: Verification, language: Language) -> str:
    """The table, and below it a reason for each mark that is no ✅, by number."""
    reasons: dict[str, list[str]] = {}
    rows = [
        [
            CHECKS[check][language],
            *(_cell(verification, scenario, check, language, reasons) for scenario in verification.findings),
        ]
        for check in CHECKS
    ]
    header = [CHECK[language], *(SCENARIOS[scenario][language] for scenario in verification.findings)]
    parts = [*_head(verification, language), table(header, rows), *_why(reasons, language)]
    return "\n\n".join(parts) + "\n"


def _head(verification: Verification, language: Language) -> list[str]:
    told = {
        "when": verification.when,
        "engine": verification.engine,
        "cpus": verification.cpus,
        "machine": verification.machine,
        "gpu": verification.gpu or NO_GPU[language],
    }
    failures = verification.failures
    verdict = f"{MARKS['fail' if failures else 'ok']} {VERDICT[not failures][language].format(count=failures)}"
    return [f"# {TITLE[language].format(image=verification.image)}", HEADER[language].format(**told), verdict]


def _cell(
    verification: Verification, scenario: str, check: str, language: Language, reasons: dict[str, list[str]]
) -> str:
    finding = verification.findings[scenario][check]
    said, mark = _in_a_line(sentence(finding, language)), MARKS[finding.mark]
    if finding.mark == "ok" and len(said) <= LONGEST:
        return f"{mark} {said}"
    if finding.mark == "none":
        return mark
    is_all_there_is = all(other == finding for other in verification.findings[scenario].values())
    column = SCENARIOS[scenario][language]
    place = column if is_all_there_is else f"{column}: {CHECKS[check][language]}"
    if place not in reasons.setdefault(f"{mark} {said}", []):
        reasons[f"{mark} {said}"].append(place)
    return f"{mark} ({list(reasons).index(f'{mark} {said}') + 1})"


def _why(reasons: Mapping[str, list[str]], language: Language) -> list[str]:
    if not reasons:
        return []
    lines = [f"{number}. {said} *({'; '.join(places)})*" for number, (said, places) in enumerate(reasons.items(), 1)]
    return [f"## {WHY[language]}", "\n".join(lines)]


def _in_a_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def as_json(verification: Verification) -> str:
    """For programs: marks, sentences in both languages and the values in them."""
    report = {
        "image": verification.image,
        "engine": verification.engine,
        "when": verification.when,
        "machine": verification.machine,
        "cpus": verification.cpus,
        "gpu": verification.gpu,
        "ok": verification.failures == 0,
        "scenarios": {
            scenario: {check: _entry(finding) for check, finding in column.items()}
            for scenario, column in verification.findings.items()
        },
    }
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def _entry(finding: Finding) -> dict[str, object]:
    texts = {language: sentence(finding, language) for language in ("en", "ru")}
    return {"mark": finding.mark, "finding": finding.text, "values": dict(finding.values), **texts}
