"""Documents and chat through the real vLLM, answered word for word."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.support.examples import load_truth
from tests.support.waiting import WAIT_S
from tests.vllm.lessons import ENDLESS_PROMPT, EXAMPLE, Lesson
from tests.vllm.service import CONTEXT, MODEL, VllmService

pytestmark = pytest.mark.service

CENTRED = '<div style="text-align: center;">{}</div>'
STYLED_TABLE = "<table border=1 style='margin: auto; word-wrap: break-word;'>"


@pytest.fixture
def client(service: VllmService) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=service.base_url, api_key="none", max_retries=0, timeout=WAIT_S) as client:
        yield client


def example_markdown() -> str:
    """The example's truth in the form of PaddleOCR-VL's Markdown."""
    text, caption, table, note = load_truth()[EXAMPLE.name].pages[0].blocks
    styled = table.html.replace("<table>", STYLED_TABLE)
    return "\n\n".join([text.text, CENTRED.format(caption.text), styled, note.text]) + "\n"


def question(lesson: Lesson) -> list[ChatCompletionMessageParam]:
    data = base64.b64encode(Path(lesson.picture).read_bytes()).decode()
    return [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
                {"type": "text", "text": lesson.prompt},
            ],
        }
    ]


def token_count(answer: str) -> int:
    """One token a byte or table tag, and the end."""
    return len(re.sub("<(?:[felux]cel|nl)>", "-", answer).encode()) + 1


def table_lesson(lessons: Iterable[Lesson]) -> Lesson:
    return next(lesson for lesson in lessons if lesson.prompt == "Table Recognition:")


def test_the_example_comes_back_as_its_exact_markdown_table_included(service: VllmService) -> None:
    answer = service.read(EXAMPLE, format="markdown")
    assert answer.status_code == 200, answer.text
    assert answer.text == example_markdown()


def test_the_answer_says_what_read_it_and_what_it_cost(service: VllmService, lessons: list[Lesson]) -> None:
    answer = service.read(EXAMPLE).json()
    assert (answer["status"], answer["engine"], answer["model"]) == ("ok", "vllm", MODEL)
    assert all(block["status"] == "ok" for block in answer["pages"][0]["blocks"])
    assert all(block["confidence"] > 0.9 for block in answer["pages"][0]["blocks"])
    assert answer["usage"]["prompt_tokens"] > 4 * 144
    assert answer["usage"]["completion_tokens"] == sum(token_count(lesson.answer) for lesson in lessons[:4])


def test_vllm_sees_each_picture_at_the_size_that_the_gateway_made(client: openai.OpenAI, lessons: list[Lesson]) -> None:
    """The server's own pixel limits, or a second resize, would change the number of picture tokens."""
    width, height = png_size(Path(lessons[0].picture))
    answer = client.chat.completions.create(model=MODEL, messages=question(lessons[0]), max_tokens=1)
    special, plain = 3, f"User: {lessons[0].prompt}\nAssistant:\n"
    assert answer.usage
    assert answer.usage.prompt_tokens == width * height // 784 + special + len(plain)


def test_chat_answers_like_openai_with_usage_and_logprobs(client: openai.OpenAI, lessons: list[Lesson]) -> None:
    lesson = table_lesson(lessons)
    answer = client.chat.completions.create(
        model=MODEL, messages=question(lesson), temperature=0, logprobs=True, top_logprobs=2
    )
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason) == (lesson.answer, "stop")
    assert answer.usage
    assert answer.usage.completion_tokens == token_count(lesson.answer)
    assert choice.logprobs
    assert choice.logprobs.content
    assert lesson.answer.startswith("".join(token.token for token in choice.logprobs.content[:10]))
    assert len(choice.logprobs.content[0].top_logprobs) == 2


