"""The Helm chart as Helm renders it: valid for Kubernetes, and true of this service and of the Kustomize base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from json import dumps, loads
from pathlib import Path
from types import ModuleType
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway import __version__
from gateway.settings import Settings
from supervision.settings import Settings as StartSettings
from tests.deploy.test_kubernetes import KUBERNETES_VERSIONS, container, rendered
from tests.support.missing import skip_without
from tools.monitoring.files import DASHBOARD, make_dashboard, make_rules
from vlm_backend.settings import Settings as VlmSettings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "paddleocr-vl-service"
RELEASE, NAMESPACE = "ocr", "prod"
NAME = f"{RELEASE}-paddleocr-vl-service"
GATEWAY, ENGINE = f"Deployment/{NAME}", f"Deployment/{NAME}-engine"
OPERATORS = {"ServiceMonitor", "PrometheusRule", "ScaledObject"}
"""Kinds of operators, whose schemas Kubernetes does not have."""
SHARED_JOBS = {
    "replicas": 3,
    "existingSecret": "ocr-secret",
    "jobs": {"database": True, "claim": {"enabled": True, "accessMode": "ReadWriteMany"}},
}
EVERYTHING = {
    **SHARED_JOBS,
    "engine": "vllm",
    "separateEngine": True,
    "engineReplicas": 2,
    "keysSecret": "ocr-keys",
    "imagePullSecrets": [{"name": "registry"}],
    "s3": {"bucket": "pictures", "endpointUrl": "https://s3.example", "prefix": "ocr/"},
    "tracing": {"endpoint": "http://collector:4318", "share": 0.01},
    "settings": {"MAX_PAGES": 2000, "MCP": True},
    "engineSettings": {"VLM_MAX_SEQUENCES": 64, "VLM_EXTRA_ARGUMENTS": "--seed 1"},
    "ingress": {"enabled": True, "className": "nginx", "host": "ocr.example", "tlsSecret": "ocr-tls"},
    "autoscaling": {"kind": "keda", "prometheusUrl": "http://prometheus:9090"},
    "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {"matchLabels": {"team": "scan"}}}]},
    "monitoring": {
        "serviceMonitor": True,
        "rules": True,
        "dashboard": True,
        "labels": {"release": "prometheus"},
        "keySecretKey": "prometheus-key",
    },
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "scan", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "podAnnotations": {"team": "scan"},
}
JOBS_IN_A_BUCKET = {
    "replicas": 2,
    "existingSecret": "ocr-secret",
    "jobs": {"database": True, "store": "bucket"},
    "s3": {"bucket": "documents"},
}
VALUES: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "gpu": {"engine": "vllm"},
    "gpu, weights in the image": {"engine": "vllm", "model": {"weights": "image"}},
    "two deployments": {"engine": "vllm", "separateEngine": True},
    "external": {"engine": "external", "externalUrl": "http://engines:8000/v1", "existingSecret": "ocr-secret"},
    "several models": {
        "engine": "external",
        "externalModels": [
            {"name": "VL-1.6", "url": "http://gpu-1:8000/v1"},
            {"name": "VL-1.6", "url": "http://gpu-2:8000/v1"},
            {"name": "VL-1.0", "url": "dns+http://vl-1-0:8000/v1"},
        ],
    },
    "jobs kept": {"jobs": {"claim": {"enabled": True}}},
    "replicas": SHARED_JOBS,
    "replicas on a bucket": JOBS_IN_A_BUCKET,
    "hpa": {"jobs": {"enabled": False}, "autoscaling": {"kind": "hpa"}},
    "everything": EVERYTHING,
}

Resource = Mapping[str, Any]


def helm() -> ModuleType:
    """Helm's Go library; there is no build of it for each machine."""
    if find_spec("helm_python") is None:
        skip_without("no build of helm-python-sdk for this machine")
    return import_module("helm_python")


def render(values: Mapping[str, Any]) -> dict[str, Resource]:
    """The resources by kind and name."""
    return _render(dumps(values))


