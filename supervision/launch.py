"""Checks what can be checked before the service starts, then becomes supervisord.

Everything that a person can put right (a setting, a port, a folder) is said here in one sentence, before two programs
that restart and restart bury it in their logs. Belongs to neither tier and may read both settings tables.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from common.contracts import supervision_file, tier_file
from common.memory import HUGE_PAGES
from common.remedies import IS_INSTALLED, OPENCV_REMEDY, opencv_problem
from gateway.settings import Settings as GatewaySettings
from supervision.cli import import_environment
from supervision.run_dir import VARIABLE
from supervision.settings import Settings as StartSettings
from supervision.state import ExitCode
from vlm_backend.choice import choose_engine
from vlm_backend.settings import Settings as VlmSettings
from vlm_backend.status import status_file

PACKAGE = Path(__file__).resolve().parent
CONFIGURATION = (PACKAGE if IS_INSTALLED else PACKAGE.parent) / "supervisord.conf"
"""A wheel holds the file in this package; a checkout has it at its top, for people to see."""
PROGRAM_SCRIPT = PACKAGE / "program.sh"
VLM_ADDRESS = "127.0.0.1"


def say(sentence: str) -> None:
    sys.stderr.write(f"paddleocr-vl-service: {sentence}\n")
    sys.stderr.flush()


def start_command(name: str, value: object) -> str:
    """How a person starts the service with the setting `name`."""
    return f"{name}={value} paddleocr-vl serve" if IS_INSTALLED else f"make run {name}={value}"


def find_setting_problems(*tables: type[BaseSettings]) -> list[str]:
    """One sentence for each setting that a table does not accept, and for settings that do not go together; what both
    tables have is named once."""
    sentences: dict[str, None] = {}
    for table in tables:
        try:
            table()
        except ValidationError as error:
            sentences |= dict.fromkeys(map(_describe_problem, error.errors()))
    return list(sentences)


def _describe_problem(item: ErrorDetails) -> str:
    if not item["loc"]:  # the input is all settings then, keys and passwords too
        return f"{item['msg'].removeprefix('Value error, ')}."
    return f"{str(item['loc'][0]).upper()}={item['input']} is not accepted: {item['msg']}."


def find_port_problem(host: str, port: int, name: str) -> str | None:
    """Why nothing can listen at `host:port`, as a sentence that names the setting; None if something can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        return f"HOST={host} is neither an address nor a name of this machine."
    except OSError as error:
        other = port + 1 if port < 65535 else port - 1
        match error.errno:
            case errno.EADDRINUSE:
                return f"port {port} ({name}) is already in use; choose another one: {start_command(name, other)}"
            case errno.EACCES:
                return (
                    f"port {port} ({name}) needs root; choose one above 1023, for example: {start_command(name, 8081)}"
                )
            case errno.EADDRNOTAVAIL:
                return f"HOST={host} is not an address of this machine."
        return f"port {port} ({name}) cannot be used: {error.strerror}."
    return None


def hosts_vlm(gateway: GatewaySettings) -> bool:
    return gateway.vlm_engine != "external"


def engine_problems(gateway: GatewaySettings) -> Iterator[str]:
    """What no restart would mend: an engine elsewhere whose address is not known."""
    if gateway.vlm_engine == "external" and not (gateway.vlm_base_url or gateway.vlm_models):
        yield "VLM_ENGINE=external needs VLM_BASE_URL, the OpenAI base URL (with /v1) of the engine, or VLM_MODELS."


def port_problems(gateway: GatewaySettings) -> Iterator[str]:
    problems = [find_port_problem(gateway.host, gateway.port, "PORT")]
    if hosts_vlm(gateway) and gateway.port == gateway.vlm_port:
        problems.append(f"PORT and VLM_PORT are both {gateway.port}; the two tiers need two ports.")
    elif hosts_vlm(gateway):
        problems.append(find_port_problem(VLM_ADDRESS, gateway.vlm_port, "VLM_PORT"))
    others = {"PORT": gateway.port} | ({"VLM_PORT": gateway.vlm_port} if hosts_vlm(gateway) else {})
    if gateway.has_line_reader and gateway.line_reader_port in others.values():
        problems.append(
            f"LINE_READER_PORT={gateway.line_reader_port} is {' or '.join(others)} too; it needs one of its own."
        )
    elif gateway.has_line_reader:
        problems.append(find_port_problem(VLM_ADDRESS, gateway.line_reader_port, "LINE_READER_PORT"))
    return filter(None, problems)


def leave_out_line_reader(gateway: GatewaySettings, vlm: VlmSettings) -> GatewaySettings:
    """The settings without an engine beside the VLM tier, where that chooses the embedded one for itself."""
    if not gateway.has_line_reader or gateway.vlm_engine != "auto":
        return gateway
    choice = choose_engine(vlm)
    if choice.engine == "vllm":
        return gateway
    say(f"LINE_READER_PORT={gateway.line_reader_port} has no effect, the VLM tier is an embedded engine: {choice.why}.")
    return gateway.model_copy(update={"line_reader_port": 0})


