"""Documents and pages, as a user asks for them."""

from __future__ import annotations

import time

import httpx

from benchmarks.scoring import edit_distance, plain
from tests.support.examples import EXAMPLES, load_truth
from tools.verify_image.finding import Finding, fail, none, ok, warn
from tools.verify_image.trial import Trial

FIRST, RUSSIAN = "article-en.png", "article-ru.png"
RIGHT, READABLE = 0.95, 0.75
"""Shares of a page's text. Engines read the examples to 0.98 and more."""
HTML_PAGES = ("/", "/docs", "/redoc")


def check_example(trial: Trial) -> Finding:
    """The first request, which is where a service that initialises late does so."""
    return _reading(trial, FIRST)


def check_russian_example(trial: Trial) -> Finding:
    return _reading(trial, RUSSIAN)


def _reading(trial: Trial, name: str) -> Finding:
    if trial.status("/readyz") != 200:
        return none("not-reached")
    start = time.monotonic()
    files = {"file": (name, (EXAMPLES / name).read_bytes())}
    try:
        answer = trial.client.post("/ocr", files=files, data={"format": "markdown"}, timeout=trial.limits.document)
    except httpx.TransportError as error:
        return fail("reading.unanswered", error=f"{type(error).__name__}: {error}")
    seconds = time.monotonic() - start
    if answer.status_code != 200:
        return fail("reading.refused", status=answer.status_code, answer=answer.text[:300])
    return _judged(similarity(answer.text, name), seconds)


def similarity(markdown: str, name: str) -> float:
    """How much of the example's known text it is, in order; 1 is all."""
    blocks = [plain(page.text()) for page in load_truth()[name].pages]
    return 1 - edit_distance(markdown, blocks)


def _judged(share: float, seconds: float) -> Finding:
    if share >= RIGHT:
        return ok("reading.ok", seconds=seconds, percent=100 * share)
    if share >= READABLE:
        return warn("reading.faulty", seconds=seconds, percent=100 * share)
    return fail("reading.wrong", percent=100 * share)


def check_pages(trial: Trial) -> Finding:
    for path in HTML_PAGES:
        answer = trial.client.get(path, headers={"Accept": "text/html"})
        kind = answer.headers.get("content-type", "")
        if answer.status_code != 200 or not kind.startswith("text/html"):
            return fail("pages.wrong", path=path, status=answer.status_code, kind=kind)
    answer = trial.client.get("/openapi.json")
    if answer.status_code != 200 or "/ocr" not in answer.json().get("paths", {}):
        return fail("pages.wrong", path="/openapi.json", status=answer.status_code, kind="")
    return ok("pages.ok", count=len(HTML_PAGES) + 1)
