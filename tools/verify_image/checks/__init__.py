"""What is looked at in a running container, one row of the report each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tools.verify_image.checks.ending import check_log, check_stop
from tools.verify_image.checks.inside import check_doctor, check_folders, check_imports, check_nccl
from tools.verify_image.checks.probes import check_engine, check_health, check_start
from tools.verify_image.checks.reading import check_example, check_pages, check_russian_example
from tools.verify_image.checks.sockets import check_port, check_user
from tools.verify_image.finding import Finding, fail, none
from tools.verify_image.trial import Trial

Check = Callable[[Trial], Finding]

CHECKS: Mapping[str, Check] = {
    "start": check_start,
    "engine": check_engine,
    "health": check_health,
    "example": check_example,
    "russian": check_russian_example,
    "port": check_port,
    "user": check_user,
    "pages": check_pages,
    "folders": check_folders,
    "imports": check_imports,
    "nccl": check_nccl,
    "doctor": check_doctor,
    "stop": check_stop,
    "log": check_log,
}
"""In the order in which they are made: each but the first needs what the first has found."""
ALWAYS = frozenset({"stop", "log"})
"""Made even where it has not started: it may run all the same, and its log says why."""


def findings(trial: Trial) -> Iterator[tuple[str, Finding]]:
    """Never raises: a check that fails itself is a finding too."""
    started = True
    for name, check in CHECKS.items():
        found = _found(check, trial) if started or name in ALWAYS else none("not-reached")
        started = started and not (name == "start" and found.mark == "fail")
        yield name, found


def _found(check: Check, trial: Trial) -> Finding:
    try:
        return check(trial)
    except Exception as error:
        return fail("check-failed", error=f"{type(error).__name__}: {error}")
