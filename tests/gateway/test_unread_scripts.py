"""Documents in scripts that no loaded model reads, through the real engine without any model but the bundled one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from gateway.app import create_app
from gateway.settings import Settings
from tests.support import local_http
from tests.support.asgi import serving
from tests.support.ports import free_port
from tests.support.script_pages import LINES, line_page, script_page
from tests.support.waiting import LONG_WAIT_S, wait_until
from vlm_backend.embedded import languages
from vlm_backend.embedded.server import create_app as create_engine
from vlm_backend.settings import Settings as EngineSettings

UNREAD = ["Cyrillic", "Greek", "Hebrew", "Arabic"]
REMEDIES = {
    "Cyrillic": "tesseract-ocr-rus",
    "Greek": "EMBEDDED_LANGUAGE=el",
    "Hebrew": "VLM_ENGINE=vllm",
    "Arabic": "EMBEDDED_LANGUAGE=ar",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The gateway with its bundled layout model and the real embedded engine, whatever this machine has."""
    folder = tmp_path_factory.mktemp("service")
    own = EngineSettings(embedded_model_dir=folder / "models", embedded_download=False, _env_file=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(languages, "TESSDATA_FOLDERS", ())
        patch.delenv("TESSDATA_PREFIX", raising=False)
        with serving(create_engine(own), "127.0.0.1", free_port()) as engine:
            wait_until(
                lambda: local_http.get(f"{engine}/health").status_code == 200,
                "the engine's readiness",
                ceiling_s=LONG_WAIT_S,
            )
            yield from _gateway(folder, engine)


def _gateway(folder: Path, engine: str) -> Iterator[httpx.Client]:
    settings = Settings(
        _env_file=None,
        host="127.0.0.1",
        port=free_port(),
        output_dir=folder / "output",
        temp_dir=folder / "temp",
        vlm_engine="external",
        vlm_base_url=f"{engine}/v1",
        layout_model="bundled",
        render_workers=1,
    )
    with (
        serving(create_app(settings), settings.host, settings.port) as url,
        httpx.Client(base_url=url, timeout=LONG_WAIT_S) as client,
    ):
        wait_until(lambda: client.get("/readyz").status_code == 200, "the gateway's readiness", ceiling_s=LONG_WAIT_S)
        yield client


def read(service: httpx.Client, page: bytes, **options: str) -> httpx.Response:
    return service.post("/ocr", files={"file": ("page.png", page)}, data=options)


@pytest.mark.parametrize("script", UNREAD)
@pytest.mark.parametrize("size", [16, 40])
def test_a_page_that_cannot_be_read_fails_and_says_why(service: httpx.Client, script: str, size: int) -> None:
    answer = read(service, script_page(script, size=size))
    result = answer.json()
    assert (answer.status_code, result["status"]) == (200, "failed")
    assert {block["status"] for page in result["pages"] for block in page["blocks"]} == {"failed"}
    assert not any(block["content"] for page in result["pages"] for block in page["blocks"])
    assert all(f"{script} script" in warning and REMEDIES[script] in warning for warning in result["warnings"])
    assert result["warnings"]


@pytest.mark.parametrize("script", UNREAD)
def test_what_can_be_read_beside_it_is_read(service: httpx.Client, script: str) -> None:
    result = read(service, script_page("Latin", script)).json()
    assert result["status"] == "partial"
    assert "revenue rose by 12" in result["markdown"]
    assert any(f"{script} script" in warning for warning in result["warnings"])
    text = "".join(block["content"] for page in result["pages"] for block in page["blocks"])
    assert len(text) < 200, "signs that stand for the unread lines were taken for text"


@pytest.mark.parametrize("script", UNREAD)
def test_words_in_lines_that_can_be_read_are_told(service: httpx.Client, script: str) -> None:
    word = next(word for word in LINES[script][1].split() if len(word) > 5)
    result = read(service, line_page(f"The letter of last year was signed by {word} and", "was sent on 12 May.")).json()
    assert result["status"] == "partial"
    assert "The letter of last year was signed by" in result["markdown"]
    assert "was sent on 12 May." in result["markdown"]
    assert any(script in warning and REMEDIES[script] in warning for warning in result["warnings"])


@pytest.mark.parametrize("script", UNREAD)
def test_words_beside_numbers_are_told(service: httpx.Client, script: str) -> None:
    words = LINES[script][3].split()
    result = read(service, line_page(*(f"{word} 45.00" for word in words if len(word) > 5))).json()
    assert result["status"] in ("partial", "failed")
    assert any(script in warning for warning in result["warnings"])


def test_a_page_that_can_be_read_has_no_warning(service: httpx.Client) -> None:
    result = read(service, script_page("Latin")).json()
    assert (result["status"], result["warnings"]) == ("ok", [])


@pytest.mark.parametrize("kind", ["markdown", "html", "text"])
def test_an_empty_text_is_an_error_that_says_why(service: httpx.Client, kind: str) -> None:
    answer = read(service, script_page("Hebrew"), format=kind)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "script_not_readable"
    assert "Hebrew script" in problem["detail"]
    assert REMEDIES["Hebrew"] in problem["detail"]


@pytest.mark.parametrize("kind", ["markdown", "html", "text"])
def test_a_text_that_lacks_something_names_it_in_a_header(service: httpx.Client, kind: str) -> None:
    answer = read(service, script_page("Latin", "Hebrew"), format=kind)
    assert (answer.status_code, answer.headers["X-OCR-Status"]) == (200, "partial")
    assert "Hebrew script" in answer.headers["X-OCR-Warnings"]
    assert "revenue rose" in answer.text


def test_a_stream_ends_with_the_warning(service: httpx.Client) -> None:
    events = read(service, script_page("Hebrew"), stream="true").text
    done = next(part for part in events.split("\n\n") if part.startswith("event: done"))
    data = json.loads(done.split("data: ", 1)[1])
    assert data["status"] == "failed"
    assert "Hebrew script" in data["warnings"][0]


def test_paddlex_clients_get_the_warning(service: httpx.Client) -> None:
    sent = {"file": base64.b64encode(script_page("Hebrew")).decode(), "fileType": 1}
    answer = service.post("/layout-parsing", json=sent).json()
    assert answer["errorCode"] == 0
    assert "Hebrew script" in answer["result"]["warnings"][0]


@pytest.mark.parametrize("stream", [False, True])
def test_chat_clients_get_a_refusal(service: httpx.Client, stream: bool) -> None:
    text, refusal, reason = _chat(service, script_page("Greek"), stream)
    assert (text, reason) == ("", "content_filter")
    assert "Greek script" in refusal
    text, refusal, reason = _chat(service, script_page("Latin"), stream)
    assert "revenue" in text
    assert (refusal, reason) == ("", "stop")


def _chat(service: httpx.Client, page: bytes, stream: bool) -> tuple[str, str, str]:
    """What OpenAI's client gets: text, refusal and reason of its end."""
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(page).decode()}"}}
    messages: Any = [{"role": "user", "content": [picture, {"type": "text", "text": "OCR:"}]}]
    with OpenAI(base_url=f"{service.base_url}/v1", api_key="none", max_retries=0) as client:
        model = client.models.list().data[0].id
        if not stream:
            choice = client.chat.completions.create(model=model, messages=messages).choices[0]
            return choice.message.content or "", choice.message.refusal or "", choice.finish_reason
        chunks = [
            chunk.choices[0] for chunk in client.chat.completions.create(model=model, messages=messages, stream=True)
        ]
    text = "".join(chunk.delta.content or "" for chunk in chunks)
    return text, "".join(chunk.delta.refusal or "" for chunk in chunks), chunks[-1].finish_reason or ""


def test_health_lists_the_scripts_that_are_read(service: httpx.Client) -> None:
    assert service.get("/health").json()["vlm"]["scripts"] == ["Latin", "Chinese", "Japanese"]
