"""Several models at once (`VLM_MODELS`): who asks for one is read by its engines, and by no other's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from tests.gateway.api.jobs.test_routes import end_of
from tests.support.answers import assert_problem
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import wait_until

NEW, OLD = "VL-1.6", "VL-1.0"


@pytest.fixture(scope="module")
def old() -> Iterator[StubEngine]:
    """The engine of the second model; it calls its model otherwise."""
    with StubEngine(kind="external", model="paddle/old") as running:
        yield running


@pytest.fixture(scope="module")
def _served(old: StubEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with StubEngine(kind="external", model="paddle/new") as new:
        folder, models = tmp_path_factory.mktemp("gateway"), f"{NEW}={new.base_url},{OLD}={old.base_url}"
        with gateway(folder, engine=new, vlm_base_url=None, vlm_models=models, jobs=True) as running:
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
    def ask(model: str) -> Any:  # noqa: ANN401 - JSON
        chat = {"model": model, "messages": [{"role": "user", "content": "Say something."}]}
        return served.client.post("/v1/chat/completions", json=chat).json()

    assert ask(OLD)["choices"][0]["message"]["content"] == "read by the old one"
    assert ask("paddle/new")["choices"][0]["message"]["content"] == "read by the new one"
    assert (asked(old), asked(served.engine)) == ({"paddle/old"}, {"paddle/new"})
    assert NEW in ask("another")["error"]["message"]


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
