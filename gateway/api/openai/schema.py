"""OpenAI's chat completions: the fields that a request may have, an allow-list, and those of an answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.api.example import EXAMPLE_PICTURE

LONGEST_TEXT = 900_000
"""Characters of one text; the longest context that the model can have takes less."""
_MOST_PIXELS = 12_845_056
_INT64 = 2**63


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_NO_EFFECT = "Accepted; has no effect"


class _Part(_Strict):
    cache_control: dict[str, Any] | None = Field(None, description=_NO_EFFECT)


class TextPart(_Part):
    type: Literal["text"]
    text: str = Field(max_length=LONGEST_TEXT)


class ImageUrl(_Strict):
    url: str = Field(
        description="A base64 `data:image/…` URL, or an http(s) URL that the service fetches (`URL_FETCH`)",
        examples=[f"data:image/png;base64,{EXAMPLE_PICTURE}"],
    )
    detail: Literal["auto", "low", "high"] | None = Field(None, description="Accepted; has no effect")


def _as_image_url(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Mistral's clients send the URL by itself."""
    return {"url": value} if isinstance(value, str) else value


class ImagePart(_Part):
    type: Literal["image_url"]
    image_url: Annotated[ImageUrl, BeforeValidator(_as_image_url, json_schema_input_type=str | ImageUrl)]


Part: TypeAlias = Annotated[TextPart | ImagePart, Field(discriminator="type")]


def _as_parts(content: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _as_list(stop: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    return [stop] if isinstance(stop, str) else stop


_EMPTY_IN_ANSWERS = frozenset(
    {"refusal", "annotations", "audio", "function_call", "tool_calls", "reasoning", "reasoning_content", "prefix"}
)


def _without_empty(message: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """An answer that a client sends back as it got it has fields that say nothing; the engine doesn't get them."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return message
    return {name: value for name, value in message.items() if value or name not in _EMPTY_IN_ANSWERS}


class _Message(_Strict):
    role: Literal["system", "developer", "user", "assistant"]
    name: str | None = Field(None, max_length=1000, description=_NO_EFFECT)
    content: Annotated[list[Part], BeforeValidator(_as_parts, json_schema_input_type=str | list[Part])] = Field(
        min_length=1,
        max_length=64,
        fail_fast=True,
        description="Text, or parts; pictures in the user's messages only",
    )


Message: TypeAlias = Annotated[_Message, BeforeValidator(_without_empty, json_schema_input_type=_Message)]


class StreamOptions(_Strict):
    include_usage: bool | None = Field(None, description="One more event before the end tells the usage")
    include_obfuscation: bool | None = Field(None, description=_NO_EFFECT)


class PixelLimits(_Strict):
    """PaddleX's way to say how large the picture should be; the gateway does it."""

    min_pixels: int | None = Field(None, ge=784, le=_MOST_PIXELS, description="A picture with fewer is enlarged")
    max_pixels: int | None = Field(None, ge=784, le=_MOST_PIXELS, description="A picture with more is made smaller")


class TextFormat(_Strict):
    type: Literal["text"]


class ChatRequest(_Strict):
    """A chat completion request. Every other field is refused."""

    model: str | None = Field(None, max_length=256, description="A name from `GET /v1/models`; default: the engine's")
    messages: list[Message] = Field(
        min_length=1,
        max_length=256,
        fail_fast=True,
        description="At most one picture in all of them. PaddleOCR-VL's prompts are `OCR:`, `Table Recognition:`, "
        "`Formula Recognition:`, `Chart Recognition:`, `Seal Recognition:` and `Spotting:`",
    )
    max_completion_tokens: int | None = Field(None, ge=1, description="Most tokens of the answer, at most 16384")
    max_tokens: int | None = Field(None, ge=1, description="The older name of `max_completion_tokens`")
    temperature: float | None = Field(None, ge=0, le=2, description="Default 0: the model transcribes")
    top_p: float | None = Field(None, gt=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=2, description="Above 1 the model repeats itself less")
    seed: int | None = Field(
        None,
        ge=-_INT64,
        lt=_INT64,
        validation_alias=AliasChoices("seed", "random_seed"),
        description="Mistral's clients call it `random_seed`",
    )
    stop: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=256)]],
            Field(fail_fast=True),
            BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
        ]
        | None
    ) = Field(None, max_length=4, description="At most four strings that end the answer")
    n: Literal[1] | None = None
    stream: bool | None = Field(None, description="Events as the answer grows, the last one `data: [DONE]`")
    stream_options: StreamOptions | None = None
    logprobs: bool | None = Field(None, description="Log probabilities of the answer's tokens")
    top_logprobs: int | None = Field(None, ge=0, le=20, description="Alternatives of each token; wants `logprobs`")
    skip_special_tokens: bool | None = Field(None, description="`false` keeps the location tokens of `Spotting:`")
    mm_processor_kwargs: PixelLimits | None = None
    top_k: int | None = Field(None, ge=-1, lt=_INT64, description="As vLLM means it; for a vLLM only")
    min_p: float | None = Field(None, ge=0, le=1, description="As vLLM means it; for a vLLM only")
    response_format: TextFormat | None = Field(None, description="Text; no other can be asked for")
    modalities: list[Literal["text"]] | None = Field(None, max_length=1, description="Text only")
    tool_choice: Literal["none", "auto"] | None = Field(None, description="There are no tools to choose from")
    parallel_tool_calls: bool | None = Field(None, description=_NO_EFFECT)
    user: str | None = Field(None, max_length=1000, description=_NO_EFFECT)
    safety_identifier: str | None = Field(None, max_length=1000, description=_NO_EFFECT)
    prompt_cache_key: str | None = Field(None, max_length=1000, description=_NO_EFFECT)
    prompt_cache_options: dict[str, Any] | None = Field(None, description=_NO_EFFECT)
    prompt_cache_retention: str | None = Field(None, max_length=40, description=_NO_EFFECT)
    metadata: dict[str, str] | None = Field(None, max_length=16, description=_NO_EFFECT)
    store: bool | None = Field(None, description="Accepted; nothing is stored")
    service_tier: str | None = Field(None, max_length=40, description=_NO_EFFECT)
    reasoning_effort: str | None = Field(None, max_length=40, description=_NO_EFFECT)
    verbosity: str | None = Field(None, max_length=40, description=_NO_EFFECT)
    safe_prompt: Literal[False] | None = Field(None, description="Of Mistral's clients; there is none to be had")

    @model_validator(mode="before")
    @classmethod
    def _without_unused(cls, body: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
        """Clients spell out fields that they don't use: `"tools": null` asks for nothing."""
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if name in cls.model_fields or value not in (None, [], {})}

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


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
