"""PaddleX's requests: the fields of `/layout-parsing` and `/restructure-pages`, refused in PaddleX's words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    Strict,
    StrictBool,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from gateway.api.brief_errors import brief_errors
from gateway.api.example import EXAMPLE_PICTURE
from gateway.conversion.json_bodies import NOT_AN_OBJECT, DocumentPlace
from gateway.errors import ServiceError
from gateway.reading_options import MergeMode, RecognitionMode, ShapeMode, TextLayerMode

PromptLabel = Literal["ocr", "formula", "table", "chart", "seal", "spotting"]
_Positive = Annotated[float, Strict(), Field(gt=0)]
_PositiveInt = Annotated[int, Strict(), Field(gt=0)]
_Share = Annotated[float, Strict(), Field(ge=0, le=1)]
_Ratio = _Positive | tuple[_Positive, _Positive]
_Flag = StrictBool


def _refuse_flag(value: object) -> object:
    """False is 0 to Python, and no number in JSON."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


_FileType = Annotated[Literal[0, 1], BeforeValidator(_refuse_flag, json_schema_input_type=Literal[0, 1])]
_MAX_CLASSES = 100
DOCUMENT_PLACES = [DocumentPlace(("file",), "paddlex")]
_MAX_LOG_ID = 200
_Value = TypeVar("_Value")
Params = TypeVar("Params", bound=BaseModel)


def _check_count(values: object) -> object:
    """Before the values: a list of what is wrong with each would be far longer than the object."""
    if isinstance(values, dict) and len(values) > _MAX_CLASSES:
        raise ValueError(f"at most {_MAX_CLASSES} classes")
    return values


_Texts = Annotated[list[str], Field(fail_fast=True)]
_ExportFormats = Annotated[list[Literal["docx"]], Field(fail_fast=True)]
_ByClass = Annotated[dict[str, _Value], BeforeValidator(_check_count)]
_NO_EFFECT = "Accepted for PaddleX's clients; no effect in this version"


class VlmExtraArgs(BaseModel):
    """PaddleX's names for the pixel limits of one prompt. Each kind is a name that `OcrOptions.task_pixels` knows."""

    model_config = ConfigDict(frozen=True)

    ocr_min_pixels: _PositiveInt | None = None
    ocr_max_pixels: _PositiveInt | None = None
    table_min_pixels: _PositiveInt | None = None
    table_max_pixels: _PositiveInt | None = None
    chart_min_pixels: _PositiveInt | None = None
    chart_max_pixels: _PositiveInt | None = None
    formula_min_pixels: _PositiveInt | None = None
    formula_max_pixels: _PositiveInt | None = None
    seal_min_pixels: _PositiveInt | None = None
    seal_max_pixels: _PositiveInt | None = None

    @property
    def limits(self) -> dict[str, tuple[int | None, int | None]]:
        """Fewest and most pixels by kind."""
        kinds = ("ocr", "table", "chart", "formula", "seal")
        return {kind: (getattr(self, f"{kind}_min_pixels"), getattr(self, f"{kind}_max_pixels")) for kind in kinds}

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        for kind, (least, most) in self.limits.items():
            if least and most and least > most:
                raise ValueError(f"`{kind}_min_pixels` ({least}) cannot be greater than `{kind}_max_pixels` ({most})")
        return self


