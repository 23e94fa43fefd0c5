"""The API's own documentation, and what the service says of itself."""

from __future__ import annotations

import re
from typing import Any

from gateway.api.ocr.options import RequestOptions
from gateway.api.openai.schema import ChatRequest
from tests.support.server import Gateway


def test_openapi_describes_the_whole_of_ocr(served: Gateway) -> None:
    document: dict[str, Any] = served.client.get("/openapi.json").json()
    operation = document["paths"]["/ocr"]["post"]
    content = operation["requestBody"]["content"]
    assert set(RequestOptions.model_fields) == {parameter["name"] for parameter in operation["parameters"]} - {
        "X-API-Key",
        "Idempotency-Key",
    }
    for kind, source in (("multipart/form-data", "file"), ("application/json", "source")):
        properties = content[kind]["schema"]["properties"]
        assert set(properties) == {source, *RequestOptions.model_fields}
        assert all(field.get("description") for field in properties.values())
    assert "schema" in operation["responses"]["200"]["content"]["application/json"]
    for status in ("400", "401", "413", "415", "422", "429", "503", "504"):
        schema = operation["responses"][status]["content"]["application/problem+json"]["schema"]
        assert {"type", "title", "status", "detail", "code", "request_id"} <= set(schema["properties"])


def test_openapi_describes_the_whole_of_chat(served: Gateway) -> None:
    document: dict[str, Any] = served.client.get("/openapi.json").json()
    operation = document["paths"]["/v1/chat/completions"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert set(content["schema"]["properties"]) == set(ChatRequest.model_fields)
    assert ChatRequest.model_validate(content["example"])
    answer = operation["responses"]["200"]["content"]["application/json"]
    completion = document["components"]["schemas"][answer["schema"]["$ref"].rpartition("/")[2]]
    assert set(completion["required"]) <= set(answer["example"])
    for status in ("400", "401", "404", "413", "429", "502", "503", "504"):
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        assert set(schema["properties"]["error"]["properties"]) == {"message", "type", "param", "code"}
    assert {"/v1/models", "/v1/models/{id}"} <= set(document["paths"])


def test_every_reference_in_openapi_resolves(served: Gateway) -> None:
    document = served.client.get("/openapi.json").json()

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    found = references(document)
    assert found
    for reference in found:
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in document["components"]["schemas"]


def test_the_documentation_pages_are_there(served: Gateway) -> None:
    for path in ("/docs", "/redoc"):
        assert "html" in served.client.get(path).headers["content-type"]


def test_the_service_says_what_it_is(served: Gateway) -> None:
    about = served.client.get("/").json()
    assert (about["engine"], about["model"]) == ("embedded", "stub-model")
    assert about["version"]
    for path in about["links"].values():
        assert served.client.get(path).status_code in (200, 405)


def test_a_browser_gets_a_page_with_a_line_to_try(served: Gateway) -> None:
    answer = served.client.get("/", headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.headers["content-type"].startswith("text/html")
    assert f"curl -F file=@document.pdf '{served.url}/ocr" in answer.text
    for name in re.findall(r'(?:href|src)="(\w[^"]*)"', answer.text):
        assert served.client.get(f"/{name}").status_code == 200, name
    assert served.client.get("/playground/../settings.py").status_code == 404