def test_chat_streams_the_same_text(client: openai.OpenAI, lessons: list[Lesson]) -> None:
    lesson = table_lesson(lessons)
    stream = client.chat.completions.create(
        model=MODEL, messages=question(lesson), temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == lesson.answer
    assert len(chunks) > 5
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == token_count(lesson.answer)


def test_a_model_with_a_small_context_is_served_with_it(service: VllmService) -> None:
    assert service.context() == CONTEXT


def test_the_models_are_those_of_the_engine(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names == [MODEL, f"{MODEL}-0.9B"]
    assert client.models.retrieve(f"{MODEL}-0.9B").owned_by == "vllm"


def test_paddlexs_name_of_the_model_works_too(client: openai.OpenAI, lessons: list[Lesson]) -> None:
    answer = client.chat.completions.create(model=f"{MODEL}-0.9B", messages=question(lessons[0]), temperature=0)
    assert answer.choices[0].message.content == lessons[0].answer


async def test_thirty_two_callers_at_once_get_their_own_answers(service: VllmService, lessons: list[Lesson]) -> None:
    async def ask(openai_client: openai.AsyncOpenAI, lesson: Lesson) -> str | None:
        answer = await openai_client.chat.completions.create(model=MODEL, messages=question(lesson), temperature=0)
        text: str | None = answer.choices[0].message.content
        return text

    async def read() -> str:
        async with httpx.AsyncClient(timeout=WAIT_S) as http:
            files = {"file": (EXAMPLE.name, EXAMPLE.read_bytes())}
            return (await http.post(f"{service.url}/ocr?format=markdown", files=files)).text

    asked = [lessons[number % len(lessons)] for number in range(28)]
    async with openai.AsyncOpenAI(base_url=service.base_url, api_key="none", max_retries=0, timeout=WAIT_S) as many:
        answers, documents = await asyncio.gather(
            asyncio.gather(*(ask(many, lesson) for lesson in asked)), asyncio.gather(*(read() for _ in range(4)))
        )
    assert answers == [lesson.answer for lesson in asked]
    assert set(documents) == {example_markdown()}


def test_an_unknown_model_is_not_found(client: openai.OpenAI, lessons: list[Lesson]) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="gpt-9", messages=question(lessons[0]))
    assert refused.value.code == "model_not_found"
    assert "gpt-9" in refused.value.message


def test_a_prompt_beyond_the_context_is_refused_by_name(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "long " * 20_000}])
    assert refused.value.code == "context_length_exceeded"
    assert str(CONTEXT) in refused.value.message


def test_a_reading_that_was_cut_off_says_so(service: VllmService) -> None:
    answer = service.read(EXAMPLE, max_tokens="5").json()
    assert answer["status"] == "partial"
    assert {block["status"] for block in answer["pages"][0]["blocks"]} == {"truncated"}
    assert answer["warnings"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_the_engine(service: VllmService, lessons: list[Lesson], stream: bool) -> None:
    endless = replace(lessons[-1], prompt=ENDLESS_PROMPT)
    body = {"model": MODEL, "messages": question(endless), "temperature": 0, "max_tokens": 7000, "stream": stream}
    before = await asyncio.to_thread(service.generated_tokens)
    async with httpx.AsyncClient(timeout=WAIT_S) as http:
        call = asyncio.create_task(http.post(f"{service.url}/v1/chat/completions", json=body))
        await running_requests_become(service, 1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    await running_requests_become(service, 0)
    assert await asyncio.to_thread(service.generated_tokens) - before < 7000


def test_vllm_logs_as_we_do_from_its_first_line(service: VllmService) -> None:
    lines = [line for line in service.log.read_text(encoding="utf-8").splitlines() if "server version" in line]
    assert lines
    assert {(entry["logger"], entry["level"]) for entry in map(json.loads, lines)} == {("vlm", "info")}


async def running_requests_become(service: VllmService, number: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while await asyncio.to_thread(service.running_requests) != number:  # noqa: ASYNC110 - vLLM's own figure
            await asyncio.sleep(0.05)


def png_size(picture: Path) -> tuple[int, int]:
    head = picture.read_bytes()[16:24]
    return int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