class LayoutParsingRequest(BaseModel):
    """Fields that PaddleX does not know are ignored, as PaddleX does. None: not given."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, allow_inf_nan=False)

    file: str = Field(
        description="The document as base64, or an http(s) URL",
        examples=[EXAMPLE_PICTURE],
        json_schema_extra={"minLength": 1},
    )
    file_type: _FileType | None = Field(
        None, description="0: PDF, 1: image. The document's bytes decide, whatever is said here"
    )
    use_doc_orientation_classify: _Flag | None = Field(
        None, description="Default false. Turn pages upright; all boxes then refer to the turned page"
    )
    use_doc_unwarping: _Flag | None = Field(
        None, description="No page is flattened in this version; `true` brings a line in `warnings`"
    )
    use_layout_detection: _Flag | None = Field(
        None, description="Default true. False: the whole page in one call, as `promptLabel` says"
    )
    use_chart_recognition: _Flag | None = Field(None, description="Default false. Read charts as tables")
    use_seal_recognition: _Flag | None = Field(None, description="Default false. Read the text of seals")
    use_ocr_for_image_block: _Flag | None = Field(None, description="Default false. Read the text inside pictures too")
    layout_threshold: _Share | _ByClass[_Share] | None = Field(
        None, description="Least score of a layout box, or an object by class id; 0.5 for classes that it lacks"
    )
    layout_nms: _Flag | None = Field(None, description="Default true. Layout boxes that are nearly equal become one")
    layout_unclip_ratio: _Ratio | _ByClass[_Ratio] | None = Field(
        None, description="Factor of the boxes' sides, [of width, of height], or an object by class id"
    )
    layout_merge_bboxes_mode: MergeMode | _ByClass[MergeMode] | None = Field(
        None, description="Of a box within another: `large` keeps the outer, `small` the inner; or by class id"
    )
    layout_shape_mode: Annotated[ShapeMode | None, AfterValidator(lambda mode: mode or "auto")] = Field(
        "auto", description="Outlines: `rect` none, `quad` four corners, `poly` as seen, `auto` as few as will do"
    )
    prompt_label: PromptLabel | None = Field(
        None, description="What the page holds; default `ocr`. Only with `useLayoutDetection` false"
    )
    format_block_content: _Flag | None = Field(None, description="Default false. `block_content` as Markdown")
    repetition_penalty: _Positive | None = Field(None, description="Above 1 the VLM repeats itself less")
    temperature: Annotated[float, Strict(), Field(ge=0)] | None = Field(
        None, description="Sampling temperature; default 0"
    )
    top_p: Annotated[float, Strict(), Field(gt=0, le=1)] | None = Field(
        None, description="Share of the likeliest tokens to sample from; with a `temperature` above 0"
    )
    min_pixels: _PositiveInt | None = Field(None, description="Crops with fewer pixels are enlarged for the VLM")
    max_pixels: _PositiveInt | None = Field(None, description="Crops with more pixels are made smaller for the VLM")
    max_new_tokens: _PositiveInt | None = Field(None, description="Most tokens the VLM writes for one region")
    merge_layout_blocks: _Flag | None = Field(None, description="Default true. As `merge_blocks` of `POST /ocr`")
    markdown_ignore_labels: _Texts | None = Field(
        None, description="Labels that the Markdown leaves out; [] leaves out nothing"
    )
    vlm_extra_args: VlmExtraArgs | None = Field(
        None, description="`minPixels` and `maxPixels` of the crops of one prompt; other keys are ignored"
    )
    prettify_markdown: _Flag = Field(True, description="Pictures, captions and tables centred by HTML")
    show_formula_number: _Flag = Field(False, description="Numbers of formulas in the Markdown")
    return_markdown_images: _Flag = Field(True, description="`markdown.images`")
    restructure_pages: _Flag = Field(False, description="The document as one, as the next two say")
    merge_tables: _Flag = Field(True, description="Put tables together that page breaks cut; with `restructurePages`")
    relevel_titles: _Flag = Field(True, description="Levels of headings over the document; with `restructurePages`")
    output_formats: _ExportFormats | None = Field(None, description="`docx`: a Word document of each page")
    visualize: _Flag | None = Field(None, description="Default true. `outputImages` and `inputImage`")
    log_id: str | None = Field(None, description="Comes back as `logId`; by default the request's id")
    text_layer: TextLayerMode | None = Field(
        None, description="Default `auto`. This service's own: as `text_layer` of `POST /ocr`"
    )
    recognition: RecognitionMode | None = Field(
        None, description="Default `vlm`. This service's own: as `recognition` of `POST /ocr`"
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ValueError(f"`minPixels` ({self.min_pixels}) cannot be greater than `maxPixels` ({self.max_pixels})")
        if self.text_layer == "only" and not self.has_layout:
            raise ValueError("`textLayer` `only` needs `useLayoutDetection`")
        return self

    @property
    def has_layout(self) -> bool:
        return self.use_layout_detection is not False

    @property
    def is_drawn(self) -> bool:
        return self.visualize is not False


_LARGEST = 1_000_000
_NUMBER = {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST}
_Coordinate = Annotated[
    float,
    BeforeValidator(_refuse_flag),
    Field(ge=-_LARGEST, le=_LARGEST),
    WithJsonSchema({"anyOf": [_NUMBER, {"type": "string", "pattern": "^-?[0-9]{1,6}$"}]}),
]
"""Clients that went by way of other formats send texts."""
_Side = Annotated[float, Strict(), Field(ge=0, le=_LARGEST)]


def _read_content(value: object) -> object:
    """Null is empty."""
    return "" if value is None else value


class PrunedBlock(BaseModel):
    """One of `parsing_res_list`."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    block_label: str
    block_content: Annotated[str, BeforeValidator(_read_content, json_schema_input_type=str | None)] = ""
    block_bbox: tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate]
    group_id: Annotated[int, Strict()] | None = None
    block_polygon_points: Any = None


