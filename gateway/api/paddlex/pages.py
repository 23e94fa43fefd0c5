"""The body of `POST /restructure-pages`: pages as `POST /layout-parsing` answers them, ours or PaddleX's own.

Of a `prunedResult` only what is used is held against a type; looser than PaddleX, which fails where a part is missing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, field_validator
from pydantic.alias_generators import to_camel

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
