"""Options from any place, by the same rules."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.ocr.options import RequestOptions, parse_options
from gateway.errors import ServiceError
from gateway.reading_options import OcrOptions


def refused(*pairs: tuple[str, Any]) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        parse_options(pairs)
    assert caught.value.status == 422
    return caught.value


def test_nothing_given_means_the_documented_defaults() -> None:
    options = parse_options([])
    assert (options.format, options.stream) == ("json", False)
    assert options.for_pipeline() == OcrOptions()


def test_text_and_json_values_mean_the_same() -> None:
    written = parse_options(
        [
            ("pages", "1-3"),
            ("chart", "true"),
            ("dpi", "200"),
            ("temperature", "0.5"),
            ("ignore_labels", "header,footer"),
        ]
    )
    typed = parse_options(
        [("pages", "1-3"), ("chart", True), ("dpi", 200), ("temperature", 0.5), ("ignore_labels", ["header", "footer"])]
    )
    assert written == typed
    assert written.for_pipeline() == OcrOptions(
        pages="1-3", chart=True, dpi=200, temperature=0.5, ignore_labels=frozenset({"header", "footer"})
    )


def test_a_page_number_in_json_is_a_selection() -> None:
    assert parse_options([("pages", 3)]).pages == "3"


def test_an_empty_field_is_not_given_but_an_empty_list_of_labels_is() -> None:
    assert parse_options([("dpi", ""), ("pages", "")]) == parse_options([])
    assert parse_options([("ignore_labels", "")]).for_pipeline().ignore_labels == frozenset()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dpi", "12"),
        ("dpi", "a lot"),
        ("task", "translate"),
        ("format", "odt"),
        ("images", "maybe"),
        ("chart", "perhaps"),
        ("stream", 7),
        ("temperature", "nan"),
        ("temperature", -1),
        ("repetition_penalty", 0),
        ("max_tokens", 0),
        ("ignore_labels", "header,nonsense"),
        ("ignore_labels", {"a": 1}),
        ("pages", ["1"]),
        ("pages", "1," * 1000),
    ],
)
def test_a_bad_value_is_named(name: str, value: object) -> None:
    error = refused((name, value))
    assert error.code == "invalid_option"
    assert f"`{name}`" in error.detail


def test_an_unknown_option_is_named() -> None:
    error = refused(("page", "1"))
    assert error.code == "unknown_option"
    assert "`page`" in error.detail
    assert "pages" in error.detail.replace("`page`", "")


def test_the_same_option_twice_is_refused_only_where_the_values_differ() -> None:
    error = refused(("dpi", "100"), ("dpi", 200))
    assert (error.code, "`dpi`" in error.detail) == ("conflicting_option", True)
    assert parse_options([("chart", "true"), ("chart", True)]).chart


def test_pixel_limits_in_the_wrong_order_are_refused() -> None:
    error = refused(("min_pixels", 200_000), ("max_pixels", 100_000))
    assert "min_pixels" in error.detail


@pytest.mark.parametrize(
    ("accept", "given", "expected"),
    [
        ("*/*", [], ("json", False)),
        ("", [], ("json", False)),
        ("text/markdown", [], ("markdown", False)),
        ("text/html,application/xhtml+xml,*/*;q=0.8", [], ("html", False)),
        ("application/json;q=0.5, text/plain", [], ("text", False)),
        ("text/plain;q=0", [], ("json", False)),
        ("text/event-stream", [], ("json", True)),
        ("text/event-stream", [("stream", "false")], ("json", False)),
        ("text/markdown", [("format", "text")], ("text", False)),
        ("text/plain;q=high", [], ("json", False)),
    ],
)
def test_accept_chooses_unless_an_option_does(
    accept: str, given: list[tuple[str, str]], expected: tuple[str, bool]
) -> None:
    options = parse_options(given, accept)
    assert (options.format, options.stream) == expected


@given(
    st.lists(st.tuples(st.sampled_from(sorted(RequestOptions.model_fields)), st.text() | st.integers() | st.none())),
    st.text(alphabet="textmarkdown/;q=0.1, *"),
)
def test_any_values_are_taken_or_refused(pairs: list[tuple[str, Any]], accept: str) -> None:
    with contextlib.suppress(ServiceError):
        assert parse_options(pairs, accept).format in ("json", "markdown", "html", "text")


@pytest.mark.parametrize("name", ["merge_tables", "join_paragraphs", "relevel_titles"])
def test_what_needs_all_pages_is_not_for_streams(name: str) -> None:
    assert parse_options([(name, "true")]).restructuring[name]
    error = refused((name, "true"), ("stream", "true"))
    assert (error.code, f"`{name}`" in error.detail) == ("conflicting_option", True)
