"""The client knows all that the service takes and gives."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from pydantic import BaseModel

from gateway.api.jobs.schema import JobInfo
from gateway.api.ocr.options import Format as ServiceFormat
from gateway.api.ocr.options import Included as ServiceIncluded
from gateway.api.ocr.options import RequestOptions
from gateway.api.ocr.stream import DoneEvent, MetaEvent, PageEvent
from gateway.api.problems import Problem
from gateway.model import Block, DocumentResult, Spot, TableCell, TextLine, Timings, Usage, Word
from paddleocr_vl_client import errors, models
from paddleocr_vl_client.commands.inputs import ENDINGS
from paddleocr_vl_client.options import Format, Included, ReadOptions

PAIRS: list[tuple[type[BaseModel], type[msgspec.Struct], set[str]]] = [
    (DocumentResult, models.Document, set()),
    (PageEvent, models.Page, set()),
    (Block, models.Block, set()),
    (TextLine, models.TextLine, set()),
    (Word, models.Word, set()),
    (Spot, models.Spot, set()),
    (TableCell, models.TableCell, set()),
    (Usage, models.Usage, set()),
    (Timings, models.Timings, set()),
    (MetaEvent, models.StreamStart, set()),
    (DoneEvent, models.StreamEnd, set()),
    (JobInfo, models.Job, set()),
    (Problem, errors.Problem, {"type", "title"}),
]


@pytest.mark.parametrize(("theirs", "ours", "left_out"), PAIRS, ids=[pair[1].__name__ for pair in PAIRS])
def test_each_field_has_its_place(theirs: type[BaseModel], ours: type[msgspec.Struct], left_out: set[str]) -> None:
    assert set(theirs.model_fields) - set(ours.__struct_fields__) == left_out


def test_options_and_formats() -> None:
    assert set(RequestOptions.model_fields) == set(ReadOptions.__annotations__) | {"format", "stream"}
    assert set(get_args(Included)) == set(get_args(ServiceIncluded))
    assert set(get_args(Format)) == set(get_args(ServiceFormat)) == set(ENDINGS)
