"""What programs find that run in the container beside the service."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from tools.verify_image.client import last_line
from tools.verify_image.finding import Finding, fail, none, ok, warn
from tools.verify_image.image import FOLDERS
from tools.verify_image.trial import Trial

GATEWAY = """
import importlib.util, sys
import gateway.app, vlm_backend.embedded.server
found = [name for name in ("torch", "vllm", "paddle") if importlib.util.find_spec(name)]
sys.exit(f"{', '.join(found)} beside the gateway" if found else 0)
"""
"""Another torch, and with it another NCCL, in the gateway's environment is what broke vLLM in the past."""
VLLM = "import torch, vllm; print('torch', torch.__version__ + ', vLLM', vllm.__version__)"
WRITE = f"""
import json, os, tempfile
said = {{}}
for name in ({", ".join(map(repr, FOLDERS))}, "HOME"):
    try:
        tempfile.NamedTemporaryFile(dir=os.environ[name]).close()
    except (KeyError, OSError) as error:
        said[name] = str(error)
print(json.dumps(said))
"""
"""In the environment that the entry point makes, in which all of them name a place."""
NCCL = ("nccl-files", "nccl")


def check_imports(trial: Trial) -> Finding:
    gateway = trial.execute(["python", "-c", GATEWAY])
    if gateway.returncode != 0:
        return fail("imports.gateway", words=last_line(gateway.stderr))
    if not trial.image.has_vllm:
        return ok("imports.ok")
    vllm = trial.execute([trial.image.environment["VLLM_PYTHON"], "-c", VLLM])
    if vllm.returncode != 0:
        return fail("imports.vllm", words=last_line(vllm.stderr))
    return ok("imports.vllm-ok", versions=last_line(vllm.stdout))


def check_folders(trial: Trial) -> Finding:
    """By the service's own word, and by writing a file."""
    health = trial.health()
    for name in ("output_dir", "temp_dir"):
        if not health.get(name, {}).get("writable"):
            return fail("folders.unwritable", name=name.upper(), error=str(health.get(name, {}).get("reason")))
    done = trial.execute(["python", "-c", WRITE])
    if done.returncode != 0:
        return fail("folders.unwritable", name="TMPDIR", error=last_line(done.stderr))
    for name, error in json.loads(done.stdout).items():
        return fail("folders.unwritable", name=name, error=error)
    return ok("folders.ok")


def check_doctor(trial: Trial) -> Finding:
    report = _report(trial)
    problems = [check for check in report["checks"] if check["status"] != "ok"]
    told = " ".join(f"{check['name']}: {check['detail']}" for check in problems)
    if not report["ok"] and trial.scenario.has_engine:
        return fail("doctor.fail", told=told)
    if not report["ok"]:
        return ok("doctor.refused", names=", ".join(check["name"] for check in problems))
    return warn("doctor.warn", told=told) if problems else ok("doctor.ok", count=len(report["checks"]))


def check_nccl(trial: Trial) -> Finding:
    if not trial.image.has_vllm:
        return none("nccl.none")
    found = [check for check in _report(trial, "--engine", "vllm")["checks"] if check["name"] in NCCL]
    if not found:
        return warn("nccl.unexamined")
    worst = min(found, key=lambda check: ("fail", "warn", "ok").index(check["status"]))
    return Finding(worst["status"], "nccl.said", {"told": worst["detail"]})


def _report(trial: Trial, *arguments: str) -> dict[str, Any]:
    """ValueError where the doctor does not answer."""
    done = trial.execute(["doctor", "--json", *arguments])
    with contextlib.suppress(ValueError):
        return dict(json.loads(done.stdout))
    raise ValueError(f"the doctor did not answer: {last_line(done.stderr)}")
