"""What is checked in a running container, one row of the report each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import httpx

from benchmarks.scoring import edit_distance, plain
from tests.support.examples import EXAMPLES, load_truth
from tools.verify_image.trial import Trial, last_line

Mark = Literal["ok", "warn", "fail", "none"]
"""`none`: there was nothing to check."""
PROBES = ("/livez", "/readyz", "/startupz")
ENGLISH, RUSSIAN = "article-en.png", "article-ru.png"
RIGHT, READABLE = 0.95, 0.75
"""Shares of a page's text. Engines read the examples to 0.98 and more."""
HTML_PAGES = ("/", "/docs", "/redoc")
LISTENING = "0A"
"""TCP_LISTEN in /proc/net/tcp."""
LOOPBACK = ("0100007F", "00000000000000000000000001000000")
TIERS = frozenset({"gateway", "vlm"})
WRITE = 'for folder in "$OUTPUT_DIR" "$TEMP_DIR" "$CACHE_DIR" "$HOME"; do rm "$(mktemp -p "$folder")" || exit 1; done'


@dataclass(frozen=True, slots=True)
class Finding:
    mark: Mark
    text: str


def check_start(trial: Trial) -> Finding:
    if trial.wait(lambda: trial.status("/livez") == 200, trial.limits.start):
        seconds = trial.age_s
        trial.early = {path: trial.client.get(path) for path in PROBES}
        return Finding("ok", f"{seconds:.1f} s")
    return _ended(trial) or Finding(
        "fail",
        f"Nothing answers on port {trial.port} after {trial.limits.start:.0f} s. "
        f"The log ends with: {trial.last_event()}",
    )


def _ended(trial: Trial) -> Finding | None:
    code = trial.container.exit_code()
    if code is None:
        return None
    return Finding("fail", f"The container ended with exit code {code}. The log ends with: {trial.last_event()}")


def check_engine(trial: Trial) -> Finding:
    """Ready, or given up with a reason where the scenario has none that can start."""
    has_engine = trial.scenario.has_engine
    seconds = trial.limits.ready_gpu if trial.scenario.options.gpu else trial.limits.ready
    is_settled = trial.wait(
        lambda: trial.status("/readyz") == 200 or (not has_engine and _vlm_state(trial) == "down"), seconds
    )
    health = trial.health()
    if not is_settled:
        reasons = "; ".join(health.get("reasons", []))
        undecided = Finding("fail" if has_engine else "warn", f"Not ready after {seconds:.0f} s: {reasons}")
        return _ended(trial) or undecided
    if health["vlm"]["state"] != "down":
        return Finding("ok", f"{trial.age_s:.1f} s, {health['vlm'].get('engine')}")
    if reason := health["vlm"].get("reason"):
        return Finding("ok", f"says why not: {reason}")
    return Finding("fail", "The engine is down, and /health does not say why (vlm.reason is empty).")


def _vlm_state(trial: Trial) -> object:
    return trial.health().get("vlm", {}).get("state")


def check_health(trial: Trial) -> Finding:
    """Probes agree with each other and with `/health`, while it loads and afterwards; what is not ready says why."""
    early, health = trial.early, trial.health()
    if early["/readyz"].status_code != 200 and not early["/readyz"].json().get("reasons"):
        return Finding("fail", f"/readyz answers {early['/readyz'].status_code} without a reason.")
    if early["/livez"].status_code != 200:
        return Finding("fail", f"/livez answers {early['/livez'].status_code} while the engine loads.")
    statuses = {path: trial.status(path) for path in PROBES}
    ready = statuses["/readyz"] == 200
    expected = {"/livez": 200, "/readyz": 200 if ready else 503, "/startupz": 200 if ready else 503}
    if statuses != expected or ready == bool(health.get("reasons")) or (health.get("status") == "healthy") != ready:
        told = ", ".join(f"{path} {status}" for path, status in statuses.items())
        return Finding("fail", f"The probes contradict /health, which says {health.get('status')}: {told}.")
    return Finding("ok", f"{early['/readyz'].status_code} at first, then ready" if ready else "alive, not ready")


def check_example(trial: Trial, name: str) -> Finding:
    """Reads an example. The first request is the one at which a lazy service initialises."""
    if trial.status("/readyz") != 200:
        return Finding("none", "not reached")
    start = time.monotonic()
    files = {"file": (name, (EXAMPLES / name).read_bytes())}
    try:
        answer = trial.client.post("/ocr", files=files, data={"format": "markdown"}, timeout=trial.limits.document)
    except httpx.TransportError as error:
        return Finding("fail", f"/ocr does not answer: {type(error).__name__}: {error}")
    seconds = time.monotonic() - start
    if answer.status_code != 200:
        return Finding("fail", f"/ocr answers {answer.status_code}: {answer.text[:300]}")
    share = 1 - edit_distance(answer.text, [plain(page.text()) for page in load_truth()[name].pages])
    mark: Mark = "ok" if share >= RIGHT else "warn" if share >= READABLE else "fail"
    return Finding(mark, f"{seconds:.1f} s, {share:.1%} of the text is right")


def check_port(trial: Trial) -> Finding:
    """The gateway listens to everybody, the engine to loopback only."""
    is_local = {port: local for port, _, local in _listeners(trial)}
    if trial.port not in is_local:
        return Finding("fail", f"Nothing listens on {trial.port} inside.")
    if is_local[trial.port]:
        return Finding("fail", f"Port {trial.port} is open to loopback only; no platform reaches it there.")
    if not is_local.get(trial.vlm_port, True):
        return Finding("fail", f"The engine's port {trial.vlm_port} is open to everybody, without keys and limits.")
    return Finding("ok", str(trial.port))


