"""The watchdog by itself: what it makes of what supervisord tells, and how it speaks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from common.contracts import TierStatus
from supervision.run_dir import VARIABLE, PrivateFolder
from supervision.state import Supervision
from supervision.watchdog import EngineFiles, Event, Watchdog
from tests.supervision.support import ROOT, environment, is_running
from tests.support.ports import free_port
from tests.support.waiting import WAIT_S, wait_until
from vlm_backend.status import describe_process

MINUTE = 60


class Story:
    """Tells a watchdog what happens to the VLM tier, with a clock of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.has_ended = False
        self.now = 1_000_000.0
        self.watchdog = Watchdog(
            folder=PrivateFolder(folder),
            published=folder / "published.json",
            engines={"vlm": EngineFiles(folder / "refusal.json", folder / "frozen.json")},
            addresses=dict.fromkeys(("vlm", "line_reader"), ("127.0.0.1", port)),
            end_service=self.end,
            supervision=Supervision(on_fatal="exit", start_tries=2),
        )

    def end(self) -> None:
        self.has_ended = True

    def tell(self, name: str, **fields: str) -> None:
        self.watchdog.handle(Event(name, -1, fields), self.now)

    def say(self, text: str) -> None:
        self.watchdog.handle(Event("PROCESS_LOG_STDERR", -1, {"processname": "vlm"}, text), self.now)

    def reason(self) -> str | None:
        published = json.loads((self.watchdog.published).read_text(encoding="utf-8"))
        words: str | None = published["programs"]["vlm"]["last_words"]
        return words

    def live(self, seconds: float, program: str = "vlm") -> None:
        """The tier, or another program, starts, lives so long and dies."""
        self.tell("PROCESS_STATE_STARTING", processname=program, tries="0")
        self.tell("PROCESS_STATE_RUNNING", processname=program, pid="1")
        self.now += seconds
        self.tell("TICK_5")
        self.tell("PROCESS_STATE_EXITED", processname=program, expected="1", pid="1")


def test_an_engine_that_loads_for_long_and_never_serves_is_given_up(tmp_path: Path) -> None:
    story = Story(tmp_path, free_port())
    for _ in range(3):
        assert not story.has_ended
        story.live(15 * MINUTE)
    assert story.has_ended


def test_the_service_outlives_an_engine_beside_its_own(tmp_path: Path) -> None:
    story = Story(tmp_path, free_port())
    for _ in range(3):
        story.live(MINUTE, "line_reader")
    published = json.loads(story.watchdog.published.read_text(encoding="utf-8"))["programs"]["line_reader"]
    assert published["gave_up"]
    assert published["sentence"].startswith("The line reader is given up")
    assert story.watchdog.folder.give_up_note("line_reader").exists(), "supervisord would start it for ever"
    assert not story.has_ended


def test_an_engine_that_serves_for_a_while_is_always_started_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as engine:
        story = Story(tmp_path, engine.getsockname()[1])
        for _ in range(20):
            story.live(6 * MINUTE)
        assert not story.has_ended
        for _ in range(2):
            story.live(2 * MINUTE)
        assert story.has_ended


def test_failed_starts_and_short_lives_in_turn_are_a_loop_too(tmp_path: Path) -> None:
    story = Story(tmp_path, free_port())
    story.live(MINUTE)
    story.tell("PROCESS_STATE_STARTING", processname="vlm", tries="0")
    story.tell("PROCESS_STATE_BACKOFF", processname="vlm", tries="1")
    assert not story.has_ended
    story.live(MINUTE)
    assert story.has_ended


REFUSAL = """Traceback (most recent call last):
  File "vllm_entry.py", line 9, in <module>
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, The context is too long. [type=value_error, input_value=ArgsKwargs(()), input_type=ArgsKwargs]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
"""


