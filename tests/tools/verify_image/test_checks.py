"""Each check against a service with the flaw that it is there for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.supervision.support import ROOT
from tests.support.missing import needs_russian
from tests.tools.verify_image.support import BRIEF, ProcessEngine, image
from tools.verify_image.__main__ import verify_scenario
from tools.verify_image.checks import CHECKS, Finding
from tools.verify_image.image import Options
from tools.verify_image.trial import Limits, Scenario

PLAIN = Scenario("plain")
REFUSAL = Scenario("no engine", has_engine=False)


def verify(folder: Path, flaw: str, scenario: Scenario = PLAIN, limits: Limits = BRIEF) -> dict[str, Finding]:
    return verify_scenario(ProcessEngine(image(folder, FLAW=flaw), folder), scenario, limits)


def failed(findings: dict[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.mark in ("warn", "fail")}


def test_working_service_passes(tmp_path: Path) -> None:
    findings = verify(tmp_path, "")
    assert {finding.mark for finding in findings.values()} == {"ok"}
    assert list(findings) == list(CHECKS)


FLAWS = {
    "text": ({"first document", "Russian document"}, "of the text is right"),
    "refusal": ({"first document", "Russian document"}, "/ocr answers 500"),
    "silent": ({"probes tell the truth"}, "/readyz answers 503 without a reason"),
    "page": ({"web pages"}, "/docs answers 404"),
    "local": ({"port"}, "open to loopback only"),
    "open": ({"port"}, "is open to everybody"),
    "full": ({"folders"}, "OUTPUT_DIR can't be written: No space left on device"),
    "doctor": ({"doctor"}, "The doctor finds: packages: they are there"),
    "disk": ({"doctor"}, "The doctor warns: disk: 3 GB are free"),
    "stubborn": ({"SIGTERM"}, "It still runs 1 s after SIGTERM"),
    "code": ({"SIGTERM"}, "exit code 1, not 0"),
    "print": ({"log"}, "1 lines are no JSON objects, for example: this is no JSON"),
    "tier": ({"log"}, "No line of the log is from: vlm."),
    "loading": ({"engine ready"}, "Not ready after 3 s: the layout model is loading"),
    "liar": ({"engine ready", "probes tell the truth"}, "Not ready after 3 s"),
    "death": ({"gateway starts", "SIGTERM"}, "before SIGTERM, with exit code 3"),
}


@pytest.mark.parametrize(("flaw", "checks", "said"), [(flaw, *expected) for flaw, expected in FLAWS.items()], ids=FLAWS)
def test_flaw_fails_its_check_only(tmp_path: Path, flaw: str, checks: set[str], said: str) -> None:
    findings = verify(tmp_path, flaw)
    assert failed(findings) == checks
    assert said in findings[min(checks)].text


def test_dead_service_is_quoted(tmp_path: Path) -> None:
    assert verify(tmp_path, "death")["gateway starts"].text.endswith("exit code 3. The log ends with: vlm begins")


def test_wrong_port_still_stops(tmp_path: Path) -> None:
    findings = verify(tmp_path, "port", limits=replace(BRIEF, start=6))
    assert failed(findings) == {"gateway starts"}
    assert findings["SIGTERM"].mark == "ok"
    assert {findings[name].mark for name in findings.keys() - {"gateway starts", "SIGTERM", "log"}} == {"none"}


def test_unwritable_home(tmp_path: Path) -> None:
    findings = verify_scenario(ProcessEngine(image(tmp_path, HOME="/proc/none"), tmp_path), PLAIN, BRIEF)
    assert failed(findings) == {"folders"}
    assert "/proc/none" in findings["folders"].text


def test_wrong_user(tmp_path: Path) -> None:
    """This engine can't change users."""
    findings = verify(tmp_path, "", Scenario("another user", Options(user="12345:0")))
    assert failed(findings) == {"user"}
    assert findings["user"].text.endswith("not as 12345.")


@pytest.mark.parametrize(
    ("flaw", "mark", "said"),
    [("driver", "ok", "says why not: driver"), ("mute", "fail", "does not say why"), ("loading", "warn", "Not ready")],
)
def test_missing_engine_has_to_say_why(tmp_path: Path, flaw: str, mark: str, said: str) -> None:
    finding = verify(tmp_path, flaw, REFUSAL)["engine ready"]
    assert finding.mark == mark
    assert said in finding.text


@needs_russian
@pytest.mark.service
@pytest.mark.timeout(600)
def test_the_service_itself_passes(tmp_path: Path) -> None:
    entry_point = ("sh", str(ROOT / "docker" / "entrypoint.sh"))
    # As the images have it.
    service = image(tmp_path, entry_point, HOST="0.0.0.0")
    findings = verify_scenario(ProcessEngine(service, tmp_path), PLAIN, Limits())
    assert {name: findings[name].text for name in failed(findings)} == {}
