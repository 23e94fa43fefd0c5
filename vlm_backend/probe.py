"""Programs that find something out in a process of their own: nothing that crashes or hangs there takes us along."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAST_WORDS_S = 2
"""How long a killed child's output is waited for. One that hangs in the kernel cannot even be killed."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What the child wrote. `code`: as in subprocess; None: it did not end in its time and was killed."""

    output: str
    errors: str
    code: int | None

    @property
    def signal_name(self) -> str | None:
        """`SIGSEGV` and the like, for a child that crashed."""
        if self.code is None or self.code >= 0:
            return None
        with contextlib.suppress(ValueError):
            return signal.Signals(-self.code).name
        return f"signal {-self.code}"


def run_probe(command: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None) -> ProbeResult:
    """Runs `command` for at most `timeout_s`; raises OSError where it cannot be started."""
    child = subprocess.Popen(
        command,
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    output, errors, code = _wait(child, timeout_s)
    return ProbeResult(output.decode(errors="replace"), errors.decode(errors="replace"), code)


def python_command(interpreter: Path, program: Path, *arguments: str) -> list[str]:
    """The command that runs the file `program` in another interpreter. Its text travels, not its path: the file's
    folder would otherwise lie before the interpreter's own packages."""
    text = f"import sys; sys.path.pop(0)\n{program.read_text(encoding='utf-8')}"
    # A future import has to come first, and nothing here needs it at run time.
    return [str(interpreter), "-c", text.replace("from __future__ import annotations\n", ""), *arguments]


def _wait(child: subprocess.Popen[bytes], timeout_s: float) -> tuple[bytes, bytes, int | None]:
    try:
        output, errors = child.communicate(timeout=timeout_s)
        return output, errors, child.returncode
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)
    try:
        output, errors = child.communicate(timeout=LAST_WORDS_S)
    except subprocess.TimeoutExpired as late:
        return late.output or b"", late.stderr or b"", None
    return output, errors, None
