"""No secret of the settings or of a request is told: not in the log, whatever its level, and not by any route."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import encoded
from tests.support import local_http
from tests.support.ports import free_port
from tests.support.service_process import Service, service_process
from tests.support.stub_engine import StubEngine
from tests.support.waiting import wait_until

KEY, OTHER_KEY, NEW_KEY = (secrets.token_urlsafe() for _ in range(3))
OF_SETTINGS = {
    name: secrets.token_urlsafe() for name in ("vlm_api_key", "s3_access_key_id", "s3_secret_access_key", "hf_token")
}
DATABASE, ENGINE, TRACES, WEBHOOK = (secrets.token_hex() for _ in range(4))
OF_REQUESTS = {name: secrets.token_urlsafe() for name in ("password", "signature", "bearer", "hook")}
PATHS = (
    "/", "/livez", "/readyz", "/health", "/metrics", "/admin/usage", "/v1/models", "/v1/capabilities", "/openapi.json",
    "/jobs", "/nowhere",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway at its most talkative, whose database, bucket and receiver of traces are away."""
    folder, away = tmp_path_factory.mktemp("secrets"), f"127.0.0.1:{free_port()}"
    keys = folder / "keys.yaml"
    digest = hashlib.sha256(NEW_KEY.encode()).hexdigest()
    keys.write_text(f"keys: [{{name: team, hashes: ['sha256:{digest}'], scopes: [ocr, chat, jobs, admin]}}]")
    with StubEngine() as engine:
        settings = {
            **OF_SETTINGS, "api_keys": f"{KEY},{OTHER_KEY}", "api_keys_file": str(keys), "log_level": "DEBUG",
            "database_url": f"postgresql://ocr:{DATABASE}@{away}/ocr", "s3_bucket": "b", "s3_endpoint_url": f"http://{away}",
            "webhook_secret": "whsec_" + base64.b64encode(WEBHOOK.encode()).decode(), "public_base_url": "http://localhost",
            "otel_exporter_otlp_endpoint": f"http://{away}", "otel_exporter_otlp_headers": f"authorization={TRACES}",
            "otel_bsp_schedule_delay": "100", "otel_traces_sampler_arg": "1",
        }  # fmt: skip
        with service_process(folder, engine, **settings) as running:
            yield running


def test_no_secret_is_told(served: Service) -> None:
    asked = {"X-API-Key": NEW_KEY}
    picture = {"file": ("a.png", encoded("PNG"))}
    address = f"http://user:{OF_REQUESTS['bearer']}@127.0.0.1:9/a.pdf?signature={OF_REQUESTS['signature']}"
    hook = f"https://hooks.example/{OF_REQUESTS['hook']}"
    told = [local_http.get(f"{served.url}{path}", headers=asked).text for path in PATHS]
    told += [local_http.get(f"{served.url}{path}").text for path in PATHS]
    for route in ("/ocr", "/jobs"):
        for form in ({"password": OF_REQUESTS["password"]}, {"password": OF_REQUESTS["password"], "pages": "x"}):
            told.append(local_http.post(f"{served.url}{route}", headers=asked, files=picture, data=form).text)
        body = {"source": {"url": address}, "webhook": hook}
        told.append(local_http.post(f"{served.url}{route}", headers=asked, json=body).text)
    wrong = {"Authorization": f"Bearer {OF_REQUESTS['bearer']}"}
    told.append(local_http.post(f"{served.url}/ocr", headers=wrong, files=picture).text)
    source = {"source": {"s3": "a.pdf"}}
    told.append(local_http.post(f"{served.url}/ocr", headers=asked, json=source).text)
    wait_until(lambda: "database" in served.log.read_text(), "a word of the database", served.log)
    hidden = {
        **OF_SETTINGS, **OF_REQUESTS, "key": KEY, "other key": OTHER_KEY, "new key": NEW_KEY, "database": DATABASE,
        "traces": TRACES, "webhook": WEBHOOK, "webhook in base64": base64.b64encode(WEBHOOK.encode()).decode(),
    }  # fmt: skip
    lines = served.log.read_text().splitlines()
    assert {name: line for name, secret in hidden.items() for line in lines if secret in line} == {}
    assert {name: text for name, secret in hidden.items() for text in told if secret in text} == {}
    assert any("vlm" in one for one in told)