def test_the_reason_of_a_failed_start_is_told_until_a_later_one_serves(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as engine:
        story = Story(tmp_path, free_port())
        story.tell("PROCESS_STATE_STARTING", processname="vlm", tries="0")
        # As it comes through a pipe.
        story.say(REFUSAL[:90])
        story.say(REFUSAL[90:])
        story.tell("PROCESS_STATE_BACKOFF", processname="vlm", tries="1")
        assert story.reason() == "The context is too long."
        story.tell("PROCESS_STATE_STARTING", processname="vlm", tries="1")
        assert story.reason() == "The context is too long."
        story.watchdog.addresses = {"vlm": ("127.0.0.1", engine.getsockname()[1])}
        story.tell("TICK_5")
        assert story.reason() is None


def test_what_was_said_long_before_an_end_is_not_its_reason(tmp_path: Path) -> None:
    story = Story(tmp_path, free_port())
    story.tell("PROCESS_STATE_STARTING", processname="vlm", tries="0")
    story.say("Traceback (most recent call last):\n  File 'a', line 1\nValueError: One picture could not be read.\n")
    story.now += 60 * MINUTE
    story.tell("PROCESS_STATE_EXITED", processname="vlm", expected="0", pid="1")
    assert story.reason() is None


def test_an_engine_that_refuses_is_given_up_at_once(tmp_path: Path) -> None:
    story = Story(tmp_path, free_port())
    (tmp_path / "vlm.pid").write_text("7")
    (tmp_path / "refusal.json").write_text('{"state": "refused", "pid": 7}')
    story.tell("PROCESS_STATE_STARTING", processname="vlm", tries="0")
    story.tell("PROCESS_STATE_BACKOFF", processname="vlm", tries="1")
    assert story.has_ended
    assert (tmp_path / "exit-code").read_text() == "78"


def envelope(name: str, payload: str, serial: int) -> str:
    return (
        f"ver:3.0 server:supervisor serial:{serial} pool:watchdog poolserial:{serial} "
        f"eventname:{name} len:{len(payload)}\n{payload}"
    )


@pytest.fixture
def names(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "private"
    folder.mkdir()
    return {
        VARIABLE: str(folder),
        "TEMP_DIR": str(tmp_path / "temp"),
        "PORT": "1",
        "ON_FATAL": "stay",
        "LOG_FORMAT": "json",
    }


def told(names: dict[str, str], *events: tuple[str, str]) -> subprocess.CompletedProcess[str]:
    """The watchdog's process after it was told `events` and supervisord was gone."""
    return subprocess.run(
        [sys.executable, "-m", "supervision.watchdog"],
        cwd=ROOT,
        env=environment(**names),
        input="".join(envelope(*event, serial) for serial, event in enumerate(events)),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def test_odd_events_are_answered_and_the_next_one_counts(tmp_path: Path, names: dict[str, str]) -> None:
    events = [
        ("PROCESS_STATE_BACKOFF", "processname:vlm groupname:vlm from_state:STARTING tries:many"),
        ("PROCESS_STATE_FATAL", "processname:stranger groupname:stranger from_state:BACKOFF"),
        ("PROCESS_STATE_EXITED", "no pairs: at all : :"),
        ("PROCESS_STATE_NEW_IN_A_LATER_VERSION", ""),
        ("REMOTE_COMMUNICATION", "type:x\nübermut"),
        ("PROCESS_STATE_FATAL", "processname:vlm groupname:vlm from_state:BACKOFF"),
    ]
    done = told(names, *events)
    assert done.stdout == "READY\n" + "RESULT 2\nOKREADY\n" * len(events)
    assert done.returncode == 0
    published = json.loads((tmp_path / "temp" / "supervision-1.json").read_text())
    assert published["programs"]["vlm"]["gave_up"]
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["error", "error"]
    assert "ValueError" in lines[0]["exception"]
    assert "The VLM tier is given up" in lines[1]["event"]


def test_a_program_not_started_any_more_because_of_a_stop_has_not_failed(tmp_path: Path, names: dict[str, str]) -> None:
    done = told(
        names | {"ON_FATAL": "exit"},
        ("SUPERVISOR_STATE_CHANGE_STOPPING", ""),
        ("PROCESS_STATE_FATAL", "processname:vlm groupname:vlm from_state:BACKOFF"),
    )
    assert done.returncode == 0
    assert os.listdir(names[VARIABLE]) == ["supervision.json"]


FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def engine() -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """A program that leads a process group, as supervisord starts one, and its child."""
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout
        child = psutil.Process(int(leader.stdout.readline()))
        yield psutil.Process(leader.pid), child
        leader.kill()
        child.kill() if child.is_running() else None


def has_ended(process: psutil.Process) -> bool:
    return not is_running(process)


def report_frozen(folder: Path, status: TierStatus, **changes: object) -> Story:
    """The gateway's report of the engine that `status` tells of, the last process that supervision started."""
    (folder / "vlm.pid").write_text(str(status.pid))
    (folder / "refusal.json").write_text(status.model_dump_json())
    report = {"pid": status.pid, "started": status.started, "idle_s": 61.0} | changes
    (folder / "frozen.json").write_text(json.dumps(report))
    story = Story(folder, free_port())
    story.tell("TICK_5")
    return story


def test_a_frozen_engine_is_killed_with_its_children(
    tmp_path: Path, engine: tuple[psutil.Process, psutil.Process]
) -> None:
    report_frozen(tmp_path, describe_process("starting", "vllm", "", pid=engine[0].pid))
    for process in engine:
        wait_until(partial(has_ended, process), "the end of the process")
    assert not (tmp_path / "frozen.json").exists()


@pytest.mark.parametrize("changes", [{"started": 1.0}, {"pid": 1}, {"idle_s": "long"}])
def test_a_report_of_another_process_kills_nothing(
    tmp_path: Path, engine: tuple[psutil.Process, psutil.Process], changes: dict[str, object]
) -> None:
    story = report_frozen(tmp_path, describe_process("starting", "vllm", "", pid=engine[0].pid), **changes)
    story.tell("TICK_5")
    assert all(map(is_running, engine))
    assert not (tmp_path / "frozen.json").exists()


def test_a_report_kills_only_what_supervision_started(
    tmp_path: Path, engine: tuple[psutil.Process, psutil.Process]
) -> None:
    status = describe_process("starting", "vllm", "", pid=engine[0].pid)
    (tmp_path / "refusal.json").write_text(status.model_dump_json())
    (tmp_path / "vlm.pid").write_text(str(os.getpid()))
    (tmp_path / "frozen.json").write_text(json.dumps({"pid": status.pid, "started": status.started, "idle_s": 61.0}))
    Story(tmp_path, free_port()).tell("TICK_5")
    assert all(map(is_running, engine))
