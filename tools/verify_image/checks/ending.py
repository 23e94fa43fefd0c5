"""How it stops, and what it has said by then."""

from __future__ import annotations

import json
import time

from tools.verify_image.finding import Finding, fail, ok, warn
from tools.verify_image.trial import Trial

TIERS = frozenset({"gateway", "vlm"})


def check_stop(trial: Trial) -> Finding:
    code = trial.container.exit_code()
    if code is not None:
        return fail("stop.before", code=code)
    start = time.monotonic()
    trial.container.terminate()
    trial.wait(lambda: False, trial.limits.grace)
    code = trial.container.exit_code()
    if code is None:
        return fail("stop.never", seconds=trial.limits.grace)
    return ok("stop.ok", seconds=time.monotonic() - start) if code == 0 else fail("stop.code", code=code)


def check_log(trial: Trial) -> Finding:
    """Each line is one JSON object, and both tiers are heard."""
    tiers, strays = set(), []
    for line in filter(str.strip, trial.container.log().splitlines()):
        tier = _tier(line)
        if tier:
            tiers.add(tier)
        else:
            strays.append(line)
    if missing := sorted(TIERS - tiers):
        return fail("log.missing", tiers=", ".join(missing))
    return warn("log.strays", count=len(strays), line=strays[0][:200]) if strays else ok("log.ok")


def _tier(line: str) -> str | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return str(entry.get("logger", "")).partition(".")[0] if isinstance(entry, dict) else None
