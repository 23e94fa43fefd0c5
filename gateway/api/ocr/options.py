"""The options of `POST /ocr`: the same names and rules in the query, in form fields and in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from gateway.api.brief_errors import MAX_ERRORS, BriefError, brief_errors
from gateway.errors import ServiceError
from gateway.labels import LABELS
from gateway.reading_options import OcrOptions, RecognitionMode, TextLayerMode
from gateway.scheduling.fair_semaphore import PRIORITIES, Priority

Format = Literal["json", "markdown", "html", "text", "pdf", "hocr", "alto", "docx", "xlsx", "csv"]
PLACED_FORMATS: frozenset[Format] = frozenset({"pdf", "hocr", "alto"})
"""Formats that show where lines and words stand."""
_BARE_FORMATS = PLACED_FORMATS | {"text", "csv", "xlsx"}
"""Formats without pictures."""
Included = Literal["lines", "words", "cells", "html", "page_image"]
Pair = tuple[str, Any]

_FORMATS: dict[str, Format] = {
    "application/json": "json",
    "text/markdown": "markdown",
    "text/html": "html",
    "text/plain": "text",
}
_EVENTS = "text/event-stream"
WHOLE_DOCUMENT = ("merge_tables", "join_paragraphs", "relevel_titles")
"""Options that need all pages, so that a stream, which gives each page when it is read, can't have them."""
"""Options that are for what comes before the pipeline and after it, or that it takes in another form."""
_DEFAULTS = OcrOptions()


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _read_flag(value: object) -> object:
    """Only what says so: Python takes `1.0`, "y" and "off" for truth values too."""
    if isinstance(value, str) and value.lower() in _FLAGS:
        return _FLAGS[value.lower()]
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


_FLAGS = {"true": True, "1": True, "false": False, "0": False}
Flag = Annotated[bool, BeforeValidator(_read_flag)]


