"""Listens to supervisord and gives up programs that can't be kept running, which supervisord alone does not: a program
that is `FATAL` leaves it running with nothing to do, and one that dies after its start time is restarted for ever.

With `ON_FATAL=exit` the service then ends: the other program is stopped in order, `supervision.supervisor` returns the
code of `supervision.state.ExitCode`. With `ON_FATAL=stay` the rest goes on. What is known stands in
`TEMP_DIR/supervision-<PORT>.json` all the while (`supervision.state` describes it).

An event listener of supervisord's: standard output carries the protocol and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from common.atomic import replace_file
from common.contracts import FrozenReport, TierStatus, frozen_file, supervision_file, tier_file
from common.logs import LineFormatter
from gateway.settings import Settings as GatewaySettings
from supervision.run_dir import PrivateFolder, private_folder
from supervision.settings import Settings
from supervision.state import OPTIONAL, TITLES, ExitCode, Supervision

Address = tuple[str, int]
Fields = Mapping[str, str]

STATE_EVENT = "PROCESS_STATE_"
ENDED = ("backoff", "exited", "fatal")
WORDS = "PROCESS_LOG_STDERR"
RUNNING = "SUPERVISOR_STATE_CHANGE_RUNNING"
STOPPING = "SUPERVISOR_STATE_CHANGE_STOPPING"
"""The watchdog ends at this one: supervisord calls a program FATAL too that it only ceases to start from now on."""

logger = logging.getLogger("watchdog")


def log(level: int, event: str, **fields: object) -> None:
    logger.log(level, event, extra={"fields": fields})


@dataclass(frozen=True, slots=True)
class Event:
    """`name` as in supervisord's manual, `serial` its number in this supervisord's life, `data` what a program said."""

    name: str
    serial: int
    fields: Fields
    data: str = ""


def fields_of(line: str) -> dict[str, str]:
    """`a:1 b:2` as a mapping; what is no pair is left out."""
    pairs = (part.partition(":") for part in line.split())
    return {name: value for name, separator, value in pairs if separator}


def events(source: TextIO, answers: TextIO) -> Iterator[Event]:
    """What supervisord tells, until it is gone; each event counts as done when the next one is asked for."""
    while True:
        answers.write("READY\n")
        answers.flush()
        line = source.readline()
        if not line:
            return
        header = fields_of(line)
        told, _, data = source.read(int(header.get("len", 0))).partition("\n")
        yield Event(header.get("eventname", ""), int(header.get("serial", -1)), fields_of(told), data)
        answers.write("RESULT 2\nOK")
        answers.flush()


def publish(target: Path, text: str) -> None:
    """A folder that can't be written costs the file, nothing else."""
    with contextlib.suppress(OSError):
        replace_file(target, text)


def is_listening(address: Address) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
        return True
    return False


def recall(folder: PrivateFolder, settings: Settings) -> Supervision:
    """What a watchdog before this one knew, should it have been killed."""
    with contextlib.suppress(OSError, ValueError):
        return Supervision.model_validate_json(folder.supervision.read_text(encoding="utf-8"))
    return Supervision(on_fatal=settings.on_fatal, start_tries=settings.start_tries)


@dataclass(frozen=True, slots=True)
class EngineFiles:
    """What a recognition engine says of itself (`TierStatus`), and what the gateway says of it (`FrozenReport`)."""

    status: Path
    frozen: Path


