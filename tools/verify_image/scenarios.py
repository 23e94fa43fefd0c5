"""The situations that an image is put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tools.verify_image.engines.engine import Options
from tools.verify_image.image import Image

ANY_USER = "12345:0"
"""A user that no image knows, in the group that OpenShift gives."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`has_engine`: whether it is to read documents; else it has to say why it can't."""

    options: Options
    has_engine: bool = True
    needs_vllm: bool = False


SCENARIOS: Mapping[str, Scenario] = {
    "default": Scenario(Options()),
    "root": Scenario(Options(user="0:0")),
    "any-user": Scenario(Options(user=ANY_USER)),
    "read-only": Scenario(Options(read_only=True)),
    "offline": Scenario(Options(offline=True)),
    "homeless": Scenario(Options(user=ANY_USER, environment={"HOME": None, "USER": None, "LOGNAME": None})),
    "gpu": Scenario(Options(gpu=True, environment={"VLM_ENGINE": "vllm"}), needs_vllm=True),
    # Without a network, so that an engine that does start downloads no weights to fail with.
    "no-gpu": Scenario(
        Options(offline=True, environment={"VLM_ENGINE": "vllm", "ON_FATAL": "stay"}), has_engine=False, needs_vllm=True
    ),
}


def scenarios_for(image: Image) -> dict[str, Scenario]:
    return {name: scenario for name, scenario in SCENARIOS.items() if image.has_vllm or not scenario.needs_vllm}
