"""The user the engine runs as."""

from __future__ import annotations

import os
import pwd

from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, ok, warn

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")
"""What getpass.getuser() asks before the list of users."""


def check_user(facts: Facts) -> Finding:
    uid = os.getuid()
    name = _entry(uid)
    given = next((facts.environment[variable] for variable in NAMES if facts.environment.get(variable)), None)
    if name is None and given is None:
        return warn(
            f"User id {uid} has no name, and neither USER nor LOGNAME is set: torch fails when it asks for it.",
            "Set USER and LOGNAME to any name.",
        )
    who = f"User {name} (id {uid})" if name else f"User id {uid} has no name; the engine is told {given}"
    return ok(f"{who}. HOME={facts.environment.get('HOME', '(not set)')}{_replaced(facts)}.")


def _replaced(facts: Facts) -> str:
    """HOME as it came, where the engine gets another one."""
    ours = os.environ.get("HOME")
    if ours == facts.environment.get("HOME"):
        return ""
    return f", because {ours or os.path.expanduser('~')} cannot be written"


def _entry(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
