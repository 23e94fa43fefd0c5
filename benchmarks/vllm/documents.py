"""Whole documents through `POST /ocr`: as users send them, and against the same crops straight to the same vLLM."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import aiohttp

from benchmarks.load.processes import Program
from benchmarks.load.servers import gateway_on
from benchmarks.meter import Meter, measured
from benchmarks.service import Service
from benchmarks.throughput import Sample
from benchmarks.ways import STRAIGHT, Answering, documents

OCR = "/ocr, layout recorded"
AHEAD = 3
"""Times as many regions in the documents that are sent at once as calls are in flight: documents take turns, so those
that came together end together, and their successors have to be rendered first."""
MOST_TOKENS = 256
"""Of a region: made-up weights never end an answer."""


async def measure_documents(
    session: aiohttp.ClientSession, url: str, file: Path, count: int, in_flight: int, meter: Meter
) -> Sample:
    """So many documents through the service at `url`, layout and all, after one that is not counted."""
    read = documents(session, url, file, max(1, in_flight // 4), {"max_tokens": str(MOST_TOKENS)})
    await read(1)
    whole, _ = await measured(partial(read, count), meter)
    return whole


@contextmanager
def recorded_gateway(service: Service, file: Path) -> Iterator[tuple[Program, int]]:
    """A gateway on the service's vLLM, on whose every page stand the regions that the service finds in the file; and
    how many they are."""
    page = service.ocr(file, merge_blocks="false", images="none")["pages"][0]
    sides = (page["width"], page["height"]) * 2
    boxes = [
        (block["label"], *(value / side for value, side in zip(block["bbox"], sides, strict=True)))
        for block in page["blocks"]
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as recorded:
        json.dump(boxes, recorded)
        recorded.flush()
        with gateway_on(f"http://127.0.0.1:{service.vlm_port}", BENCH_BOXES=recorded.name) as program:
            yield program, len(boxes)


async def compare_documents(
    straight: Answering, read: Answering, repetitions: int, meter: Meter
) -> dict[str, list[Sample]]:
    """Samples of the same regions `straight` and of documents `read`, in turns, after one round that is not counted.
    Ends the benchmark where the documents have not as many regions, or these not as many tokens."""
    samples: dict[str, list[Sample]] = {STRAIGHT: [], OCR: []}
    for repetition in range(repetitions + 1):
        crops, _ = await measured(straight, meter)
        whole, _ = await measured(read, meter)
        print(f"{OCR}: {whole}; straight: {crops}", file=sys.stderr)
        if (crops.tokens, crops.calls) != (whole.tokens, whole.calls):
            sys.exit(f"{OCR}: {whole.tokens} tokens of {whole.calls} regions, straight {crops.tokens} of {crops.calls}")
        if repetition:
            samples[STRAIGHT].append(crops)
            samples[OCR].append(whole)
    return samples