class PrunedResult(BaseModel):
    """Parts that are None or absent stay so in the answer."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    page_count: Any = None
    width: _Side | None = None
    height: _Side | None = None
    model_settings: dict[str, Any] = Field(default_factory=dict)
    parsing_res_list: Annotated[list[PrunedBlock], FailFast()] = Field(default_factory=list)
    spotting_res: Any = None
    doc_preprocessor_res: Any = None
    layout_det_res: Any = None
    table_res_list: Any = None


_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def _check_texts(values: dict[str, Any]) -> dict[str, Any]:
    """Stops at the first that is none."""
    if not all(isinstance(value, str) for value in values.values()):
        raise ValueError("a value is no string")
    return values


class GivenPage(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    pruned_result: PrunedResult = Field(description="The page's `prunedResult`, as `POST /layout-parsing` answered it")
    markdown_images: Annotated[dict[str, Any], AfterValidator(_check_texts), WithJsonSchema(_TEXTS)] | None = Field(
        None, description="Its `markdown.images`; they come back as they are"
    )


class RestructurePagesRequest(BaseModel):
    """Fields that PaddleX does not know are ignored, as PaddleX does."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    pages: Annotated[list[GivenPage], FailFast()] = Field(description="All pages of one document, in order")
    merge_tables: _Flag = Field(True, description="Put tables together that page breaks cut")
    relevel_titles: _Flag = Field(True, description="Levels of headings over the document")
    concatenate_pages: _Flag = Field(False, description="One result for all pages instead of one for each")
    prettify_markdown: _Flag = Field(True, description="Pictures, captions and tables centred by HTML")
    show_formula_number: _Flag = Field(False, description="Numbers of formulas in the Markdown")
    return_markdown_images: _Flag = Field(True, description="`markdown.images`")
    output_formats: _ExportFormats | None = Field(None, description="`docx`: a Word document of each result")
    log_id: str | None = Field(None, description="Comes back as `logId`; by default the request's id")


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


def invalid_json(error: ServiceError) -> ServiceError:
    """What is wrong with a body of any dialect, as PaddleX says it."""
    if error.code != "invalid_json":
        return error
    if error.detail == NOT_AN_OBJECT:
        message = "Input should be a valid dictionary or object to extract fields from"
        return _invalid_option([{"type": "model_attributes_type", "loc": "body", "msg": message}])
    message = error.detail.removeprefix("The body is not JSON: ").removesuffix(".")
    return _invalid_option([{"type": "json_invalid", "loc": "body", "msg": f"JSON decode error: {message}"}])


def parse_request(model: type[Params], content: Mapping[str, Any], at: Sequence[str | int] = ()) -> Params:
    """`at`: the content's place in the body.

    ServiceError 422 `invalid_option`, its detail a JSON list of `type`, `loc` and `msg`, as PaddleX says it.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = brief_errors(error)
        raise _invalid_option(
            [{"type": one.type, "loc": _path([*at, *one.loc]), "msg": one.message} for one in found]
        ) from None


def read_log_id(content: Mapping[str, Any], request_id: str) -> str:
    """The id that the answer carries, a refusal too: the client's own, else the request's."""
    given = content.get("logId")
    return given[:_MAX_LOG_ID] if isinstance(given, str) and given else request_id


def _path(loc: Sequence[str | int]) -> str:
    return "body" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def _invalid_option(problems: Sequence[Mapping[str, str]]) -> ServiceError:
    return ServiceError(422, "invalid_option", json.dumps(problems))
