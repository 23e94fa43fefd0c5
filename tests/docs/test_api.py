"""docs/api.md names what the code can answer, so that neither grows without the other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.api.ocr.options import RequestOptions
from gateway.api.openai.schema import ChatRequest
from gateway.labels import LABELS
from gateway.model import Block, DocumentInfo, DocumentResult, PageResult, Timings, Usage

ROOT = Path(__file__).resolve().parents[2]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
RAISING = {"ServiceError", "PageFailure", "_failure"}


def codes_in(source: str) -> Iterator[str]:
    """Error codes: the second argument of calls like `ServiceError(413, "too_many_pages", …)`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISING:
            code = node.args[1]
            if isinstance(code, ast.Constant):
                yield str(code.value)


def raised_codes() -> set[str]:
    files = (ROOT / "gateway").rglob("*.py")
    return {code for file in files for code in codes_in(file.read_text(encoding="utf-8"))}


def test_every_error_code_is_documented() -> None:
    raised = raised_codes()
    assert "queue_full" in raised
    assert sorted(code for code in raised if f"`{code}`" not in API) == []


def test_every_documented_error_code_exists() -> None:
    rows = re.findall(r"^\| [45]\d\d(?:, [45]\d\d)? \| (.+?) \|", API, re.MULTILINE)
    documented = set(re.findall(r"`([a-z0-9_]+)`", " ".join(rows)))
    by_status = {"not_found", "method_not_allowed"}
    assert sorted(documented - raised_codes() - by_status) == []


def test_every_option_is_documented_and_exists() -> None:
    table = API.split("### Options")[1].split("\n### ")[0]
    cells = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    assert set(re.findall(r"`([a-z_]+)`", " ".join(cells))) == set(RequestOptions.model_fields)


def test_every_chat_field_is_documented_and_exists() -> None:
    table = API.split("### Chat fields")[1].split("\n\n", 2)[1]
    cells = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    assert set(re.findall(r"`([a-z_]+)`", " ".join(cells))) == set(ChatRequest.model_fields)


def test_every_label_is_documented() -> None:
    paragraph = API.split("\nLabels: ")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", paragraph)) == set(LABELS)


def test_the_example_answer_has_every_field() -> None:
    example = API.split("### The JSON answer")[1].split("```")[1]
    models = (DocumentResult, DocumentInfo, PageResult, Block, Usage, Timings)
    fields = {name for model in models for name in model.model_fields}
    assert sorted(name for name in fields if f'"{name}"' not in example) == []
