"""Trials on scripted services in the place of an engine and a gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.tune.search import Knob, Values
from tools.tune.trials import Bench

GATEWAY = """
import json, os
from aiohttp import web

async def ready(request):
    return web.Response()

async def read(request):
    await request.read()
    if request.headers.get("X-API-Key") not in os.environ["API_KEYS"].split(","):
        return web.Response(status=401)
    reply = json.loads(os.environ["REPLY"])
    if reply is None:
        request.transport.abort()
    return web.json_response(reply)

app = web.Application()
app.router.add_get("/readyz", ready)
app.router.add_post("/ocr", read)
names = "VLM_MODELS", "LINE_READER_PORT"
with open(os.environ["SEEN"], "w") as file:
    json.dump({name: os.environ.get(name) for name in names}, file)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)
"""
REPLY = Knob("REPLY", [], restarts_engine=False)


def reply(status: str, *blocks: str) -> Values:
    """The settings of a gateway that answers each document so."""
    pages = [{"blocks": [{"status": block} for block in blocks]}]
    return {"REPLY": json.dumps({"status": status, "pages": pages, "usage": {"pages": 1, "regions": len(blocks)}})}


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    return tmp_path / "seen.json"


@pytest.fixture
def bench(tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    package = tmp_path / "programs"
    for name, body in (("gateway", GATEWAY), ("vlm_backend", "import time; time.sleep(1000)")):
        (package / name).mkdir(parents=True)
        (package / name / "__main__.py").write_text(body, encoding="utf-8")
    own = {"PYTHONPATH": str(package), "SEEN": str(seen), "VLM_MODELS": "one=http://127.0.0.1:9/v1"}
    for name, value in (own | {"LINE_READER_PORT": "8119"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(package)
    document = tmp_path / "a.png"
    document.write_bytes(b"a document")
    with Bench([document], [REPLY], at_once=2, seconds=1, rounds=3) as opened:
        yield opened


def test_what_is_read_is_measured(bench: Bench, seen: Path) -> None:
    measure = bench.measure(reply("ok", "ok", "ok"))
    assert measure.failure is None
    assert measure.pages_s > 0
    assert measure.regions_s == pytest.approx(2 * measure.pages_s)
    assert json.loads(seen.read_text(encoding="utf-8")) == {"VLM_MODELS": "", "LINE_READER_PORT": "0"}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(reply("partial", "ok", "failed"), id="a block that failed"),
        pytest.param(reply("ok", "ok"), id="a block that is not there"),
        pytest.param({"REPLY": "null"}, id="a gateway that breaks off"),
    ],
)
def test_a_trial_that_reads_less_than_the_first_one_fails(bench: Bench, values: Values) -> None:
    assert bench.measure(reply("ok", "ok", "ok")).failure is None
    failed = bench.measure(values)
    assert failed.failure
    assert failed.pages_s == 0
    assert bench.measure(reply("ok", "ok", "ok")).failure is None, "the next trial goes on"