@cache
def _render(values: str) -> dict[str, Resource]:
    with helm().Chart.load(str(CHART)) as chart:
        chart.validate_schema(loads(values))
        files = chart.render(loads(values), name=RELEASE, namespace=NAMESPACE)
    texts = (text for name, text in files.items() if name.endswith(".yaml"))
    found = [resource for text in texts for resource in yaml.safe_load_all(text) if resource]
    by_name = {f"{resource['kind']}/{resource['metadata']['name']}": resource for resource in found}
    assert len(by_name) == len(found)
    return by_name


def pod(resource: Resource) -> Resource:
    found: Resource = resource["spec"]["template"]["spec"]
    return found


def variables(resource: Resource) -> dict[str, Any]:
    """Of its first container: values, or the keys of secrets; no name stands there twice."""
    listed = pod(resource)["containers"][0]["env"]
    found = {one["name"]: one.get("value") or one["valueFrom"]["secretKeyRef"]["key"] for one in listed}
    assert len(found) == len(listed)
    return found


def kinds(resources: Mapping[str, Resource]) -> Sequence[str]:
    return sorted(name.partition("/")[0] for name in resources)


def test_helm_has_nothing_to_say() -> None:
    for values in ({}, EVERYTHING):
        report = helm().lint(str(CHART), dict(values), strict=True)
        assert report["errors"] == []
        assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        *((name, KUBERNETES_VERSIONS[-1]) for name in VALUES),
        *(("everything", version) for version in KUBERNETES_VERSIONS[:-1]),
    ],
)
def test_what_is_rendered_is_valid(name: str, version: str) -> None:
    for resource in render(VALUES[name]).values():
        if resource["kind"] not in OPERATORS:
            kubernetes_validate.validate(resource, version, strict=True)
        assert resource["metadata"]["labels"]["app.kubernetes.io/instance"] == RELEASE


@pytest.mark.parametrize(("name", "root"), [("defaults", "cpu"), ("gpu", "gpu")])
def test_a_pod_is_that_of_the_manifests(name: str, root: str) -> None:
    """Probes, security, resources and time to stop are the same, however the service is installed."""
    ours, theirs = pod(render(VALUES[name])[GATEWAY]), pod(rendered(root)["Deployment"])
    assert ours["terminationGracePeriodSeconds"] == theirs["terminationGracePeriodSeconds"]
    assert ours["securityContext"] == theirs["securityContext"]
    service, base = ours["containers"][0], container(rendered(root))
    for part in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "resources", "ports"):
        assert service[part] == base[part], part
    assert service["securityContext"] == base["securityContext"]
    assert sorted(mount["mountPath"] for mount in service["volumeMounts"]) == sorted(
        mount["mountPath"] for mount in base["volumeMounts"]
    )
    assert [one["args"] for one in ours.get("initContainers", ())] == [
        one["args"] for one in theirs.get("initContainers", ())
    ]


@pytest.mark.parametrize("name", VALUES)
def test_every_variable_is_a_setting(name: str) -> None:
    names = {setting.upper() for table in (Settings, VlmSettings, StartSettings) for setting in table.model_fields}
    for resource in render(VALUES[name]).values():
        if resource["kind"] == "Deployment":
            assert set(variables(resource)) <= names


@pytest.mark.parametrize("name", VALUES)
def test_what_is_named_is_there(name: str) -> None:
    """Selectors find the pods, ports have their names, volumes their claims, mounts their volumes."""
    resources = render(VALUES[name])
    pods = [one["spec"]["template"] for one in resources.values() if one["kind"] == "Deployment"]
    labels = [one["metadata"]["labels"] for one in pods]
    for resource in resources.values():
        if resource["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"):
            spec = resource["spec"]
            selector = spec["podSelector"] if "podSelector" in spec else spec["selector"]
            wanted = selector.get("matchLabels", selector)
            assert sum(wanted.items() <= one.items() for one in labels) == 1, resource["metadata"]["name"]
        if resource["kind"] in ("HorizontalPodAutoscaler", "ScaledObject"):
            assert f"Deployment/{resource['spec']['scaleTargetRef']['name']}" in resources
    for one in pods:
        volumes = {volume["name"]: volume for volume in one["spec"]["volumes"]}
        for box in [*one["spec"]["containers"], *one["spec"].get("initContainers", ())]:
            assert {mount["name"] for mount in box["volumeMounts"]} <= set(volumes)
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in volumes.values()
            if "persistentVolumeClaim" in volume
        ]
        assert {f"PersistentVolumeClaim/{claim}" for claim in claims} <= set(resources)


