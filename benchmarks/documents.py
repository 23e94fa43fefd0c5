"""Whole documents through `POST /ocr` against the same crops sent straight to the same vLLM."""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.load.processes import Program
from benchmarks.load.servers import gateway_on
from benchmarks.meter import Meter, measured
from benchmarks.questions import Question
from benchmarks.service import Service
from benchmarks.throughput import Sample
from benchmarks.ways import Answer, Way

OCR = "/ocr, layout recorded"


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
    straight: Way,
    questions: Sequence[Question],
    read: Callable[[int], Awaitable[list[Answer]]],
    wanted: Namespace,
    meter: Meter,
) -> tuple[list[Sample], list[Sample]]:
    """Samples of all `questions` straight, and of `wanted.documents` documents that ask the same, in turns; after one
    round that is not counted. Ends the benchmark where they are not answered with as many tokens."""
    samples: tuple[list[Sample], list[Sample]] = ([], [])
    for repetition in range(wanted.repetitions + 1):
        crops, answers = await measured(partial(straight, questions), meter)
        whole, documents = await measured(partial(read, wanted.documents), meter)
        print(f"{OCR}: {whole}; straight: {crops}", file=sys.stderr)
        said, read_tokens = (sum(answer.tokens for answer in found) for found in (answers, documents))
        if (said, len(questions)) != (read_tokens, sum(document.calls for document in documents)):
            sys.exit(f"{OCR}: {read_tokens} tokens of {whole.calls} regions, straight {said} of {len(questions)}")
        if repetition:
            samples[0].append(crops)
            samples[1].append(whole)
    return samples