def folder_problem(folder: Path) -> str | None:
    """Why no file can be written below `folder` (made if missing); None if one can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def warn_of_folders(gateway: GatewaySettings) -> None:
    for name, folder in (("OUTPUT_DIR", gateway.output_dir), ("TEMP_DIR", gateway.temp_dir)):
        if problem := folder_problem(folder):
            say(
                f"{name}={folder} is not writable ({problem}); the service starts, but /readyz answers 503 until it is."
            )


def make_private_folder(gateway: GatewaySettings) -> Path:
    """In the system's folder for temporary files or, should that not be writable, in TEMP_DIR."""
    for parent in (None, gateway.temp_dir.absolute()):
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix="paddleocr-vl-service-", dir=parent))
    say("no folder for temporary files can be written; name one with TMPDIR or TEMP_DIR.")
    sys.exit(ExitCode.CONFIGURATION_ERROR)


def forget_last_run(gateway: GatewaySettings, vlm: VlmSettings) -> None:
    """What supervision and the VLM tier said in a service before this one is no news of this one."""
    reader = tier_file(gateway.temp_dir, gateway.line_reader_port)
    for file in (supervision_file(gateway.temp_dir, gateway.port), status_file(vlm), reader):
        with contextlib.suppress(OSError):
            file.unlink()


def can_be_reopened(descriptor: int) -> bool:
    """supervisord opens /dev/fd/1 anew for each program. That fails on a socket (systemd) and on another user's pipe,
    and on a plain file the writers would overwrite each other."""
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or os.isatty(descriptor)):
        return False
    try:
        os.close(os.open(f"/dev/fd/{descriptor}", os.O_WRONLY))
    except OSError:
        return False
    return True


def relay_stdout() -> None:
    """Puts a pipe of our own in stdout's place, emptied into the old one by `cat` until the last writer is gone."""
    reader, writer = os.pipe()
    # A session of its own, or Ctrl-C at the terminal would end it before the last words of the programs are out.
    subprocess.Popen(["cat"], stdin=reader, stdout=1, start_new_session=True)
    os.dup2(writer, 1)
    os.close(reader)
    os.close(writer)


def environment(gateway: GatewaySettings, start: StartSettings, console: bool) -> dict[str, str]:
    """What `supervisord.conf` expands and the programs inherit. Each tier may have an interpreter of its own."""
    named = os.environ | import_environment()
    named.setdefault("GATEWAY_PYTHON", sys.executable)
    named.setdefault("VLM_PYTHON", sys.executable)
    named["WATCHDOG_PYTHON"] = sys.executable
    named["PROGRAM_SCRIPT"] = str(PROGRAM_SCRIPT)
    named["VLM_AUTOSTART"] = "true" if hosts_vlm(gateway) else "false"
    named["LINE_READER_AUTOSTART"] = "true" if gateway.has_line_reader else "false"
    named["LINE_READER_PORT"] = str(gateway.line_reader_port)
    named["VLM_STARTING_S"] = str(start.vlm_starting_s)
    named["START_TRIES"] = str(start.start_tries)
    named["GATEWAY_TUNABLES"] = named.get("GLIBC_TUNABLES", HUGE_PAGES.get("GLIBC_TUNABLES", ""))
    named["PYTHONUNBUFFERED"] = "1"
    named["LOG_FORMAT"] = "console" if console and "log_format" not in gateway.model_fields_set else gateway.log_format
    return named


def supervisor_command(folder: Path) -> list[str]:
    command = [sys.executable, "-m", "supervision.supervisor", "-n", "-c", str(CONFIGURATION)]
    command += ["-j", str(folder / "supervisord.pid")]
    if os.getuid() == 0:
        # Saying so is the only way to keep supervisord from a warning about root at each start.
        command += ["-u", "root"]
    return command


def check_settings() -> tuple[GatewaySettings, StartSettings]:
    """The settings, once nothing that would keep the service from starting is left; else says what is and exits."""
    problems = [f"{problem} {OPENCV_REMEDY}"] if (problem := opencv_problem()) else []
    problems += find_setting_problems(GatewaySettings, VlmSettings, StartSettings)
    if not problems:
        gateway = GatewaySettings()
        problems = [*engine_problems(gateway), *port_problems(gateway)]
    for problem in problems:
        say(problem)
    if problems:
        sys.exit(ExitCode.CONFIGURATION_ERROR)
    return gateway, StartSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--console", action="store_true", help="log for eyes unless LOG_FORMAT says otherwise")


def run(options: argparse.Namespace) -> NoReturn:
    """Becomes the service, with the working folder as the place of `.env` and of relative paths."""
    gateway, start = check_settings()
    warn_of_folders(gateway)
    vlm = VlmSettings()
    forget_last_run(gateway, vlm)
    if "VLM_PYTHON" not in os.environ:  # which may find another vLLM
        gateway = leave_out_line_reader(gateway, vlm)
    folder = make_private_folder(gateway)
    named = environment(gateway, start, options.console or sys.stdout.isatty()) | {VARIABLE: str(folder)}
    command = supervisor_command(folder)
    if not can_be_reopened(1):
        relay_stdout()
    os.execve(command[0], command, named)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m supervision.launch", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
