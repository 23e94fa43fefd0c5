"""What OpenAPI says of chat answers. They are passed on as the engine gives them, so nothing is made of these."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

FinishReason = Literal["stop", "length", "content_filter"]


class TokenAlternative(BaseModel):
    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(TokenAlternative):
    top_logprobs: list[TokenAlternative] = Field(default_factory=list)


class Logprobs(BaseModel):
    content: list[TokenLogprob] | None = None


class CompletionUsage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(BaseModel):
    role: Literal["assistant"]
    content: str | None = Field(description="What the model read", examples=["Invoice No. 17"])
    refusal: str | None = Field(None, description="What of the picture no loaded model reads, and what would help")


class Choice(BaseModel):
    index: int
    message: AnswerMessage
    logprobs: Logprobs | None = None
    finish_reason: FinishReason = Field(
        description="`length`: cut off at the token limit or the context's end; `content_filter`: `refusal` says why"
    )


class ChatCompletion(BaseModel):
    """The answer; an engine may add fields."""

    id: str = Field(examples=["chatcmpl-5f0c"])
    object: Literal["chat.completion"]
    created: int = Field(description="Unix time, seconds")
    model: str
    choices: list[Choice]
    usage: CompletionUsage


class Delta(BaseModel):
    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None


class ChunkChoice(BaseModel):
    index: int
    delta: Delta
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = None


class ChatCompletionChunk(BaseModel):
    """One event of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice] = Field(description="Empty in the event that tells the usage")
    usage: CompletionUsage | None = None