def check_user(trial: Trial) -> Finding:
    """Who holds the gateway's port is who runs it."""
    expected = int((trial.scenario.options.user or trial.image.user).partition(":")[0])
    users = {user for port, user, _ in _listeners(trial) if port == trial.port}
    if users != {expected}:
        return Finding("fail", f"The gateway runs as {', '.join(map(str, sorted(users)))}, not as {expected}.")
    return Finding("ok", str(expected))


def _listeners(trial: Trial) -> Iterator[tuple[int, int, bool]]:
    """Port, user, and whether only loopback is listened to."""
    done = trial.execute(["sh", "-c", "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true"])
    for line in done.stdout.decode().splitlines():
        fields = line.split()
        if len(fields) > 7 and fields[3] == LISTENING:
            address, _, port = fields[1].rpartition(":")
            yield int(port, 16), int(fields[7]), address in LOOPBACK


def check_pages(trial: Trial) -> Finding:
    for path in HTML_PAGES:
        answer = trial.client.get(path, headers={"Accept": "text/html"})
        kind = answer.headers.get("content-type", "")
        if answer.status_code != 200 or not kind.startswith("text/html"):
            return Finding("fail", f"{path} answers {answer.status_code} {kind}")
    answer = trial.client.get("/openapi.json")
    if answer.status_code != 200 or "/ocr" not in answer.json().get("paths", {}):
        return Finding("fail", f"/openapi.json answers {answer.status_code}")
    return Finding("ok", f"{len(HTML_PAGES) + 1} answer")


def check_folders(trial: Trial) -> Finding:
    """By `/health`, and by a file written in each."""
    health = trial.health()
    for name in ("output_dir", "temp_dir"):
        if not health.get(name, {}).get("writable"):
            return Finding("fail", f"{name.upper()} can't be written: {health.get(name, {}).get('reason')}")
    done = trial.execute(["sh", "-c", WRITE])
    return Finding("ok", "writable") if done.returncode == 0 else Finding("fail", done.stderr.decode(errors="replace"))


def check_doctor(trial: Trial) -> Finding:
    done = trial.execute(["doctor", "--json"])
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return Finding("fail", f"The doctor does not answer: {last_line(done.stderr.decode(errors='replace'))}")
    problems = [check for check in report["checks"] if check["status"] != "ok"]
    told = " ".join(f"{check['name']}: {check['detail']}" for check in problems)
    if report["ok"]:
        return Finding("warn", f"The doctor warns: {told}") if problems else Finding("ok", "no problem")
    if trial.scenario.has_engine:
        return Finding("fail", f"The doctor finds: {told}")
    return Finding("ok", f"names it: {', '.join(check['name'] for check in problems)}")


def check_stop(trial: Trial) -> Finding:
    if (code := trial.container.exit_code()) is not None:
        return Finding("fail", f"It had ended before SIGTERM, with exit code {code}.")
    start = time.monotonic()
    trial.container.terminate()
    trial.wait(lambda: False, trial.limits.grace)
    code = trial.container.exit_code()
    if code is None:
        return Finding("fail", f"It still runs {trial.limits.grace:.0f} s after SIGTERM; platforms kill it then.")
    if code != 0:
        return Finding("fail", f"SIGTERM ends it with exit code {code}, not 0.")
    return Finding("ok", f"exit code 0 after {time.monotonic() - start:.1f} s")


def check_log(trial: Trial) -> Finding:
    """Each line is one JSON object, and both tiers write."""
    tiers, others = set(), []
    for line in filter(str.strip, trial.container.log().splitlines()):
        try:
            tiers.add(str(json.loads(line)["logger"]).partition(".")[0])
        except (ValueError, KeyError, TypeError):
            others.append(line)
    if missing := sorted(TIERS - tiers):
        return Finding("fail", f"No line of the log is from: {', '.join(missing)}.")
    if others:
        return Finding("warn", f"{len(others)} lines are no JSON objects, for example: {others[0][:200]}")
    return Finding("ok", "JSON, both tiers")


CHECKS: Mapping[str, Callable[[Trial], Finding]] = {
    "gateway starts": check_start,
    "engine ready": check_engine,
    "probes tell the truth": check_health,
    "first document": partial(check_example, name=ENGLISH),
    "Russian document": partial(check_example, name=RUSSIAN),
    "port": check_port,
    "user": check_user,
    "web pages": check_pages,
    "folders": check_folders,
    "doctor": check_doctor,
    "SIGTERM": check_stop,
    "log": check_log,
}
"""By title, in the order in which they run: each but the first needs what the first has found."""
ALWAYS = (check_stop, check_log)
"""Run even where the service did not start: the container may run all the same, and its log says why."""


def run_checks(trial: Trial) -> dict[str, Finding]:
    """Never raises: a check that fails itself is a finding too."""
    findings: dict[str, Finding] = {}
    started = True
    for title, check in CHECKS.items():
        if not started and check not in ALWAYS:
            findings[title] = Finding("none", "not reached")
            continue
        try:
            findings[title] = check(trial)
        except Exception as error:
            findings[title] = Finding("fail", f"The check itself failed: {type(error).__name__}: {error}")
        started = started and not (check is check_start and findings[title].mark == "fail")
    return findings