def test_the_defaults_are_a_pod_and_its_service() -> None:
    resources = render({})
    assert kinds(resources) == ["Deployment", "PodDisruptionBudget", "Service"]
    assert pod(resources[GATEWAY])["containers"][0]["image"] == "paddleocr-vl-service:0.1.0-cpu"
    assert variables(resources[GATEWAY])["VLM_ENGINE"] == "embedded"


def test_one_pod_with_a_gpu_waits_for_its_gpu_and_has_weights_where_they_are_looked_for() -> None:
    resources = render(VALUES["gpu"])
    deployment = resources[GATEWAY]
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    fetch, service = pod(deployment)["initContainers"][0], pod(deployment)["containers"][0]
    assert service["image"] == fetch["image"] == "paddleocr-vl-service:0.1.0-gpu"
    folder = variables(deployment)["VLM_MODEL_DIR"]
    assert {"name": "VLM_MODEL_DIR", "value": folder} in fetch["env"]
    assert {"name": "weights", "mountPath": folder} in service["volumeMounts"]
    inside = render(VALUES["gpu, weights in the image"])
    assert "VLM_MODEL_DIR" not in variables(inside[GATEWAY])
    assert "PersistentVolumeClaim" not in kinds(inside)


def test_replicas_on_a_bucket_need_no_volume() -> None:
    resources = render(VALUES["replicas on a bucket"])
    assert variables(resources[GATEWAY])["DATA_STORE"] == "bucket"
    assert "PersistentVolumeClaim" not in kinds(resources)


def test_two_deployments_find_each_other() -> None:
    resources = render(VALUES["two deployments"])
    gateway, engine = resources[GATEWAY], resources[ENGINE]
    service = resources[f"Service/{NAME}-engine"]
    port = service["spec"]["ports"][0]["port"]
    assert variables(gateway)["VLM_ENGINE"] == "external"
    assert variables(gateway)["VLM_BASE_URL"] == f"dns+http://{service['metadata']['name']}:{port}/v1"
    assert service["spec"]["clusterIP"] == "None"
    assert variables(engine)["VLM_PORT"] == str(port)
    assert variables(engine)["VLM_EXTRA_ARGUMENTS"] == "--host 0.0.0.0"
    assert pod(engine)["containers"][0]["args"] == ["python", "-m", "vlm_backend"]
    assert "nvidia.com/gpu" in pod(engine)["containers"][0]["resources"]["limits"]
    assert "nvidia.com/gpu" not in pod(gateway)["containers"][0]["resources"]["limits"]
    policy = resources[f"NetworkPolicy/{NAME}-engine"]["spec"]
    (rule,) = policy["ingress"]
    allowed = rule["from"][0]["podSelector"]["matchLabels"]
    assert allowed.items() <= gateway["spec"]["template"]["metadata"]["labels"].items()
    assert not allowed.items() <= engine["spec"]["template"]["metadata"]["labels"].items()


def test_several_models_are_named_to_the_gateway() -> None:
    given = variables(render(VALUES["several models"])[GATEWAY])
    assert given["VLM_MODELS"] == (
        "VL-1.6=http://gpu-1:8000/v1,VL-1.6=http://gpu-2:8000/v1,VL-1.0=dns+http://vl-1-0:8000/v1"
    )
    assert "VLM_BASE_URL" not in given


