"""An image in every scenario, one after the other."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from tools.verify_image.checks import CHECKS, findings
from tools.verify_image.engines.engine import Engine, run
from tools.verify_image.finding import Finding, fail, none
from tools.verify_image.report import Verification
from tools.verify_image.scenarios import Scenario
from tools.verify_image.trial import Limits, begun


def verify(
    engine: Engine, scenarios: Mapping[str, Scenario], limits: Limits
) -> Iterator[tuple[str, dict[str, Finding]]]:
    """Each scenario's name and findings, as soon as they are there."""
    for name, scenario in scenarios.items():
        yield name, column(engine, scenario, limits)


def column(engine: Engine, scenario: Scenario, limits: Limits) -> dict[str, Finding]:
    if untried := engine.inability(scenario.options):
        return dict.fromkeys(CHECKS, untried)
    try:
        with begun(engine, scenario, limits) as trial:
            return dict(findings(trial))
    except RuntimeError as error:
        return dict.fromkeys(CHECKS, none("not-reached")) | {"start": fail("start.refused", words=str(error))}


def reported(engine: Engine, columns: Mapping[str, Mapping[str, Finding]]) -> Verification:
    return Verification(
        image=engine.image.name,
        engine=engine.name,
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=platform.machine(),
        cpus=os.cpu_count() or 1,
        gpu=_gpu(),
        findings=columns,
    )


def _gpu() -> str | None:
    if not shutil.which("nvidia-smi"):
        return None
    try:
        return run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], 30).splitlines()[0]
    except (RuntimeError, IndexError):
        return None
