"""What was measured on the way to vLLM, as sections of a report, and how that was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.comparison import Result
from benchmarks.documents import OCR
from benchmarks.meter import QUIET_CORES, TRIES_MAX
from benchmarks.report import table
from benchmarks.throughput import Ratio, Sample, middle_cpu_ms, ratio, rows
from benchmarks.ways import CHAT, PLAIN, READING, STRAIGHT

GOAL_RATIO = 0.95
HEADER = ["way", "requests/s", "tokens/s", "ratio", "CPU ms: client", "gateway", "vLLM", "busy cores", "others'"]
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


@dataclass(frozen=True, slots=True)
class Measurement:
    """`compared`: samples of the same regions as crops (STRAIGHT) and as whole documents (OCR), layout recorded;
    `whole`: documents as users send them, layout and all."""

    results: Sequence[Result]
    compared: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    whole: Sample | None = None


def section(name: str, load_average: float, measurement: Measurement) -> str:
    parts = [f"## {name}\n\nLoad average when it began: {load_average:.2f}."]
    parts += map(of_load, measurement.results)
    if measurement.compared:
        parts.append(against_crops(measurement.compared))
    if measurement.whole:
        parts.append(of_documents(measurement.whole))
    return "\n\n".join(parts)


def of_load(result: Result) -> str:
    straight = result.samples[STRAIGHT]
    tokens, calls = sum(sample.tokens for sample in straight), sum(sample.calls for sample in straight)
    return "\n\n".join(
        [
            f"### {result.load.name}",
            f"{len(result.load.questions)} calls a repetition, {len(straight)} repetitions, "
            f"{tokens / calls:.0f} tokens a call. Answers of the same text in all ways: {result.same:.1%}.",
            table(HEADER, rows(result.samples, STRAIGHT)),
            verdict(result.samples),
        ]
    )


def verdict(samples: Mapping[str, Sequence[Sample]]) -> str:
    straight, reading, chat = (samples[way] for way in (STRAIGHT, READING, CHAT))
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


def against_crops(compared: Mapping[str, Sequence[Sample]]) -> str:
    found = judged(ratio(compared[OCR], compared[STRAIGHT]))
    return "\n\n".join(
        [
            "### Whole documents through `/ocr`, layout recorded, against the same crops straight",
            table(HEADER, rows(compared, STRAIGHT)),
            f"Goal {GOAL_RATIO} for `/ocr`: **{found}**.",
        ]
    )


def of_documents(whole: Sample) -> str:
    cells = [
        f"{whole.pages_a_second:.2f}",
        f"{whole.calls_a_second:.1f}",
        f"{whole.tokens_a_second:.0f}",
        f"{whole.cpu_ms_a_call('gateway'):.1f}",
        f"{whole.cpu_ms_a_call('vlm'):.1f}",
        f"{whole.busy_cores:.2f}",
    ]
    header = ["pages/s", "regions/s", "tokens/s", "CPU ms a region: gateway", "vLLM", "busy cores"]
    return f"### Whole documents through `/ocr`, layout found on the CPU\n\n{table(header, [cells])}"
