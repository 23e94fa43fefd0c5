"""Which engine this machine gets, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from common.remedies import command_of
from vlm_backend.driver import Driver, probe_driver
from vlm_backend.installation import Installation, find_installation
from vlm_backend.settings import Settings

NOT_ASKED = Driver(None, (), "The driver was not asked.")


@dataclass(frozen=True, slots=True)
class Choice:
    """`why` is a sentence for the log. `driver` and `installation` are what was found on the way to it."""

    engine: Literal["vllm", "embedded"]
    why: str
    installation: Installation | None = None
    driver: Driver = NOT_ASKED


def choose_engine(settings: Settings) -> Choice:
    """The engine that `VLM_ENGINE` names; for `auto`, vLLM where it is installed for a GPU that can be used."""
    if settings.vlm_engine == "embedded":
        return Choice("embedded", "VLM_ENGINE=embedded")
    installation = find_installation(settings)
    if settings.vlm_engine == "vllm":
        return Choice("vllm", "VLM_ENGINE=vllm", installation, probe_driver())
    if installation is None:
        return Choice("embedded", f"VLM_ENGINE=auto, and vLLM is not installed ({command_of('vllm')} installs it)")
    if installation.build == "cpu":
        return Choice("embedded", "VLM_ENGINE=auto, and the vLLM that is installed is a CPU build", installation)
    driver = probe_driver()
    if driver.reason:
        return Choice("embedded", f"VLM_ENGINE=auto, and no GPU can be used: {driver.reason}", installation, driver)
    return Choice("vllm", f"VLM_ENGINE=auto, and there is a GPU: {driver.gpus[0].name}", installation, driver)
