"""Engines that others' charts and operators run: told the same as the service's own vLLM, and valid for Kubernetes.

What is the chart's and the operator's own was compared by hand, since no package brings either. The values were
rendered with production-stack's chart 0.1.12 of August 2026, and all it makes is valid for Kubernetes 1.37. The
RayService, and the RayJob of `bulk`, are valid for KubeRay's CRDs of August 2026, and have no field that these do not
know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.test_kubernetes import KUBERNETES_VERSIONS
from vlm_backend.driver import Driver, Gpu
from vlm_backend.installation import Installation
from vlm_backend.settings import Settings
from vlm_backend.vllm import command

ENGINES = Path(__file__).parents[2] / "deploy" / "engines"
VLLM = "0.32.0"
CARD = Gpu("a card of 48 GB", 46_068, 45_000, (8, 9))


def load(name: str) -> Any:  # noqa: ANN401 - any of YAML's
    return yaml.safe_load((ENGINES / name).read_text())


def read_arguments(words: Sequence[str]) -> dict[str, list[Any]]:
    """Options with their values, which are JSON where they can be."""
    found: dict[str, list[Any]] = {}
    for is_option, some in groupby(words, lambda word: word.startswith("--")):
        if is_option:
            found |= {option: [] for option in some}
        else:
            found[list(found)[-1]] = [read_json(word) for word in some]
    return found


def read_json(word: str) -> Any:  # noqa: ANN401 - any of JSON's
    try:
        return json.loads(word)
    except ValueError:
        return word


@pytest.fixture
def own(tmp_path: Path) -> Mapping[str, list[Any]]:
    """What the service tells its own vLLM on such a card."""
    settings = Settings.model_validate({"temp_dir": tmp_path, "vlm_model_dir": tmp_path / "models"})
    words = command(settings, Installation(Path("/venv/bin/python"), VLLM, "cuda"), Driver((13, 0), (CARD,), None))
    return read_arguments(words[2:])


def test_engines_of_the_production_stack_are_told_what_the_own_one_is(own: Mapping[str, list[Any]]) -> None:
    (model,) = load("production-stack.yaml")["servingEngineSpec"]["modelSpec"]
    config = model["vllmConfig"]
    given = read_arguments(config["extraArgs"]) | {
        "--model": [model["modelURL"]],
        "--max-model-len": [config["maxModelLen"]],
        "--max-num-seqs": [config["maxNumSeqs"]],
        "--dtype": [config["dtype"]],
        "--gpu-memory-utilization": [config["gpuMemoryUtilization"]],
    }
    assert {option: own[option] for option in given} == given
    assert config["enablePrefixCaching"] is False
    assert model["tag"] == f"v{VLLM}"


def test_engines_of_ray_serve_are_told_what_the_own_one_is(own: Mapping[str, list[Any]]) -> None:
    (application,) = yaml.safe_load(load("rayservice.yaml")["spec"]["serveConfigV2"])["applications"]
    (model,) = application["args"]["llm_configs"]
    given = dict(model["engine_kwargs"])
    assert given.pop("enable_prefix_caching") is False
    assert given.pop("allowed_media_domains") == own["--allowed-media-domains"]
    assert {name: own[f"--{name.replace('_', '-')}"] for name in given} == {name: [given[name]] for name in given}
    assert [model["model_loading_config"]["model_source"]] == own["--model"]
    assert model["model_loading_config"]["model_id"] in own["--served-model-name"]
    assert [model["deployment_config"]["max_ongoing_requests"]] == own["--max-num-seqs"]


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_pods_of_ray_serve_are_valid(version: str) -> None:
    cluster = load("rayservice.yaml")["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, "spec": group["template"]["spec"]}
        kubernetes_validate.validate(pod, version, strict=True)