class RequestOptions(BaseModel):
    """What a client may ask, with each option's type, limits and meaning. None: not given."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    pages: str | None = Field(
        None, max_length=1000, description="Pages to read: `1-3,7`, `9-`, `-2`; all by default", examples=["1"]
    )
    password: str | None = Field(
        None, max_length=1000, repr=False, description="Password of an encrypted PDF; not in the query, which is logged"
    )
    task: Literal["document", "text", "table", "formula", "chart", "seal", "spotting"] = Field(
        "document", description="`document`: layout, then each region; else the whole page in one call of that kind"
    )
    model: str | None = Field(
        None,
        max_length=100,
        description="What reads the regions, where there are several models; `models` of `/v1/capabilities`",
    )
    format: Format | None = Field(None, description="What to answer; by default what `Accept` asks for, else `json`")
    stream: Flag | None = Field(None, description="Server-sent events `meta`, `page`, `done`, `error` as pages finish")
    priority: Literal["interactive", "batch"] = Field(
        "interactive",
        description="`batch`: for work that nobody waits for; it takes what interactive requests leave of the engine, "
        "and in the query is admitted where it has to wait for longer",
    )
    images: Literal["inline", "stored", "none"] | None = Field(
        None,
        description="Pictures as base64, as URLs, or left out. Default `inline`, but Markdown then keeps the bare keys",
    )
    include: Annotated[list[Included], Field(fail_fast=True), BeforeValidator(_split)] | None = Field(
        None,
        description="What JSON and events are to hold besides (comma-separated; in JSON a list too): `lines` of blocks "
        "with their places, the `words` of these, and the `cells` of tables; `html` of blocks; `page_image`, the "
        "picture that boxes refer to",
        examples=["lines,words", "cells"],
    )
    chart: Flag = Field(False, description="Read charts as tables instead of showing them as pictures")
    seal: Flag = Field(False, description="Read the text of seals")
    image_text: Flag = Field(False, description="Read the text inside pictures too")
    text_layer: TextLayerMode = Field(
        "auto",
        description="Whether a PDF's own characters are taken where they prove to be what the page shows; `never`: "
        "the engine reads all; `only`: it reads nothing, and what is not in the text layer is left out; with "
        "`task=document`",
    )
    recognition: RecognitionMode = Field(
        "vlm",
        description="`hybrid`: text that proves easy is read by the embedded engine beside the VLM, which spares calls "
        "to that; where the service has both",
    )
    dpi: int | None = Field(None, ge=36, le=600, description="Resolution for PDF pages; default `PDF_DPI`")
    orientation: Flag = Field(False, description="Turn pages upright that lie on a side or stand on their head")
    min_pixels: int | None = Field(
        None, ge=784, le=12_845_056, description="Crops with fewer pixels are enlarged for the VLM"
    )
    max_pixels: int | None = Field(
        None, ge=784, le=12_845_056, description="Crops with more pixels are made smaller for the VLM"
    )
    max_tokens: int | None = Field(None, ge=1, le=16_384, description="Most tokens the VLM writes for one region")
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False, description="Sampling temperature")
    top_p: float | None = Field(
        None, gt=0, le=1, allow_inf_nan=False, description="Share of the likeliest tokens to sample from"
    )
    repetition_penalty: float | None = Field(
        None, gt=0, le=2, allow_inf_nan=False, description="Above 1 the VLM repeats itself less"
    )
    min_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Blocks read with less confidence are read again from a larger picture; `warnings` names those "
        "that stay below",
    )
    ignore_labels: Annotated[list[str], Field(fail_fast=True), BeforeValidator(_split)] | None = Field(
        None,
        description="Labels that Markdown, HTML and text leave out (comma-separated; in JSON a list too); "
        f"default `{','.join(sorted(_DEFAULTS.ignore_labels))}`; empty: leave out nothing",
        examples=["header,footer,number"],
    )
    merge_blocks: Flag = Field(
        True,
        description="Read paragraphs that columns or pictures divide in one call, into the first of their blocks; no "
        "effect with the embedded engine",
    )
    merge_tables: Flag = Field(False, description="Put tables together that page breaks cut; not for streams")
    join_paragraphs: Flag = Field(
        False, description="Put paragraphs together that page breaks or column breaks cut; not for streams"
    )
    relevel_titles: Flag = Field(
        False, description="Levels of headings from numbering and print over the whole document; not for streams"
    )

    @field_validator("ignore_labels")
    @classmethod
    def _known(cls, labels: list[str] | None) -> list[str] | None:
        unknown = sorted(set(labels or ()) - LABELS)
        if unknown:
            raise ValueError(f"unknown label {unknown[0][:40]!r}; labels are {', '.join(sorted(LABELS))}")
        return labels

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ValueError("`min_pixels` is above `max_pixels`")
        if self.text_layer == "only" and self.task != "document":
            raise ValueError("`text_layer=only` needs `task=document`")
        return self

    @property
    def queue_priority(self) -> Priority:
        return PRIORITIES[self.priority]

    @property
    def picture_delivery(self) -> Literal["inline", "stored", "none"]:
        """What becomes of pictures: formats that show none need none, and a Word document holds its own."""
        if self.images == "none" or self.format in _BARE_FORMATS:
            return "none"
        return "inline" if self.images is None or self.format == "docx" else self.images

    @property
    def restructuring(self) -> dict[str, bool]:
        """What to do with the pages when all are read: arguments of `restructured`."""
        return {name: getattr(self, name) for name in WHOLE_DOCUMENT}

    def for_pipeline(self) -> OcrOptions:
        given = self.model_dump(
            exclude={"password", "format", "stream", "priority", "images", "include", "ignore_labels", *WHOLE_DOCUMENT}
        )
        ignored = _DEFAULTS.ignore_labels if self.ignore_labels is None else frozenset(self.ignore_labels)
        shows_all = bool(self.stream) or self.format in ("json", "docx", None)
        needs_places, included = self.format in PLACED_FORMATS, frozenset(self.include or ())
        is_json = bool(self.stream) or self.format in ("json", None)
        return OcrOptions(
            **given,
            images=self.picture_delivery,
            ignore_labels=ignored,
            read_ignored=shows_all or needs_places,
            lines=needs_places or not included.isdisjoint(("lines", "words")),
            words=needs_places or "words" in included,
            cells="all" if "cells" in included else "none",
            html=is_json and "html" in included,
            page_image=is_json and "page_image" in included,
        )


def parse_options(pairs: Iterable[Pair], accept: str = "", *, taken: Iterable[str] = ()) -> RequestOptions:
    """Options from name and value pairs of all places they may stand in; `format` and `stream` settled by `accept`.
    `taken`: names of further ones, which the caller has taken out.

    ServiceError 422 `unknown_option`, `invalid_option` or `conflicting_option`, each naming the option.
    """
    merged = _merged(pairs)
    _refuse_unknown(merged, taken)
    try:
        options = RequestOptions.model_validate(merged)
    except ValidationError as error:
        raise _refusal(error) from None
    wanted = _preferred(accept)
    stream = wanted == _EVENTS if options.stream is None and options.format is None else bool(options.stream)
    refused = [name for name, is_wanted in options.restructuring.items() if stream and is_wanted]
    if refused:
        raise ServiceError(
            422, "conflicting_option", f"`{refused[0]}` needs the whole document; it is not for streams."
        )
    return options.model_copy(update={"format": options.format or _FORMATS.get(wanted, "json"), "stream": stream})


def check_types(options: Mapping[str, Any]) -> None:
    """In JSON a number is no string, and no truth value. ServiceError 422 `invalid_option`."""
    for name, value in options.items():
        if value is None:
            continue
        if name in _FLAG_NAMES and not isinstance(value, bool):
            raise ServiceError(422, "invalid_option", f"`{name}`: must be true or false.")
        if name in _NUMBER_NAMES and isinstance(value, str | bool):
            raise ServiceError(422, "invalid_option", f"`{name}`: must be a number.")


def _names_of(*types: str) -> frozenset[str]:
    """Options that are one of these types of JSON."""
    properties = RequestOptions.model_json_schema()["properties"].items()
    kinds = {name: [schema, *schema.get("anyOf", ())] for name, schema in properties}
    return frozenset(name for name, schemas in kinds.items() if any(one.get("type") in types for one in schemas))


_FLAG_NAMES = _names_of("boolean")
_NUMBER_NAMES = _names_of("integer", "number")


def _merged(pairs: Iterable[Pair]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name, value in pairs:
        if value is None or (value == "" and name != "ignore_labels"):
            continue
        if name in merged and _canonical(merged[name]) != _canonical(value):
            raise ServiceError(422, "conflicting_option", f"`{name[:80]}` is given twice with different values.")
        merged[name] = value
    return merged


def _canonical(value: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    return ",".join(map(str, value)) if isinstance(value, list) else str(value).lower()


def _refuse_unknown(names: Iterable[str], taken: Iterable[str]) -> None:
    unknown = [name for name in names if name not in RequestOptions.model_fields]
    if unknown:
        known = ", ".join([*RequestOptions.model_fields, *taken])
        named = ", ".join(f"`{name[:80]}`" for name in unknown[:MAX_ERRORS])
        raise ServiceError(422, "unknown_option", f"There is no option {named}; options are {known}.")


def _refusal(error: ValidationError) -> ServiceError:
    return ServiceError(422, "invalid_option", "; ".join(map(_sentence, brief_errors(error))))


def _sentence(found: BriefError) -> str:
    message = found.message.removeprefix("Value error, ")
    return f"`{found.loc[0]}`: {message}" if found.loc else message


def _preferred(accept: str) -> str:
    """The media type we can answer that the client likes best; empty where it names none of ours."""
    ranked = []
    for entry in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        if media_type == _EVENTS or media_type in _FORMATS:
            ranked.append((_quality(parameters), media_type))
    best = max((quality for quality, _ in ranked), default=0)
    return next((media_type for quality, media_type in ranked if quality == best > 0), "")


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0
    return 1
