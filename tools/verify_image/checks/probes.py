"""Start, readiness, and whether what the probes say is true."""

from __future__ import annotations

from typing import Any

from tools.verify_image.finding import Finding, fail, ok, warn
from tools.verify_image.trial import Trial

PROBES = ("/livez", "/readyz", "/startupz")


def check_start(trial: Trial) -> Finding:
    if not trial.wait(lambda: trial.status("/livez") == 200, trial.limits.start):
        return _unstarted(trial)
    seconds = trial.age
    trial.early = {path: trial.client.get(path) for path in PROBES}
    return ok("start.ok", seconds=seconds)


def _unstarted(trial: Trial) -> Finding:
    code = trial.container.exit_code()
    if code is not None:
        return fail("start.ended", code=code, words=trial.last_words())
    return fail("start.silent", port=trial.ports.gateway, seconds=trial.limits.start, words=trial.last_words())


def check_engine(trial: Trial) -> Finding:
    return _readiness(trial) if trial.scenario.has_engine else _refusal(trial)


def _readiness(trial: Trial) -> Finding:
    seconds = trial.limits.ready_gpu if trial.scenario.options.gpu else trial.limits.ready
    if trial.wait(lambda: trial.status("/readyz") == 200, seconds):
        return ok("engine.ok", seconds=trial.age, engine=str(vlm(trial).get("engine")))
    code = trial.container.exit_code()
    if code is not None:
        return fail("start.ended", code=code, words=trial.last_words())
    return fail("engine.unready", seconds=seconds, reasons="; ".join(trial.health().get("reasons", [])))


def _refusal(trial: Trial) -> Finding:
    """An engine that can't start here has to be given up, and to say why. One that is tried again and again is not."""
    if trial.wait(lambda: vlm(trial).get("state") in ("down", "ready"), trial.limits.ready):
        reason = vlm(trial).get("reason")
        if vlm(trial).get("state") == "ready":
            return ok("engine.ok", seconds=trial.age, engine=str(vlm(trial).get("engine")))
        return ok("engine.refused", reason=reason) if reason else fail("engine.no-reason", state="down")
    told = vlm(trial)
    reason = str(told.get("reason") or "")
    return warn("engine.undecided", seconds=trial.limits.ready, state=str(told.get("state")), reason=reason)


def vlm(trial: Trial) -> dict[str, Any]:
    found = trial.health().get("vlm")
    return found if isinstance(found, dict) else {}


def check_health(trial: Trial) -> Finding:
    """Probes agree with each other and with `/health`, while it loads and afterwards; what is not ready says why."""
    early, reasons = trial.early["/readyz"], trial.health().get("reasons")
    if early.status_code != 200 and not early.json().get("reasons"):
        return fail("health.silent", status=early.status_code)
    if trial.early["/livez"].status_code != 200:
        return fail("health.not-alive", status=trial.early["/livez"].status_code)
    statuses = {path: trial.status(path) for path in PROBES}
    ready = statuses["/readyz"] == 200
    expected = {"/livez": 200, "/readyz": 200 if ready else 503, "/startupz": 200 if ready else 503}
    if statuses != expected or ready == bool(reasons) or (trial.health().get("status") == "healthy") != ready:
        told = ", ".join(f"{path} {status}" for path, status in statuses.items())
        return fail("health.contradiction", told=told, status=str(trial.health().get("status")))
    return ok("health.ok" if ready else "health.unready", early=early.status_code)
