"""The report from made-up findings."""

from __future__ import annotations

import json

from tools.verify_image.checks import CHECKS, Finding
from tools.verify_image.report import Verification, render_json, render_markdown


def verification(**columns: dict[str, Finding]) -> Verification:
    whole = {name: dict.fromkeys(CHECKS, Finding("ok", "1.2 s")) | column for name, column in columns.items()}
    return Verification("localhost/made-up", "podman", "2026-01-02 03:04 UTC", "4 cores", whole)


def cells(text: str, row: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split(" | ")][1:]


def test_scenarios_are_columns() -> None:
    text = render_markdown(verification(default={}, root={"port": Finding("none", "not reached")}))
    assert cells(text, "check") == ["as it is", "root"]
    assert cells(text, "port") == ["✅ 1.2 s", "–"]
    assert "Nothing failed." in text
    assert "## Why" not in text


def test_failures_are_explained() -> None:
    findings = {"SIGTERM": Finding("fail", "exit code | 7\nnot 0"), "engine ready": Finding("ok", "word " * 40)}
    text = render_markdown(verification(default=findings))
    assert "1 checks failed." in text
    assert (cells(text, "SIGTERM"), cells(text, "engine ready")) == (["❌"], ["✅"])
    assert "- ❌ as it is, SIGTERM: exit code \\| 7 not 0\n" in text
    assert "- ✅ as it is, engine ready: word word" in text


def test_json() -> None:
    report = json.loads(render_json(verification(root={"SIGTERM": Finding("fail", "exit code 7")})))
    assert report["ok"] is False
    assert report["scenarios"]["root"]["SIGTERM"] == {"mark": "fail", "text": "exit code 7"}
    assert json.loads(render_json(verification(root={})))["ok"] is True
