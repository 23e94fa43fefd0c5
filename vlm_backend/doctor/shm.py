"""Shared memory, through which vLLM's processes talk."""

from __future__ import annotations

import os
from pathlib import Path

from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.folders import write_error
from vlm_backend.doctor.report import Finding, fail, ok, warn

PLACE = Path("/dev/shm")
MIB = 1024 * 1024
ENOUGH_MIB = 64
"""Docker's default; measured to be enough with one GPU."""
ENOUGH_FOR_SEVERAL_MIB = 1024
"""KServe's template for vLLM gives as much."""


def check_shm(facts: Facts) -> Finding:
    if not PLACE.is_dir():
        return warn(f"There is no {PLACE}.", "Mount a tmpfs of 64 MB or more there.")
    if error := write_error(PLACE):
        return fail(
            f"{PLACE} cannot be written ({error.strerror}): Python makes no locks between processes without it.",
            f"Mount {PLACE} writable for uid {os.getuid()}, and clear what is left in it.",
        )
    copies = facts.settings.vlm_data_parallel
    enough = ENOUGH_MIB if copies == 1 else ENOUGH_FOR_SEVERAL_MIB
    state = os.statvfs(PLACE)
    size = state.f_blocks * state.f_frsize // MIB
    # 64m gives a little less than that in some runtimes.
    if size < enough * 0.95:
        return warn(
            f"{PLACE} has {size} MiB; with VLM_DATA_PARALLEL={copies} it should have {enough}.",
            f"Start the container with --shm-size={enough}m (Kubernetes: an emptyDir of medium Memory on {PLACE}).",
        )
    return ok(f"{PLACE} has {size} MiB.")