@dataclass(slots=True)
class Watchdog:
    """`published` and those of `engines`, by their programs, are files of this run, `addresses` where each program
    listens once it has loaded."""

    folder: PrivateFolder
    published: Path
    engines: Mapping[str, EngineFiles]
    addresses: Mapping[str, Address]
    end_service: Callable[[], None]
    supervision: Supervision
    has_ended_service: bool = field(default=False)

    def handle(self, event: Event, now: float) -> None:
        if 0 <= event.serial <= self.supervision.serial:
            return  # told again, because the watchdog before this one was killed over it
        self.supervision.serial = event.serial
        if event.name == WORDS:
            self.supervision.program(event.fields.get("processname", "")).add_stderr(event.data, now)
            return
        if event.name == RUNNING:
            self._begin_anew()
        elif event.name.startswith(STATE_EVENT) and event.fields.get("processname") in TITLES:
            self._follow(event.fields, event.name.removeprefix(STATE_EVENT).lower(), now)
        elif event.name == "TICK_5":
            self._look_who_serves(now)
            self._kill_frozen_engines()
        if event.name != "TICK_5":
            self._publish()

    def _begin_anew(self) -> None:
        """At the start, and after SIGHUP, by which people make supervisord start everything again."""
        self.supervision.programs.clear()
        for name in TITLES:
            self.folder.give_up_note(name).unlink(missing_ok=True)

    def _follow(self, fields: Fields, state: str, now: float) -> None:
        name = fields["processname"]
        self.supervision.program(name).enter(state, now)
        code = self.supervision.failure(name, state, int(fields.get("tries", 0)))
        if state in ENDED and self._was_refused(name):
            code = None if self.supervision.programs[name].gave_up else ExitCode.CONFIGURATION_ERROR
        elif state in ENDED and (words := self.supervision.programs[name].last_words):
            log(logging.WARNING, "program ended", program=name, reason=words)
        if code and not self.has_ended_service:
            self._give_up(name, code, now)
        if state == "fatal":
            self.folder.end_for_good(name)

    def _was_refused(self, name: str) -> bool:
        """Whether an engine's last process ended because it saw that it could not work."""
        with contextlib.suppress(OSError, ValueError, AttributeError, KeyError):
            status = json.loads(self.engines[name].status.read_text(encoding="utf-8"))
            return bool(status.get("state") == "refused" and status.get("pid") == self.folder.pid(name))
        return False

    def _give_up(self, name: str, code: ExitCode, now: float) -> None:
        sentence = self.supervision.sentence(name, code, now)
        self.supervision.programs[name].give_up(code, sentence)
        stays = self.supervision.on_fatal == "stay" or name in OPTIONAL
        consequence = "the rest of the service stays up" if stays else "the service ends"
        log(
            logging.ERROR,
            sentence,
            program=name,
            code=int(code),
            on_fatal="stay" if stays else "exit",
            so=consequence,
            reason=self.supervision.programs[name].last_words,
        )
        if stays:
            self._keep_down(name)
        else:
            publish(self.folder.exit_code, str(int(code)))
            self.has_ended_service = True
            self.end_service()

    def _keep_down(self, name: str) -> None:
        """supervisord may have started it again by now; from the next start on it finds the note and ends at once."""
        self.folder.give_up_note(name).touch()
        self.folder.kill_group(name)

    def _look_who_serves(self, now: float) -> None:
        for name, program in self.supervision.programs.items():
            waits = program.state in ("starting", "running") and not program.served
            if waits and is_listening(self.addresses[name]):
                program.serve(now)
                self._publish()

    def _kill_frozen_engines(self) -> None:
        """Kills an engine's process group, which supervisord then starts again, where the gateway reports that it is
        frozen. Its children, one of which may be the frozen one, are in the group that it leads."""
        for name, files in self.engines.items():
            with contextlib.suppress(OSError, ValueError):
                content = files.frozen.read_bytes()
                files.frozen.unlink()
                report = FrozenReport.model_validate_json(content)
                status = TierStatus.model_validate_json(files.status.read_bytes())
                is_ours = status.pid == self.folder.pid(name)
                if is_ours and (report.pid, report.started) == (status.pid, status.started):
                    log(logging.ERROR, "engine killed", program=name, pid=report.pid, frozen_s=round(report.idle_s))
                    self.folder.kill_group(name)

    def _publish(self) -> None:
        text = self.supervision.model_dump_json()
        publish(self.folder.supervision, text)
        publish(self.published, text)


def listen(watchdog: Watchdog, source: TextIO, answers: TextIO) -> None:
    """Until supervisord stops or is gone. Nothing else ends this: an unwatched service is worse than an event lost."""
    for event in events(source, answers):
        try:
            watchdog.handle(event, time.time())
        except Exception:
            logger.exception("an event could not be handled", extra={"fields": {"name": event.name}})
        if event.name == STOPPING:
            return


def configure_logging(settings: GatewaySettings) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(settings.log_format, "watchdog"))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)


def main() -> None:
    supervisor = os.getppid()
    gateway = GatewaySettings()
    ports = {"vlm": gateway.vlm_port, "line_reader": gateway.line_reader_port}
    configure_logging(gateway)
    folder = private_folder()
    watchdog = Watchdog(
        folder=folder,
        published=supervision_file(gateway.temp_dir, gateway.port),
        engines={
            name: EngineFiles(tier_file(gateway.temp_dir, port), frozen_file(gateway.temp_dir, port))
            for name, port in ports.items()
        },
        addresses={name: ("127.0.0.1", port) for name, port in ports.items()}
        | {"gateway": (gateway.host, gateway.port)},
        end_service=lambda: os.kill(supervisor, signal.SIGTERM),
        supervision=recall(folder, Settings()),
    )
    answers = sys.stdout
    if isinstance(sys.stdin, TextIOWrapper):
        # Lengths are told in characters; a translated line end would be one too few.
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
    with contextlib.redirect_stdout(sys.stderr):
        listen(watchdog, sys.stdin, answers)


if __name__ == "__main__":
    main()
