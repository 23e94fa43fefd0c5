"""PaddleX's requests: the fields that `/layout-parsing` and `/restructure-pages` take."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from gateway.model import MergeMode, ShapeMode

PromptLabel = Literal["ocr", "formula", "table", "chart", "seal", "spotting"]
_Positive = Annotated[float, Field(gt=0)]
_PositiveInt = Annotated[int, Field(gt=0)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Ratio = _Positive | tuple[_Positive, _Positive]
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
    def _ordered(self) -> Self:
        for kind, (least, most) in self.limits.items():
            if least and most and least > most:
                raise ValueError(f"`{kind}_min_pixels` ({least}) cannot be greater than `{kind}_max_pixels` ({most})")
        return self


class LayoutParsingRequest(BaseModel):
    """Fields that PaddleX does not know are ignored, as PaddleX does. None: not given."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, allow_inf_nan=False)

    file: str = Field(description="The document as base64, or an http(s) URL", examples=["iVBORw0KGgo…"])
    file_type: Literal[0, 1] | None = Field(
        None, description="0: PDF, 1: image. The document's bytes decide, whatever is said here"
    )
    use_doc_orientation_classify: bool | None = Field(
        None, description="Default false. Turn pages upright; all boxes then refer to the turned page"
    )
    use_doc_unwarping: bool | None = Field(
        None, description="No page is flattened in this version; `true` brings a line in `warnings`"
    )
    use_layout_detection: bool | None = Field(
        None, description="Default true. False: the whole page in one call, as `promptLabel` says"
    )
    use_chart_recognition: bool | None = Field(None, description="Default false. Read charts as tables")
    use_seal_recognition: bool | None = Field(None, description="Default false. Read the text of seals")
    use_ocr_for_image_block: bool | None = Field(None, description="Default false. Read the text inside pictures too")
    layout_threshold: _Share | dict[str, _Share] | None = Field(
        None, description="Least score of a layout box, or an object by class id; 0.5 for classes that it lacks"
    )
    layout_nms: bool | None = Field(None, description="Default true. Layout boxes that are nearly equal become one")
    layout_unclip_ratio: _Ratio | dict[str, _Ratio] | None = Field(
        None, description="Factor of the boxes' sides, [of width, of height], or an object by class id"
    )
    layout_merge_bboxes_mode: MergeMode | dict[str, MergeMode] | None = Field(
        None, description="Of a box within another: `large` keeps the outer, `small` the inner; or by class id"
    )
    layout_shape_mode: Annotated[ShapeMode | None, AfterValidator(lambda mode: mode or "auto")] = Field(
        "auto", description="Outlines: `rect` none, `quad` four corners, `poly` as seen, `auto` as few as will do"
    )
    prompt_label: PromptLabel | None = Field(
        None, description="What the page holds; default `ocr`. Only with `useLayoutDetection` false"
    )
    format_block_content: bool | None = Field(None, description="Default false. `block_content` as Markdown")
    repetition_penalty: _Positive | None = Field(None, description="Above 1 the VLM repeats itself less")
    temperature: Annotated[float, Field(ge=0)] | None = Field(None, description="Sampling temperature; default 0")
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Share of the likeliest tokens to sample from; with a `temperature` above 0"
    )
    min_pixels: _PositiveInt | None = Field(None, description="Crops with fewer pixels are enlarged for the VLM")
    max_pixels: _PositiveInt | None = Field(None, description="Crops with more pixels are made smaller for the VLM")
    max_new_tokens: _PositiveInt | None = Field(None, description="Most tokens the VLM writes for one region")
    merge_layout_blocks: bool | None = Field(None, description="Default true. As `merge_blocks` of `POST /ocr`")
    markdown_ignore_labels: list[str] | None = Field(
        None, description="Labels that the Markdown leaves out; [] leaves out nothing"
    )
    vlm_extra_args: VlmExtraArgs | None = Field(
        None, description="`minPixels` and `maxPixels` of the crops of one prompt; other keys are ignored"
    )
    prettify_markdown: bool = Field(True, description="Pictures, captions and tables centred by HTML")
    show_formula_number: bool = Field(False, description="Numbers of formulas in the Markdown")
    return_markdown_images: bool = Field(True, description="`markdown.images`")
    restructure_pages: bool = Field(False, description="The document as one, as the next two say")
    merge_tables: bool = Field(True, description="Put tables together that page breaks cut; with `restructurePages`")
    relevel_titles: bool = Field(True, description="Levels of headings over the document; with `restructurePages`")
    output_formats: list[Literal["docx"]] | None = Field(None, description="`docx`: a Word document of each page")
    visualize: bool | None = Field(None, description="Default true. `outputImages` and `inputImage`")
    log_id: str | None = Field(None, description="Comes back as `logId`; by default the request's id")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ValueError(f"`minPixels` ({self.min_pixels}) cannot be greater than `maxPixels` ({self.max_pixels})")
        return self

    @property
    def has_layout(self) -> bool:
        return self.use_layout_detection is not False

    @property
    def is_drawn(self) -> bool:
        return self.visualize is not False


_LARGEST = 1_000_000
_Coordinate = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
_Side = Annotated[float, Field(ge=0, le=_LARGEST)]


class PrunedBlock(BaseModel):
    """One of `parsing_res_list`."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    block_label: str
    block_content: str = ""
    block_bbox: tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate]
    group_id: int | None = None
    block_polygon_points: Any = None

    @field_validator("block_content", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        return "" if value is None else value


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


class GivenPage(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    pruned_result: PrunedResult = Field(description="The page's `prunedResult`, as `POST /layout-parsing` answered it")
    markdown_images: dict[str, str] | None = Field(
        None, description="Its `markdown.images`; they come back as they are"
    )


class RestructurePagesRequest(BaseModel):
    """Fields that PaddleX does not know are ignored, as PaddleX does."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    pages: Annotated[list[GivenPage], FailFast()] = Field(description="All pages of one document, in order")
    merge_tables: bool = Field(True, description="Put tables together that page breaks cut")
    relevel_titles: bool = Field(True, description="Levels of headings over the document")
    concatenate_pages: bool = Field(False, description="One result for all pages instead of one for each")
    prettify_markdown: bool = Field(True, description="Pictures, captions and tables centred by HTML")
    show_formula_number: bool = Field(False, description="Numbers of formulas in the Markdown")
    return_markdown_images: bool = Field(True, description="`markdown.images`")
    output_formats: list[Literal["docx"]] | None = Field(None, description="`docx`: a Word document of each result")
    log_id: str | None = Field(None, description="Comes back as `logId`; by default the request's id")


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