def test_replicas_share_database_and_volume_and_are_replaced_one_by_one() -> None:
    resources = render(SHARED_JOBS)
    assert resources[GATEWAY]["spec"]["replicas"] == 3
    assert resources[GATEWAY]["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert variables(resources[GATEWAY])["DATABASE_URL"] == "database-url"
    assert resources[f"PersistentVolumeClaim/{NAME}-data"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_jobs_of_one_gateway_are_never_two_pods() -> None:
    assert render(VALUES["jobs kept"])[GATEWAY]["spec"]["strategy"] == {"type": "Recreate"}


def test_everything_reaches_its_place() -> None:
    resources = render(EVERYTHING)
    found = variables(resources[GATEWAY])
    assert found["API_KEYS_FILE"] == "/etc/paddleocr-vl/keys.yaml"
    assert {"name": "keys", "mountPath": "/etc/paddleocr-vl", "readOnly": True} in pod(resources[GATEWAY])[
        "containers"
    ][0]["volumeMounts"]
    assert (found["S3_BUCKET"], found["S3_PREFIX"]) == ("pictures", "ocr/")
    assert (found["OTEL_EXPORTER_OTLP_ENDPOINT"], found["OTEL_TRACES_SAMPLER_ARG"]) == ("http://collector:4318", "0.01")
    assert (found["MAX_PAGES"], found["MCP"]) == ("2000", "true")
    assert variables(resources[ENGINE])["VLM_EXTRA_ARGUMENTS"] == "--host 0.0.0.0 --seed 1"
    assert "replicas" not in resources[ENGINE]["spec"]
    monitor = resources[f"ServiceMonitor/{NAME}"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "ocr-secret", "key": "prometheus-key"}
    assert endpoint["port"] == resources[f"Service/{NAME}"]["spec"]["ports"][0]["name"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert resources[f"PrometheusRule/{NAME}"]["spec"] == make_rules()
    assert yaml.safe_load(resources[f"ConfigMap/{NAME}-dashboard"]["data"]["paddleocr-vl.json"]) == make_dashboard()
    scaled = resources[f"ScaledObject/{NAME}-engine"]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 4)
    assert f'namespace="{NAMESPACE}"' in scaled["triggers"][0]["metadata"]["query"]
    assert resources[f"Ingress/{NAME}"]["spec"]["tls"] == [{"hosts": ["ocr.example"], "secretName": "ocr-tls"}]


ODD: Mapping[type, Any] = {str: "odd", int: 7, float: 0.75, list: [{"name": "odd"}], dict: {"odd": "yes"}}
ODD_VALUES = {
    "externalModels": [{"name": "odd", "url": "http://odd:8000/v1"}],
    "settings": {"MAX_PAGES": 7},
    "engineSettings": {"VLM_MAX_SEQUENCES": 7},
    "disruptionBudget.maxUnavailable": "50%",
    "autoscaling.min": 2,
}


def list_values(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from list_values(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def replace_value(values: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any of YAML's
    name, _, rest = path.partition(".")
    return {**values, name: replace_value(values.get(name, {}), rest, value) if rest else value}


def odd_values(path: str, value: Any) -> Sequence[Any]:  # noqa: ANN401 - any of YAML's
    """Those that the value may be changed to."""
    schema = loads((CHART / "values.schema.json").read_text())
    for name in path.split("."):
        schema = schema["properties"][name]
    if path in ODD_VALUES:
        return [ODD_VALUES[path]]
    if isinstance(value, bool):
        return [not value]
    return schema.get("enum") or [ODD[type(value)]]


DEFAULTS = list(list_values(yaml.safe_load((CHART / "values.yaml").read_text())))


@pytest.mark.parametrize(("path", "value"), DEFAULTS, ids=[path for path, _ in DEFAULTS])
def test_every_value_has_an_effect(path: str, value: Any) -> None:  # noqa: ANN401 - any of YAML's
    """Somewhere: many count beside others only."""
    for base in VALUES.values():
        for odd in odd_values(path, value):
            try:
                if render(replace_value(base, path, odd)) != render(base):
                    return
            except helm().HelmError:
                pass  # what does not go together is tested below
    pytest.fail(f"{path} changes nothing")


def test_numbers_reach_their_settings_as_they_are() -> None:
    """Helm reads them as floats."""
    given = {"MAX_PAGES": 2_000_000, "MAX_UPLOAD_MB": 104_857_600, "PRICE_PER_GPU_HOUR": 0.00001, "MCP": False}
    tracing = {"endpoint": "http://collector:4318", "share": 0.00001}
    found = variables(render({"settings": given, "tracing": tracing})[GATEWAY])
    assert [found[name] for name in given] == ["2000000", "104857600", "0.00001", "false"]
    assert found["OTEL_TRACES_SAMPLER_ARG"] == "0.00001"
    engine = variables(render({**EVERYTHING, "engineSettings": {"VLM_MAX_BATCHED_TOKENS": 1_048_576}})[ENGINE])
    assert engine["VLM_MAX_BATCHED_TOKENS"] == "1048576"


def test_a_setting_wins_over_a_secret() -> None:
    found = variables(render({"existingSecret": "ocr-secret", "settings": {"WEBHOOK_SECRET": "mine"}})[GATEWAY])
    assert (found["WEBHOOK_SECRET"], found["API_KEYS"]) == ("mine", "api-keys")


def test_the_autoscaler_is_that_of_the_manifests() -> None:
    ours = render(VALUES["hpa"])[f"HorizontalPodAutoscaler/{NAME}"]["spec"]
    theirs = rendered("autoscaling")["HorizontalPodAutoscaler"]["spec"]
    assert {**ours, "scaleTargetRef": None} == {**theirs, "scaleTargetRef": None}
    assert "replicas" not in render(VALUES["hpa"])[GATEWAY]["spec"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"replicas": 2}, "Several replicas share their jobs"),
        ({**JOBS_IN_A_BUCKET, "s3": {"bucket": ""}}, "needs s3.bucket"),
        ({**SHARED_JOBS, "jobs": {"database": True, "claim": {"enabled": True}}}, "ReadWriteMany"),
        ({**SHARED_JOBS, "existingSecret": ""}, "jobs.database needs existingSecret"),
        ({"autoscaling": {"kind": "hpa"}}, "Several replicas share their jobs"),
        ({"engine": "external"}, "needs externalUrl or externalModels"),
        ({**VALUES["several models"], "externalUrl": "http://engines:8000/v1"}, "in the place of externalUrl"),
        ({**VALUES["several models"], "engine": "vllm"}, "externalModels needs engine: external"),
        ({"engine": "external", "externalModels": [{"name": "a=b", "url": "http://a/v1"}]}, "externalModels"),
        ({"separateEngine": True}, "separateEngine needs engine: vllm"),
        ({"engine": "vllm", "separateEngine": True, "autoscaling": {"kind": "hpa"}}, "keda"),
        ({"jobs": {"enabled": False}, "autoscaling": {"kind": "keda"}}, "prometheusUrl"),
        ({"externalUrl": "http://engines:8000/v1"}, "externalUrl needs engine: external"),
        ({"settings": {"PORT": 9000}}, "settings.PORT"),
        ({"settings": {"VLM_ENGINE": "vllm"}}, "settings.VLM_ENGINE"),
        ({"service": {"port": 70000}}, "port"),
        ({**VALUES["hpa"], "autoscaling": {"kind": "hpa", "min": 5}}, "autoscaling.min"),
        ({**VALUES["hpa"], "autoscaling": {"kind": "hpa", "min": 0}}, "autoscaling.min: 0"),
        ({"engine": "tesseract"}, "engine"),
        ({"replica": 2}, "replica"),
        ({"settings": {"max_pages": 1}}, "max_pages"),
    ],
)
def test_values_that_do_not_go_together_are_refused(values: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(helm().HelmError, match=sentence):
        render(values)


def test_the_charts_version_is_the_services() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert (CHART / "files" / DASHBOARD).is_file()
