"""What the load benchmarks' engine says, as OpenAI's own library hears it, and as the gateway's monitor does."""

from __future__ import annotations

import asyncio

import pytest
from openai import APIConnectionError, AsyncOpenAI, InternalServerError
from openai.types.chat import ChatCompletionMessageParam

from benchmarks.load.answers import TOKENS
from gateway.parts import create_parts
from gateway.settings import Settings
from tests.benchmarks.load.scripted import engine

PICTURE = "data:image/png;base64," + 4000 * "A"


def question(prompt: str = "OCR:") -> list[ChatCompletionMessageParam]:
    return [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": PICTURE}}, {"type": "text", "text": prompt}],
        }
    ]


async def whole(client: AsyncOpenAI, prompt: str = "OCR:") -> tuple[str, int, int]:
    """Text, tokens as the usage has them, and log probabilities."""
    answer = await client.chat.completions.create(model="any", messages=question(prompt), logprobs=True)
    choice = answer.choices[0]
    assert answer.usage
    assert choice.logprobs
    return choice.message.content or "", answer.usage.completion_tokens, len(choice.logprobs.content or ())


async def streamed(client: AsyncOpenAI) -> tuple[str, int, list[str | None]]:
    """Text, tokens and finish reasons."""
    stream = await client.chat.completions.create(
        model="any",
        messages=question(),
        stream=True,
        stream_options={"include_usage": True},
    )
    text, tokens = "", 0
    ends: list[str | None] = []
    async for chunk in stream:
        tokens = chunk.usage.completion_tokens if chunk.usage else tokens
        for choice in chunk.choices:
            text += choice.delta.content or ""
            ends.append(choice.finish_reason)
    return text, tokens, ends


async def test_answers_have_the_lengths_of_a_page_in_turn_whole_or_streamed() -> None:
    async with engine({}) as url, AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
        text, tokens, logprobs = await whole(client)
        assert (tokens, logprobs) == (TOKENS[0], TOKENS[0])
        streamed_text, streamed_tokens, ends = await streamed(client)
        assert streamed_tokens == TOKENS[1]
        assert ends[-1] == "stop"
        assert not any(ends[:-1])
        assert text.strip()
        assert streamed_text.strip()


async def test_failed_calls_are_500_and_dropped_ones_lose_the_connection() -> None:
    async with engine({"failed": 1.0}) as url, AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
        with pytest.raises(InternalServerError):
            await whole(client)
    async with engine({"dropped": 1.0}) as url, AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
        with pytest.raises(APIConnectionError):
            await whole(client)


async def test_a_stalled_call_ends_when_its_client_goes() -> None:
    async with engine({"stalled": 1.0}) as url, AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await whole(client)
        metrics = await client.with_options(base_url=url.removesuffix("/v1")).get("/metrics", cast_to=str)
        assert 'num_requests_running{engine="0"} 0.0' in metrics


async def test_the_gateway_takes_it_for_vllm() -> None:
    async with engine({}) as url:
        parts = create_parts(Settings(vlm_engine="external", vlm_base_url=url, vlm_warm_up=False))
        await parts.engine.start()
        try:
            assert await parts.engine.wait_ready(10)
            assert parts.engine.kind == "vllm"
        finally:
            await parts.engine.close()
