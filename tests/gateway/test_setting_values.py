"""Values of settings that can't be used are refused when the settings are read, in words."""

from __future__ import annotations

import base64

import pytest
from pydantic import ValidationError

from gateway.settings import Settings

SECRETS = [bytes([digit]) * 24 for digit in (1, 2)]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("otel_exporter_otlp_endpoint", "collector:4318", "http:// or https://"),
        ("vlm_base_url", "dns+https://engines/v1", "dns+http://NAME:PORT/v1"),
        ("vlm_models", "http://one/v1", "NAME=URL"),
        ("vlm_models", "v1=one/v1", "NAME=URL"),
        ("vlm_models", "v1=dns+http://user@engines/v1", "dns+http://NAME:PORT/v1"),
        ("s3_prefix", "ocr/../", "no part that is"),
        ("root_path", "ocr", "begins with a slash"),
        ("root_path", "/a b", "letters, digits"),
        ("webhook_secret", base64.b64encode(SECRETS[0]).decode(), "whsec_"),
        ("webhook_secret", "whsec_" + base64.b64encode(b"short").decode(), "24 to 64 bytes"),
        ("webhook_secret", "whsec_no base64", "24 to 64 bytes"),
    ],
)
def test_values_that_cannot_be_used(name: str, value: str, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"vlm_engine": "external", name: value})
    (error,) = refused.value.errors()
    assert (error["loc"], words in error["msg"]) == ((name,), True)


def test_lists_of_values() -> None:
    secrets = ", ".join(f"whsec_{base64.b64encode(secret).decode()}" for secret in SECRETS)
    settings = Settings(
        _env_file=None,
        vlm_engine="external",
        vlm_models="VL-1.6=http://one/v1/, v1=http://two/v1,VL-1.6=http://three/v1",
        webhook_secret=secrets,
        root_path="/ocr/",
    )
    assert settings.model_urls == {"VL-1.6": ["http://one/v1", "http://three/v1"], "v1": ["http://two/v1"]}
    assert settings.engine_urls == ["http://one/v1", "http://three/v1", "http://two/v1"]
    assert settings.webhook_keys == SECRETS
    assert settings.root_path == "/ocr"
