"""The service that a subcommand uses: the one that is named, the one of this machine, or one that is started for it."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from paddleocr_vl_client.client import Client
from paddleocr_vl_client.commands.failures import CommandError, ExitStatus, say
from paddleocr_vl_client.connections import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE, find_endpoint
from paddleocr_vl_client.errors import APIConnectionError, APIError, APIStatusError, InvalidResponseError
from paddleocr_vl_client.pauses import RetryPolicy

_ONCE = RetryPolicy(max_retries=0)
_PROBE_TIMEOUT_S = 10.0
_POLL_S = 0.5
_STOP_S = 40.0
"""A service that is told to stop finishes what it has in work, for 30 s at most."""


def add_service_arguments(parser: argparse.ArgumentParser, several: bool = False, starts_service: bool = True) -> None:
    """`several`: `--url` may be given several times, and is a list. `starts_service`: as in `open_client`."""
    started = ", else one that is started for this command" if starts_service else ""
    group = parser.add_argument_group("service")
    group.add_argument(
        "--url",
        action="append" if several else "store",
        default=[] if several else None,
        help=f"address of the service; default: {URL_VARIABLE}, else port 8081 (PORT) of this machine{started}. "
        f"Its API key is taken from {KEY_VARIABLE}",
    )
    group.add_argument(
        "--wait", type=float, default=900, metavar="SECONDS", help="how long to wait for a service that is not ready"
    )


@contextmanager
def open_client(options: argparse.Namespace, starts_service: bool = True) -> Iterator[Client]:
    """A client of a service that is ready. One that is started here is stopped at the end.

    `options`: those of `add_service_arguments`. Raises CommandError where there is none, or it does not get ready.
    """
    with open_service(options.url, options.wait, starts_service) as url, Client(url) as client:
        yield client


@contextmanager
def open_service(url: str | None, wait_s: float, starts_service: bool = True) -> Iterator[str]:
    """The URL of a service that is ready, as `open_client` finds it; `url` None: of this machine, or started."""
    with ExitStack() as stack:
        named = url or os.environ.get(URL_VARIABLE)
        url = check_url(named or _local_url())
        if not named and starts_service and not _is_service(url):
            say("No service runs here: one is started, and stopped at the end.")
            url = stack.enter_context(_start_service(wait_s))
        elif starts_service:
            _wait_until_ready(url, wait_s)
        else:
            ask_health(url)
        yield url


def check_url(url: str) -> str:
    """The URL as clients use it. CommandError where it is none, or the environment's key can't be sent."""
    try:
        return find_endpoint(url, None, _PROBE_TIMEOUT_S).base_url
    except ValueError as error:
        raise CommandError(str(error), ExitStatus.USAGE) from error


def _local_url() -> str:
    """Where `paddleocr-vl serve` listens that is started with the same PORT."""
    port = os.environ.get("PORT")
    return f"http://127.0.0.1:{port}" if port else DEFAULT_URL


def _is_service(url: str) -> bool:
    """False too where something else has the port."""
    try:
        ask_health(url)
    except (APIError, CommandError):
        return False
    return True


def _wait_until_ready(url: str, wait_s: float, process: subprocess.Popen[bytes] | None = None) -> None:
    """APIError where nothing answers, unless a `process` is to be waited for."""
    deadline, is_told = time.monotonic() + wait_s, process is not None
    while True:
        try:
            reasons = ask_health(url)
        except APIConnectionError as error:
            if process is None:
                raise
            reasons = [str(error)]
        if not reasons:
            return
        sentence = f"The service at {url} is not ready: {reasons[0]}"
        if process is not None and process.poll() is not None:
            raise CommandError("The service that was started has ended.", ExitStatus.NO_SERVICE)
        if time.monotonic() > deadline:
            raise CommandError(sentence, ExitStatus.NO_SERVICE)
        if not is_told:
            say(f"{sentence} Waiting.")
            is_told = True
        time.sleep(_POLL_S)


def ask_health(url: str, api_key: str | None = None) -> list[str]:
    """Why the service is not ready; empty when it is. APIConnectionError where nothing answers, CommandError where
    something else does."""
    try:
        with Client(url, api_key=api_key, timeout_s=_PROBE_TIMEOUT_S, retries=_ONCE) as client:
            return [str(reason) for reason in client.health()["reasons"]]
    except (InvalidResponseError, APIStatusError, LookupError) as error:
        raise CommandError(f"What answers at {url} is not this service. {error}", ExitStatus.NO_SERVICE) from error


@contextmanager
def _start_service(wait_s: float) -> Iterator[str]:
    """The URL of a service of this command's own, with its files in a temporary folder.

    What it downloads stays in the user's cache. That is its working folder too, so that no `.env` of the
    caller's counts.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paddleocr-vl"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="paddleocr-vl-", ignore_cleanup_errors=True) as folder:
        log = Path(folder, "log")
        port = _free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervision.launch"],
                cwd=cache,
                env=_environment(folder, cache, port),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C goes to this command alone, which then stops the service
            )
        url = f"http://127.0.0.1:{port}"
        try:
            try:
                _wait_until_ready(url, wait_s, process)
            except CommandError as error:
                raise CommandError(f"{error} {_last_line(log)}".strip(), ExitStatus.NO_SERVICE) from error
            yield url
        finally:
            _stop(process)


def _environment(folder: str, cache: Path, port: int) -> dict[str, str]:
    places = {name: str(Path(folder, name.lower())) for name in ("OUTPUT_DIR", "TEMP_DIR", "DATA_DIR")}
    own = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "VLM_PORT": str(_free_port()),
        "API_KEYS": os.environ.get(KEY_VARIABLE, ""),
        "LAYOUT_CACHE_DIR": str(cache / "layout"),
    }
    return {**os.environ, **places, **own}


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
            return
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
