from __future__ import annotations

import pytest

from gateway.labels import LABELS
from gateway.model import PageImage
from gateway.reading_options import OcrOptions
from gateway.tasks import RegionTask, fit_context, task_for, token_limit, whole_page_region
from tests.support.fakes import blank


@pytest.mark.parametrize(
    ("label", "prompt"),
    [
        ("text", "OCR:"),
        ("doc_title", "OCR:"),
        ("header", "OCR:"),
        ("formula_number", "OCR:"),
        ("table", "Table Recognition:"),
        ("display_formula", "Formula Recognition:"),
        ("inline_formula", "Formula Recognition:"),
    ],
)
def test_prompt_by_label(label: str, prompt: str) -> None:
    task = task_for(label, OcrOptions())
    assert task is not None
    assert task.prompt == prompt


def test_pictures_are_not_read() -> None:
    unread = {label for label in LABELS if task_for(label, OcrOptions()) is None}
    assert unread == {"image", "header_image", "footer_image", "chart", "seal"}


def test_ignored_labels_are_read_for_json() -> None:
    ignored = frozenset({"footer"})
    assert task_for("footer", OcrOptions(ignore_labels=ignored)) is not None
    assert task_for("footer", OcrOptions(ignore_labels=ignored, read_ignored=False)) is None
    assert task_for("header", OcrOptions(ignore_labels=ignored, read_ignored=False)) is not None


def test_whole_image_task_ignores_labels() -> None:
    options = OcrOptions(task="text", ignore_labels=frozenset({"text"}), read_ignored=False)
    assert task_for("text", options) is not None


@pytest.mark.parametrize(
    ("options", "label", "prompt"),
    [
        (OcrOptions(chart=True), "chart", "Chart Recognition:"),
        (OcrOptions(seal=True), "seal", "Seal Recognition:"),
        (OcrOptions(image_text=True), "image", "OCR:"),
        (OcrOptions(image_text=True), "header_image", "OCR:"),
    ],
)
def test_options_make_pictures_readable(options: OcrOptions, label: str, prompt: str) -> None:
    task = task_for(label, options)
    assert task is not None
    assert task.prompt == prompt


def test_official_budgets() -> None:
    text, spotting = task_for("text", OcrOptions()), task_for("spotting", OcrOptions(task="spotting"))
    assert text is not None
    assert spotting is not None
    assert (text.min_pixels, text.max_pixels, text.max_tokens, text.temperature) == (112_896, 1_003_520, None, 0)
    assert (spotting.min_pixels, spotting.max_pixels) == (112_896, 1_605_632)


def test_options_override_the_budgets() -> None:
    options = OcrOptions(min_pixels=50_000, max_pixels=60_000, max_tokens=7, temperature=0.5, repetition_penalty=1.1)
    task = task_for("text", options)
    assert task is not None
    assert (task.min_pixels, task.max_pixels, task.max_tokens) == (50_000, 60_000, 7)
    assert (task.temperature, task.repetition_penalty) == (0.5, 1.1)


@pytest.mark.parametrize(
    ("label", "budget"),
    [
        ("table", (150_000, 900_000)),
        ("chart", (150_000, 300_000)),
        ("display_formula", (120_000, 900_000)),
        ("text", (130_000, 140_000)),
        ("doc_title", (130_000, 140_000)),
        ("spotting", (150_000, 900_000)),
    ],
)
def test_budget_by_prompt(label: str, budget: tuple[int, int]) -> None:
    own = {"chart": (None, 300_000), "formula": (120_000, None), "ocr": (130_000, 140_000), "seal": (1, 2)}
    options = OcrOptions(chart=True, min_pixels=150_000, max_pixels=900_000, task_pixels=own)
    task = task_for(label, options)
    assert task is not None
    assert (task.min_pixels, task.max_pixels) == budget


@pytest.mark.parametrize("options", [OcrOptions(min_pixels=2_000_000), OcrOptions(max_pixels=1000)])
def test_single_budget_option(options: OcrOptions) -> None:
    task = task_for("text", options)
    assert task is not None
    assert task.min_pixels <= task.max_pixels
    assert options.min_pixels in (None, task.min_pixels)
    assert options.max_pixels in (None, task.max_pixels)


@pytest.mark.parametrize(
    ("name", "label", "prompt"),
    [
        ("text", "text", "OCR:"),
        ("table", "table", "Table Recognition:"),
        ("formula", "display_formula", "Formula Recognition:"),
        ("chart", "chart", "Chart Recognition:"),
        ("seal", "seal", "Seal Recognition:"),
        ("spotting", "spotting", "Spotting:"),
    ],
)
def test_whole_page_region(name: str, label: str, prompt: str) -> None:
    options = OcrOptions(task=name)
    region = whole_page_region(PageImage(1, blank(80, 60)), options)
    task = task_for(region.label, options)
    assert (region.label, region.bbox) == (label, (0, 0, 80, 60))
    assert task is not None
    assert task.prompt == prompt


@pytest.mark.parametrize("context", [1024, 2048, 4096, 8192, 16_384])
def test_what_is_asked_for_a_region_fits_into_the_engines_context(context: int) -> None:
    task = fit_context(RegionTask(), context)
    picture = task.max_pixels // 784
    limit = token_limit(task, "vllm", context, task.max_pixels)
    assert picture <= context // 2
    assert limit is None or picture + limit < context
    assert (limit is None) == (context < 1280 + 4096)


def test_a_clients_own_limit_is_kept_where_there_is_room() -> None:
    assert token_limit(RegionTask(max_tokens=100), "vllm", 4096, 784 * 1280) == 100
    assert token_limit(RegionTask(), "external", None, 784 * 1280) == 4096
