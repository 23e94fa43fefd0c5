"""Each check against a service with the flaw that it is there for."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.verify_image.checks import CHECKS
from scripts.verify_image.engines.engine import Options
from scripts.verify_image.finding import Finding
from scripts.verify_image.report import sentence
from scripts.verify_image.scenarios import SCENARIOS, Scenario
from scripts.verify_image.trial import Limits
from scripts.verify_image.verification import column
from tests.supervision.support import ROOT
from tests.verify_image.support import BRIEF, ProcessEngine, image

PLAIN = Scenario(Options())
REFUSAL = Scenario(Options(), has_engine=False)


def found(folder: Path, flaw: str, scenario: Scenario = PLAIN) -> dict[str, Finding]:
    return column(ProcessEngine(image(folder, FLAW=flaw), folder), scenario, BRIEF)


def failed(findings: dict[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.mark in ("warn", "fail")}


def test_nothing_is_found_in_a_service_that_works(tmp_path: Path) -> None:
    findings = found(tmp_path, "")
    assert failed(findings) == set()
    assert [name for name, finding in findings.items() if finding.mark == "none"] == ["nccl"]
    assert list(findings) == list(CHECKS)


FLAWS = {
    "text": ({"example", "russian"}, "The text is wrong"),
    "refusal": ({"example", "russian"}, "/ocr answers 500"),
    "silent": ({"health"}, "/readyz answers 503 without a reason"),
    "page": ({"pages"}, "/docs answers 404"),
    "local": ({"port"}, "open to loopback only"),
    "open": ({"port"}, "is open to everybody"),
    "full": ({"folders"}, "OUTPUT_DIR can't be written: No space left on device"),
    "import": ({"imports"}, "In the gateway's environment: ImportError: libGL.so.1"),
    "doctor": ({"doctor"}, "The doctor finds: packages: they are there"),
    "disk": ({"doctor"}, "The doctor warns: disk: 3 GB are free"),
    "stubborn": ({"stop"}, "It still runs 1 s after SIGTERM"),
    "code": ({"stop"}, "exit code 1, not 0"),
    "print": ({"log"}, "1 lines are no JSON objects, for example: this is no JSON"),
    "tier": ({"log"}, "Nothing in the log is from: vlm."),
}


@pytest.mark.parametrize(("flaw", "checks", "said"), [(flaw, *expected) for flaw, expected in FLAWS.items()], ids=FLAWS)
def test_a_flaw_is_found_by_its_check_and_by_no_other(tmp_path: Path, flaw: str, checks: set[str], said: str) -> None:
    findings = found(tmp_path, flaw)
    assert failed(findings) == checks
    assert said in sentence(findings[min(checks)], "en")


def test_a_service_that_is_never_ready_is_quoted_and_asked_for_nothing(tmp_path: Path) -> None:
    findings = found(tmp_path, "loading")
    assert failed(findings) == {"engine"}
    assert sentence(findings["engine"], "en") == "Not ready after 3 s: the layout model is loading"
    assert findings["example"].mark == "none"


def test_probes_that_contradict_health_are_found(tmp_path: Path) -> None:
    findings = found(tmp_path, "liar")
    assert failed(findings) == {"engine", "health"}
    assert "/readyz 503" in sentence(findings["health"], "en")


def test_a_service_that_dies_is_quoted(tmp_path: Path) -> None:
    findings = found(tmp_path, "death")
    assert failed(findings) == {"start", "stop"}
    assert "exit code 3. Its last words: vlm begins" in sentence(findings["start"], "en")


def test_a_wrong_port_is_found_and_the_container_stopped_all_the_same(tmp_path: Path) -> None:
    engine = ProcessEngine(image(tmp_path, FLAW="port"), tmp_path)
    findings = column(engine, PLAIN, replace(BRIEF, start=6))
    assert failed(findings) == {"start"}
    assert findings["stop"].mark == "ok"
    assert {findings[name].mark for name in findings.keys() - {"start", "stop", "log"}} == {"none"}


def test_a_folder_that_only_the_service_believes_in_is_found(tmp_path: Path) -> None:
    engine = ProcessEngine(image(tmp_path, HOME="/proc/none"), tmp_path)
    assert sentence(column(engine, PLAIN, BRIEF)["folders"], "en").startswith("HOME can't be written: ")


def test_another_user_than_the_one_wished_for_is_found(tmp_path: Path) -> None:
    """This engine can't change users."""
    findings = column(ProcessEngine(image(tmp_path), tmp_path), Scenario(Options(user="12345:0")), BRIEF)
    assert failed(findings) == {"user"}
    assert sentence(findings["user"], "en").endswith("not as 12345.")


def test_an_engine_that_cannot_start_has_to_say_why(tmp_path: Path) -> None:
    said = found(tmp_path, "driver", REFUSAL)
    assert failed(said) == set()
    assert sentence(said["engine"], "en") == "says why not: driver"
    silent = found(tmp_path, "mute", REFUSAL)
    assert failed(silent) == {"engine"}
    assert "does not say why" in sentence(silent["engine"], "en")


def test_an_engine_that_is_only_late_has_not_refused(tmp_path: Path) -> None:
    findings = found(tmp_path, "loading", REFUSAL)
    assert findings["engine"].mark == "warn"
    assert "still starting after 3 s" in sentence(findings["engine"], "en")


def test_vllm_that_cannot_be_imported_is_found_in_its_own_environment(tmp_path: Path) -> None:
    """The stand-in passes other programs on, and Python here has no vLLM."""
    engine = ProcessEngine(image(tmp_path, VLLM_PYTHON=sys.executable), tmp_path)
    findings = column(engine, PLAIN, BRIEF)
    assert sentence(findings["imports"], "en").startswith("In vLLM's environment: ModuleNotFoundError")
    assert findings["nccl"].mark == "warn"


def test_scenarios_of_vllm_are_for_images_that_have_it() -> None:
    assert {name for name, scenario in SCENARIOS.items() if scenario.needs_vllm} == {"gpu", "no-gpu"}


@pytest.mark.service
@pytest.mark.timeout(600)
def test_the_service_itself_passes(tmp_path: Path) -> None:
    entry_point = ("sh", str(ROOT / "docker" / "entrypoint.sh"))
    findings = column(ProcessEngine(image(tmp_path, entry_point), tmp_path), PLAIN, Limits())
    assert {name: sentence(findings[name], "en") for name in failed(findings)} == {}
