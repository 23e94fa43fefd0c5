"""The manifests as a cluster would see them: rendered by kubectl, valid, and true of this service."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fastapi import FastAPI

from gateway.app import create_app
from gateway.settings import Settings
from supervision.cli import build_parser
from supervision.settings import Settings as StartSettings
from vlm_backend.settings import Settings as VlmSettings

MANIFESTS = Path(__file__).parents[2] / "deploy" / "kubernetes"
KUBECTL = Path(sys.executable).with_name("kubectl")
ROOTS = ("cpu", "gpu", "replicas", "autoscaling")
KUBERNETES_VERSIONS = ("1.27", "1.33", "1.37")
SLOWEST_START_S = 15 * 60
STOP_S = 30
"""What the service takes at most to stop (docs/operation.md)."""

Resource = Mapping[str, Any]


def rendered(root: str) -> dict[str, Resource]:
    """The resources of a kustomization by kind."""
    done = subprocess.run([KUBECTL, "kustomize", MANIFESTS / root], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr
    return {resource["kind"]: resource for resource in yaml.safe_load_all(done.stdout)}


def container(resources: Mapping[str, Resource]) -> Resource:
    pod = resources["Deployment"]["spec"]["template"]["spec"]
    found: Resource = next(one for one in pod["containers"] if one["name"] == "service")
    return found


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("root", ROOTS)
def test_manifests_are_valid(root: str, version: str) -> None:
    for resource in rendered(root).values():
        kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("root", ["cpu", "gpu"])
def test_a_slow_start_is_waited_for_and_a_loading_engine_is_no_reason_to_kill(root: str) -> None:
    service = container(rendered(root))
    startup = service["startupProbe"]

    assert startup["httpGet"]["path"] == "/startupz"
    assert startup["failureThreshold"] * startup["periodSeconds"] >= SLOWEST_START_S
    assert service["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert service["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("root", ["cpu", "gpu"])
def test_probes_and_service_name_the_port_that_the_service_listens_on(root: str) -> None:
    resources = rendered(root)
    service = container(resources)
    port = next(one for one in service["ports"] if one["name"] == "http")

    assert {"name": "PORT", "value": str(port["containerPort"])} in service["env"]
    assert resources["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert service[probe]["httpGet"]["port"] == port["name"]


@pytest.mark.parametrize("root", ["cpu", "gpu"])
def test_there_is_time_to_stop(root: str) -> None:
    resources = rendered(root)
    before = int(container(resources)["lifecycle"]["preStop"]["exec"]["command"][-1])

    assert resources["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= before + STOP_S


@pytest.mark.parametrize("root", ["cpu", "gpu"])
def test_nothing_runs_as_root_or_writes_beside_its_folders(root: str) -> None:
    pod = rendered(root)["Deployment"]["spec"]["template"]["spec"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    for one in [*pod["containers"], *pod.get("initContainers", ())]:
        # NVIDIA's runtime writes links to the driver into a container that gets a GPU.
        has_gpu = "nvidia.com/gpu" in one.get("resources", {}).get("limits", {})
        assert one["securityContext"]["readOnlyRootFilesystem"] is not has_gpu
        assert one["securityContext"]["allowPrivilegeEscalation"] is False


@pytest.mark.parametrize("root", ["cpu", "gpu"])
def test_every_variable_is_a_setting(root: str) -> None:
    names = {name.upper() for table in (Settings, VlmSettings, StartSettings) for name in table.model_fields}
    pod = rendered(root)["Deployment"]["spec"]["template"]["spec"]

    for one in [*pod["containers"], *pod.get("initContainers", ())]:
        assert {variable["name"] for variable in one.get("env", ())} <= names


@pytest.mark.parametrize("root", ["cpu", "gpu"])
def test_selectors_find_the_pods(root: str) -> None:
    resources = rendered(root)
    labels = resources["Deployment"]["spec"]["template"]["metadata"]["labels"]

    assert resources["Service"]["spec"]["selector"].items() <= labels.items()
    assert resources["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_gpu_pod_asks_for_a_gpu_and_its_engine() -> None:
    service = container(rendered("gpu"))

    assert service["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"name": "VLM_ENGINE", "value": "vllm"} in service["env"]


def test_weights_are_fetched_to_where_the_engine_looks() -> None:
    resources = rendered("gpu")
    pod = resources["Deployment"]["spec"]["template"]["spec"]
    fetch, service = pod["initContainers"][0], container(resources)
    folder = next(one["value"] for one in service["env"] if one["name"] == "VLM_MODEL_DIR")

    assert fetch["args"] == ["fetch-models"]
    assert {"name": "VLM_MODEL_DIR", "value": folder} in fetch["env"]
    for one in (fetch, service):
        assert next(mount["name"] for mount in one["volumeMounts"] if mount["mountPath"] == folder) == "weights"
    claim = next(volume for volume in pod["volumes"] if volume["name"] == "weights")["persistentVolumeClaim"]
    assert claim["claimName"] == resources["PersistentVolumeClaim"]["metadata"]["name"]


def test_the_autoscaler_goes_by_a_metric_that_the_service_has() -> None:
    autoscaler = rendered("autoscaling")["HorizontalPodAutoscaler"]
    app: FastAPI = create_app(Settings())
    metric = autoscaler["spec"]["metrics"][0]["pods"]["metric"]["name"]

    assert f"\n{metric} " in app.state.service.metrics.render("")[0].decode()
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == rendered("cpu")["Deployment"]["metadata"]["name"]
    assert metric in (MANIFESTS / "autoscaling" / "adapter.yaml").read_text()


def test_replicas_share_a_database_and_a_volume_that_all_may_write() -> None:
    resources = rendered("replicas")
    deployment = resources["Deployment"]["spec"]
    volumes = {volume["name"]: volume for volume in deployment["template"]["spec"]["volumes"]}
    claim = resources["PersistentVolumeClaim"]

    assert deployment["replicas"] > 1
    assert "DATABASE_URL" in {variable["name"] for variable in container(resources)["env"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_pods_of_the_ray_job_are_valid(version: str) -> None:
    """The job's own fields were compared with KubeRay's CRD of August 2026 by hand: no package brings it."""
    cluster = rendered("bulk")["RayJob"]["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, "spec": group["template"]["spec"]}
        kubernetes_validate.validate(pod, version, strict=True)
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True


def test_the_ray_job_runs_a_command_that_exists_against_the_service() -> None:
    job = rendered("bulk")["RayJob"]["spec"]
    program, *words = shlex.split(job["entrypoint"])
    options = build_parser(words).parse_args(words)

    assert program == "paddleocr-vl"
    assert options.url == [f"http://{rendered('cpu')['Service']['metadata']['name']}"]
    assert job["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] * 32 >= options.parallel
    assert job["shutdownAfterJobFinishes"] is True
