"""Whole documents: what of them is counted, and when they end the benchmark."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.documents import OCR, compare_documents, measure_documents
from benchmarks.ways import STRAIGHT, Answer, Answering
from tests.benchmarks.support import QuietMeter

CROPS = [Answer("a", 5), Answer("b", 7)]


def answering(name: str, answers: list[Answer], asked: list[str]) -> Answering:
    async def answer() -> list[Answer]:
        asked.append(name)
        return answers

    return answer


async def test_crops_and_documents_take_turns_and_the_first_round_does_not_count() -> None:
    asked: list[str] = []
    straight, read = answering("crops", CROPS, asked), answering("documents", [Answer("a b", 12, 2, 1)], asked)
    samples = await compare_documents(straight, read, 2, QuietMeter())
    assert asked == ["crops", "documents"] * 3
    assert {name: [sample.calls for sample in taken] for name, taken in samples.items()} == {
        STRAIGHT: [2, 2],
        OCR: [2, 2],
    }


@pytest.mark.parametrize("document", [Answer("a", 12, 1, 1), Answer("a b", 11, 2, 1)])
async def test_documents_of_other_regions_or_of_shorter_answers_end_the_benchmark(document: Answer) -> None:
    with pytest.raises(SystemExit, match="straight 12 of 2"):
        await compare_documents(answering("", CROPS, []), answering("", [document], []), 1, QuietMeter())


@pytest.mark.parametrize(("in_flight", "at_once"), [(1, 1), (12, 3)])
async def test_documents_as_users_send_them_are_counted_by_pages_after_one_that_is_not(
    tmp_path: Path, in_flight: int, at_once: int
) -> None:
    limits: list[str] = []
    present: list[int] = []
    under_way = 0

    async def ocr(request: web.Request) -> web.Response:
        nonlocal under_way
        under_way += 1
        present.append(under_way)
        limits.append(str((await request.post())["max_tokens"]))
        await asyncio.sleep(0.02)
        under_way -= 1
        return web.json_response({"markdown": "", "usage": {"pages": 2, "regions": 7, "completion_tokens": 50}})

    app, file = web.Application(), tmp_path / "page.png"
    app.router.add_post("/ocr", ocr)
    file.write_bytes(b"png")
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        whole = await measure_documents(session, str(server.make_url("")), file, 6, in_flight, QuietMeter())
    assert (whole.pages, whole.calls, whole.tokens) == (12, 42, 300)
    assert limits == ["256"] * 7
    assert max(present) == at_once
