"""Several models at once (`VLM_MODELS`): who asks for one is read by its engines, and by no other's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from tests.gateway.api.jobs.test_routes import end_of, states
from tests.support.answers import assert_problem
from tests.support.fakes import text_regions
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import wait_until

NEW, OLD = "VL-1.6", "VL-1.0"
PADDLEX_NAME = "PaddleOCR-VL-0.9B"
MAX_JOBS = 2


@pytest.fixture(scope="module")
def old() -> Iterator[StubEngine]:
    """The engine of the second model; it calls its model otherwise."""
    with StubEngine(kind="vllm", model="paddle/old", more_models=(PADDLEX_NAME,)) as running:
        yield running


@pytest.fixture(scope="module")
def _served(old: StubEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with StubEngine(kind="external", model="paddle/new") as new:
        folder, models = tmp_path_factory.mktemp("gateway"), f"{NEW}={new.base_url},{OLD}={old.base_url}"
        settings: dict[str, Any] = {"vlm_base_url": None, "vlm_models": models, "vlm_warm_up": False}
        with gateway(folder, engine=new, jobs=True, **settings) as running:
            wait_until(lambda: not running.client.get("/health").json()["limitations"], "both models")
            yield running


@pytest.fixture
def served(_served: Gateway, old: StubEngine) -> Gateway:
    _served.reset()
    _served.engine.answer = lambda _request: Reply("read by the new one")
    old.answer = lambda _request: Reply("read by the old one")
    old.requests.clear()
    return _served


def asked(engine: StubEngine) -> set[str]:
    """The models that the engine was asked for."""
    return {request.body["model"] for request in engine.requests if not request.is_canary}


@pytest.mark.parametrize(
    ("model", "reader", "is_named"),
    [
        ({}, "new", "paddle/new"),
        ({"model": NEW}, "new", "paddle/new"),
        ({"model": OLD}, "old", "paddle/old"),
        ({"model": "paddle/old"}, "old", "paddle/old"),
        ({"model": PADDLEX_NAME}, "old", "paddle/old"),
    ],
)
def test_the_model_that_is_asked_for_reads(
    served: Gateway, old: StubEngine, png: bytes, model: dict[str, str], reader: str, is_named: str
) -> None:
    answer = served.read(png, **model).json()
    assert f"read by the {reader} one" in answer["markdown"]
    assert answer["model"] == is_named
    assert asked(old) == ({"paddle/old"} if reader == "old" else set())
    assert asked(served.engine) == ({"paddle/new"} if reader == "new" else set())


def test_a_job_is_read_by_its_model(served: Gateway, png: bytes) -> None:
    job = served.client.post("/jobs", files={"file": ("a.png", png)}, data={"model": OLD}).json()
    ended = end_of(served, job)
    result = served.client.get(ended["links"]["result"]).json()
    assert "read by the old one" in result["markdown"]
    assert result["model"] == "paddle/old"


def test_chats_go_by_their_model(served: Gateway, old: StubEngine) -> None:
    def said(model: str) -> Any:  # noqa: ANN401 - JSON
        return chat(served, model).json()["choices"][0]["message"]["content"]

    assert said(OLD) == "read by the old one"
    assert said("paddle/new") == "read by the new one"
    assert (asked(old), asked(served.engine)) == ({"paddle/old"}, {"paddle/new"})
    assert NEW in chat(served, "another").json()["error"]["message"]


def test_chats_by_a_name_of_paddlex_go_to_who_serves_it_else_to_the_first_model(
    served: Gateway, old: StubEngine
) -> None:
    assert "the old one" in chat(served, PADDLEX_NAME).text
    assert "the new one" in chat(served, "PaddleOCR-VL-1.6-0.9B").text


def chat(served: Gateway, model: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Say something."}]}
    return served.client.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize("path", ["/ocr", "/jobs"])
def test_an_unknown_model(served: Gateway, png: bytes, path: str) -> None:
    refused = served.client.post(path, files={"file": ("a.png", png)}, data={"model": "VL-9"})
    detail = assert_problem(refused, 422, "unknown_model")["detail"]
    assert all(name in detail for name in ("`VL-9`", f"`{NEW}`", f"`{OLD}`"))


def test_all_models_are_listed_the_default_one_first(served: Gateway) -> None:
    assert [model["id"] for model in served.client.get("/v1/models").json()["data"]] == [NEW, OLD]
    assert served.client.get(f"/v1/models/{OLD}").json()["id"] == OLD
    models = served.client.get("/v1/capabilities").json()["models"]
    assert [(model["name"], model["is_default"], model["state"]) for model in models] == [
        (NEW, True, "ready"),
        (OLD, False, "ready"),
    ]
    engines = served.client.get("/health").json()["engines"]
    assert [engine["engine"] for engine in engines] == [f"{NEW}:0", f"{OLD}:0"]
    assert f'ocr_engine_ready{{engine="{OLD}:0"}} 1.0' in served.client.get("/metrics").text


def test_one_model_that_is_away_leaves_the_others(served: Gateway, old: StubEngine, png: bytes) -> None:
    old.kill()
    try:
        wait_until(lambda: OLD in str(served.client.get("/readyz").json()["limitations"]), "a limitation")
        assert served.read(png).status_code == 200
    finally:
        old.start()
    wait_until(lambda: served.read(png, model=OLD).status_code == 200, "the model to be back")


@contextmanager
def two_models(
    folder: Path,
    away: str | None = None,
    **settings: Any,  # noqa: ANN401 - settings
) -> Iterator[tuple[Gateway, dict[str, StubEngine]]]:
    """A gateway of two models, and the engine of each; that of one may be away."""
    new, old = StubEngine(kind="external", model="paddle/new"), StubEngine(kind="external", model="paddle/old")
    with new, old:
        engines, models = {NEW: new, OLD: old}, f"{NEW}={new.base_url},{OLD}={old.base_url}"
        if away:
            engines[away].kill()
        here = old if away == NEW else new
        with gateway(
            folder, engine=here, await_ready=False, vlm_base_url=None, vlm_models=models, **settings
        ) as served:
            yield served, engines


@pytest.mark.parametrize(("away", "here"), [(NEW, OLD), (OLD, NEW)])
def test_a_model_that_is_away_keeps_none_of_another_waiting(tmp_path: Path, png: bytes, away: str, here: str) -> None:
    with two_models(tmp_path, away, jobs=True) as (served, engines):

        def submit(model: str) -> Any:  # noqa: ANN401 - JSON
            return served.client.post("/jobs", files={"file": ("a.png", png)}, data={"model": model}).json()

        wait_until(lambda: served.client.get("/jobs").status_code == 200, "jobs")
        waiting = [submit(away) for _ in range(2 * MAX_JOBS)]
        running = "the places of the jobs whose model is away"
        wait_until(lambda: states(served).count("running") == MAX_JOBS, running)
        assert end_of(served, submit(here))["state"] == "done"
        assert served.read(png, model=here).status_code == 200
        assert chat(served, here).status_code == 200
        assert_problem(served.read(png, model=away), 503, "vlm_unavailable")
        assert chat(served, away).status_code == 503
        engines[away].start()
        assert {end_of(served, job)["state"] for job in waiting} == {"done"}


@pytest.mark.parametrize(("full", "free"), [(NEW, OLD), (OLD, NEW)])
def test_a_full_queue_turns_away_who_asks_for_its_model(tmp_path: Path, png: bytes, full: str, free: str) -> None:
    goes_on, count = threading.Event(), 32
    bounds: dict[str, Any] = {"max_concurrent_regions": 1, "max_queued_regions": count}
    with two_models(tmp_path, **bounds) as (served, engines), ThreadPoolExecutor(1) as pool:
        wait_until(lambda: not served.client.get("/health").json()["limitations"], "both models")
        wait_until(lambda: served.client.get("/readyz").status_code == 200, "readiness")
        engines[full].answer = lambda _request: Reply("late", after=goes_on)
        served.layout.regions = text_regions(1 + count)
        try:
            reading = pool.submit(served.read, png, model=full)
            wait_until(
                lambda: f"ocr_regions_waiting {count}.0" in served.client.get("/metrics").text, "calls that wait"
            )
            served.layout.regions = text_regions(2)
            assert_problem(served.read(png, model=full), 429, "queue_full")
            assert chat(served, full).status_code == 429
            assert served.read(png, model=free).status_code == 200
            assert chat(served, free).status_code == 200
            assert served.read(png).status_code == (429 if full == NEW else 200)
        finally:
            goes_on.set()
        assert reading.result().status_code == 200


def test_documents_are_read_by_one_model_of_an_engine_that_has_several(tmp_path: Path, png: bytes) -> None:
    engine = StubEngine(kind="external", model="a", more_models=("b",))
    with gateway(tmp_path, engine=engine) as served:
        assert served.read(png, model="a").status_code == 200
        detail = assert_problem(served.read(png, model="b"), 422, "unknown_model")["detail"]
        assert "`a`" in detail
        assert [model["name"] for model in served.client.get("/v1/capabilities").json()["models"]] == ["a"]
        assert asked(engine) == {"a"}
        assert chat(served, "b").status_code == 200
        assert asked(engine) == {"a", "b"}


def test_a_document_is_answered_though_its_model_has_gone_meanwhile(tmp_path: Path, png: bytes) -> None:
    with (
        StubEngine(kind="external", model="b") as other,
        gateway(tmp_path, engine=(first := StubEngine(kind="external", model="a")), more_engines=[other]) as served,
        ThreadPoolExecutor(1) as pool,
    ):
        wait_until(lambda: leader(served) == "a", "the first engine")
        first.answer = lambda _request: Reply(hang=True)
        reading = pool.submit(served.read, png, model="a")
        wait_until(lambda: any(not request.is_canary for request in first.requests), "a call")
        other.answer = lambda _request: Reply("read by the other one", after=told)
        told = threading.Event()
        first.kill()
        try:
            wait_until(lambda: leader(served) == "b", "the other engine")
        finally:
            told.set()
        assert "read by the other one" in reading.result().json()["markdown"]


def leader(served: Gateway) -> str | None:
    model: str | None = served.client.get("/v1/capabilities").json()["engine"]["model"]
    return model


def test_where_there_is_one_engine_its_own_names_are_known(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path) as served:
        assert served.read(png, model="stub-model").status_code == 200
        assert_problem(served.read(png, model=OLD), 422, "unknown_model")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vlm_models": "VL-1.6"}, "NAME=URL"),
        ({"vlm_models": "VL-1.6=ftp://one/v1"}, "NAME=URL"),
        ({"vlm_models": "a b=http://one/v1"}, "NAME=URL"),
        ({"vlm_models": "a=dns+http://user@one/v1"}, "dns"),
        ({"vlm_models": "a=http://one/v1", "vlm_base_url": "http://one/v1"}, "VLM_BASE_URL"),
        ({"vlm_models": "a=http://one/v1", "vlm_engine": "vllm"}, "VLM_ENGINE"),
    ],
)
def test_settings_that_are_refused(changes: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings.model_validate({"vlm_engine": "external", **changes})


def test_a_model_may_have_several_engines() -> None:
    models = "a=http://one/v1/, b=http://two/v1,a=http://three/v1,a=http://one/v1"
    settings = Settings.model_validate({"vlm_engine": "external", "vlm_models": models})
    assert settings.model_urls == {"a": ["http://one/v1", "http://three/v1"], "b": ["http://two/v1"]}
