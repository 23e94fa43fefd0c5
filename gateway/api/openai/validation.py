"""The body of a chat request, checked. What is refused is named the way OpenAI's API names it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from gateway.api.brief_errors import brief_errors
from gateway.api.openai.schema import ChatRequest, ImagePart, TextPart
from gateway.conversion.json_bodies import DocumentPlace
from gateway.errors import ServiceError

_CONTROL_TOKEN = re.compile(r"<\|[^<>|\s]{1,64}\|>|</?s>|<(?:unk|pad|cls|sep|mask:\d{1,3})>")
"""Special tokens of PaddleOCR-VL's tokenizer. As text they would end the prompt or stand for a picture that is not
there, which has killed engines (CVE-2026-44222)."""
_FOLDED = {
    code: folded for code in range(0x80, 0x20000) if (folded := unicodedata.normalize("NFKC", chr(code))).isascii()
}
"""Characters that stand for ASCII ones. Whole texts are not normalised: the time for that grows with the square of a
run of accents, minutes for a million of them, and holds up every other request."""
_IMAGE_URL = ("messages", "*", "content", "*", "image_url")
DOCUMENT_PLACES = [DocumentPlace((*_IMAGE_URL, "url"), "picture"), DocumentPlace(_IMAGE_URL, "picture")]
_CODES = {"extra_forbidden": "unknown_parameter", "missing": "missing_required_parameter"}


@dataclass(frozen=True, slots=True)
class NamedImage:
    """A picture's URL, and the field that it stands in."""

    url: str
    param: str


def parse_chat(content: Mapping[str, Any]) -> ChatRequest:
    """The request; ServiceError 400 `unknown_parameter`, `missing_required_parameter`, `invalid_value`, each naming the
    field in `param`."""
    try:
        request = ChatRequest.model_validate(content)
    except ValidationError as error:
        raise _refusal(error) from None
    _check_fields(request)
    _check_texts(request)
    _check_images(request)
    return request


def image_of(request: ChatRequest) -> NamedImage | None:
    return next(_images(request), None)


def _images(request: ChatRequest) -> Iterator[NamedImage]:
    for m, message in enumerate(request.messages):
        for p, part in enumerate(message.content):
            if isinstance(part, ImagePart):
                yield NamedImage(part.image_url.url, f"messages[{m}].content[{p}].image_url.url")


def _check_fields(request: ChatRequest) -> None:
    if request.stream_options is not None and not request.stream:
        raise _invalid("stream_options", "is allowed only when `stream` is true")
    if request.top_logprobs and not request.logprobs:
        raise _invalid("top_logprobs", "is allowed only when `logprobs` is true")
    limits = request.mm_processor_kwargs
    if limits and limits.min_pixels and limits.max_pixels and limits.min_pixels > limits.max_pixels:
        raise _invalid("mm_processor_kwargs", "has `min_pixels` above `max_pixels`")


def _check_texts(request: ChatRequest) -> None:
    for m, message in enumerate(request.messages):
        # Templates put the parts of a message together with nothing between them.
        text = "".join(part.text for part in message.content if isinstance(part, TextPart))
        if found := _control_token(text):
            raise _invalid(f"messages[{m}].content", f"holds `{found}`, a control token of the model")
    for stop in request.stop or ():
        if found := _control_token(stop):
            raise _invalid("stop", f"holds `{found}`, a control token of the model")


def _control_token(text: str) -> str | None:
    """The first one, also where it is spelt with wide characters, which tokenizers may fold."""
    found = _CONTROL_TOKEN.search(text) or (None if text.isascii() else _CONTROL_TOKEN.search(text.translate(_FOLDED)))
    return found[0] if found else None


def _check_images(request: ChatRequest) -> None:
    for m, message in enumerate(request.messages):
        if message.role != "user" and any(isinstance(part, ImagePart) for part in message.content):
            raise _invalid(f"messages[{m}].content", "holds a picture; only the user's messages may")
    images = list(_images(request))
    if len(images) > 1:
        raise _invalid(images[1].param.removesuffix(".image_url.url"), "is a second picture; one request takes one")


def _invalid(param: str, why: str) -> ServiceError:
    return ServiceError(400, "invalid_value", f"`{param}` {why}.", param=param)


def _refusal(error: ValidationError) -> ServiceError:
    found = min(brief_errors(error), key=lambda problem: problem.type not in _CODES)
    param = _param(found.loc)
    if found.type == "extra_forbidden":
        known = f" This service takes {', '.join(ChatRequest.model_fields)}." if len(found.loc) == 1 else ""
        return ServiceError(400, "unknown_parameter", f"Unknown parameter: `{param}`.{known}", param=param)
    if found.type == "missing":
        return ServiceError(400, "missing_required_parameter", f"`{param}` is missing.", param=param)
    return ServiceError(400, "invalid_value", f"`{param}`: {found.message}.", param=param)


def _param(loc: Sequence[str | int]) -> str:
    """`messages[0].content[1].image_url.url`, without the tag by which pydantic chose the kind of part."""
    steps = [step for at, step in enumerate(loc) if not (at >= 2 and loc[at - 2] == "content")]
    named = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return named.removeprefix(".")
