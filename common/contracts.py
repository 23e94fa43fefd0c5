"""What the programs of one service tell each other apart from HTTP: small files in TEMP_DIR.

`vlm-<VLM_PORT>.json` is the VLM tier's `TierStatus`, for the time when its API does not answer;
`supervision-<PORT>.json` is the watchdog's `SupervisionStatus`; `frozen-<VLM_PORT>.json` is the gateway's
`FrozenReport`, which the watchdog takes away when it has read it. Each is replaced in one step. A reader takes a file
that is missing or odd for nothing known, and passes over fields that it does not know.

    {"on_fatal": "stay", "start_tries": 5,
     "programs": {"vlm": {"state": "fatal", "since": 1763890000.1, "ends": [1763889950.3, 1763889980.7],
                          "served": false, "gave_up": true, "exit_code": 70,
                          "sentence": "The VLM tier is given up: …", "last_words": "CUDA out of memory. …"}}}

Times are Unix times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

TierState = Literal["starting", "refused", "postponed"]


class Failure(BaseModel):
    """One thing that keeps the engine from starting, and what to do about it; both sentences."""

    check: str
    detail: str
    remedy: str = ""


class TierStatus(BaseModel):
    """`state`: `starting` (the process has become the engine, or is about to), `refused` (it has ended because it
    could not work) or `postponed` (it has ended, and what it lacks may be there at its next start). `pid` and
    `start_ticks` (field 22 of /proc/PID/stat) name the process; it leads its process group.
    `started` is Unix time, seconds. `sequences`: how many requests the engine works on at once, where that is known.
    `takes_priority`: whether it knows what `priority` in a request means."""

    state: TierState
    engine: str
    why: str = ""
    failures: Sequence[Failure] = ()
    sequences: int | None = None
    takes_priority: bool = False
    pid: int
    start_ticks: int | None = None
    started: float


class FrozenReport(BaseModel):
    """The engine answers its health and has made no step for `idle_s` seconds. `pid` and `started` are those of its
    `TierStatus`: a later process is not meant."""

    pid: int
    started: float
    idle_s: float


class ProgramStatus(BaseModel):
    """`state`: supervisord's word in small letters, since `since`. `ends`: when the program ended by itself or was
    killed, for as long as that counts. `served`: the process of now, or the last one, has listened at its port.
    `gave_up`: it is not started again; `exit_code` and `sentence` say why. `last_words`: the sentence of its standard
    error that says why it ended last, kept until a later process serves."""

    state: str = "unknown"
    since: float = 0
    ends: list[float] = Field(default_factory=list)
    served: bool = False
    gave_up: bool = False
    exit_code: int | None = None
    sentence: str | None = None
    last_words: str | None = None


class SupervisionStatus(BaseModel):
    """`programs` holds `vlm` and `gateway` from their first start on; an engine that is not hosted here never appears.
    The file is written anew at each change and once a minute."""

    programs: Mapping[str, ProgramStatus] = Field(default_factory=dict)


def tier_file(temp_dir: Path, vlm_port: int) -> Path:
    return temp_dir / f"vlm-{vlm_port}.json"


def frozen_file(temp_dir: Path, vlm_port: int) -> Path:
    return temp_dir / f"frozen-{vlm_port}.json"


def supervision_file(temp_dir: Path, port: int | str) -> Path:
    """`port`: the gateway's; `*` makes a pattern of all."""
    return temp_dir / f"supervision-{port}.json"
