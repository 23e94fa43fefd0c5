"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]

PASSING = frozenset({"gpu-memory", "port", "disk", "temp-dir", "cache"})
"""Checks whose failure may end by itself: a process ends, a disk is cleared."""


MACHINE = frozenset({"vllm", "driver", "gpu", "torch", "nccl-files", "nccl"})
"""Checks of what the machine and its libraries are, which no other setting would mend."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`detail`: what is, as a sentence; `remedy`: what to do about it, None where nothing is to be done."""

    status: Status
    detail: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A finding and the name it has in docs/doctor.md."""

    name: str
    status: Status
    detail: str
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Report:
    checks: tuple[Check, ...]

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.status == "fail")

    @property
    def warnings(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.status == "warn")

    @property
    def unusable(self) -> tuple[Check, ...]:
        """Failures of the machine itself."""
        return tuple(check for check in self.failures if check.name in MACHINE)

    @property
    def is_ok(self) -> bool:
        return not self.failures

    @property
    def can_pass(self) -> bool:
        """Every failure is one that may end by itself, so that a later start may work."""
        return all(check.name in PASSING for check in self.failures)


def ok(detail: str) -> Finding:
    return Finding("ok", detail)


def warn(detail: str, remedy: str) -> Finding:
    return Finding("warn", detail, remedy)


def fail(detail: str, remedy: str) -> Finding:
    return Finding("fail", detail, remedy)
