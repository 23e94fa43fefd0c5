"""`make bench-dialects`: the CPU time of a page through each dialect against `/ocr`, in turns on one gateway."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import tempfile
from collections.abc import Mapping
from statistics import median

import aiohttp

from benchmarks.load.jobs import start_with_jobs
from benchmarks.load.runs import Run, send_concurrently
from benchmarks.load.servers import Document, Read, Reply, Server, make_document, start_engine
from benchmarks.report import command, table, verdict, write_report

PAGES, AT_ONCE = 5, 4
GOAL = 1.05
OCR, PLACES = "`/ocr`", "`/ocr` with lines, words and cells"
AZURE = "/documentintelligence/documentModels/prebuilt-layout:analyze"


def read_form(path: str, field: str, **fields: str) -> Read:
    """Documents sent as the part `field` of a form and answered at once."""

    async def read(session: aiohttp.ClientSession, url: str, document: Document) -> Reply:
        form = aiohttp.FormData(fields)
        form.add_field(field, document.data, filename="document.pdf")
        async with session.post(url + path, data=form) as response:
            return Reply(response.status, response.status == 200, len(await response.read()))

    return read


async def read_by_mistral(session: aiohttp.ClientSession, url: str, document: Document) -> Reply:
    data = f"data:application/pdf;base64,{base64.b64encode(document.data).decode()}"
    body = {"model": "mistral-ocr-latest", "document": {"type": "document_url", "document_url": data}}
    async with session.post(f"{url}/v1/ocr", json=body) as response:
        return Reply(response.status, response.status == 200, len(await response.read()))


async def read_by_openwebui(session: aiohttp.ClientSession, url: str, document: Document) -> Reply:
    async with session.put(f"{url}/process", data=document.data) as response:
        return Reply(response.status, response.status == 200, len(await response.read()))


async def read_by_azure(session: aiohttp.ClientSession, url: str, document: Document) -> Reply:
    """Begun, polled as often as the service asks for, as Azure's own clients do, and deleted."""
    headers = {"Content-Type": "application/octet-stream"}
    async with session.post(url + AZURE, data=document.data, headers=headers) as response:
        location = response.headers["Operation-Location"]
    while True:
        async with session.get(location) as response:
            body = await response.read()
        if response.status != 200 or json.loads(body)["status"] not in ("notStarted", "running"):
            break
        await asyncio.sleep(float(response.headers["Retry-After"]))
    async with session.delete(location):
        return Reply(response.status, b'"analyzeResult"' in body, len(body))


WAYS: Mapping[str, Read] = {
    OCR: read_form("/ocr", "file"),
    PLACES: read_form("/ocr", "file", include="lines,words,cells"),
    "docling-serve, Markdown": read_form("/v1/convert/file", "files"),
    "docling-serve, JSON": read_form("/v1/convert/file", "files", to_formats="json"),
    "Mistral": read_by_mistral,
    "MinerU, Markdown and contents": read_form("/file_parse", "files", return_content_list="true"),
    "Marker at once": read_form("/marker/upload", "file"),
    "FastGPT": read_form("/v2/parse/file", "file"),
    "Open WebUI's loader": read_by_openwebui,
    "Azure, an analysis": read_by_azure,
}
AGAINST = {"Azure, an analysis": PLACES}
"""What a dialect that tells more than text is compared with."""


def measure(document: Document, rounds: int, count: int) -> dict[str, list[Run]]:
    """The runs of each way, one in each round, so that all see the same machine."""
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}
    with (
        tempfile.TemporaryDirectory() as data,
        start_engine() as stub,
        start_with_jobs(stub, data, MAX_JOBS=str(AT_ONCE)) as server,
    ):
        for number in range(rounds + 1):
            for way, read in WAYS.items():
                run = asyncio.run(send_concurrently(Server(server.program, read, [stub]), document, AT_ONCE, count))
                if number:  # the first is for warming up
                    runs[way].append(run)
    return runs


def rate(runs: Mapping[str, list[Run]]) -> list[list[str]]:
    """Each way's median over the rounds of its CPU against that of `/ocr` in the same round."""
    rows = []
    for way, taken in runs.items():
        base = AGAINST.get(way, OCR)
        ratio = median(run.cpu_ms_a_page / ocr.cpu_ms_a_page for run, ocr in zip(taken, runs[base], strict=True))
        statuses = {name for run in taken for name in run.statuses()}
        milliseconds = median(run.cpu_ms_a_page for run in taken)
        told = "" if way in (OCR, PLACES) else f"{ratio:.2f} × {base}: {verdict(ratio <= GOAL)}"
        rows.append([way, f"{milliseconds:.0f} ms", told, ", ".join(sorted(statuses))])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.dialects", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of all ways, whose medians count")
    parser.add_argument("--documents", type=int, default=16, help=f"of {PAGES} pages, in each round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = measure(make_document(folder, PAGES), arguments.rounds, arguments.documents)
    foreign = median(run.foreign_cores for run in runs[OCR])
    write_report(
        "dialects",
        "Dialects",
        f"Command: `{command()}`. Documents of {PAGES} pages, {AT_ONCE} at once, on the stub engine with recorded "
        f"layout; others on the machine kept {foreign:.1f} cores busy. The goal is {GOAL:.2f} ×. Azure's analyses are "
        "jobs, whose pages are written to disk.",
        table(["way", "CPU a page", "against", "documents"], rate(runs)),
    )


if __name__ == "__main__":
    main()
