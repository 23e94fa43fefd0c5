"""`POST /ocr` over a real socket: what is read, in which form, and what is refused."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.model import Region
from tests.support.answers import assert_problem, events_of
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

BASE64 = "iVBORw0KGgo="


def page_with(*labels: str) -> list[Region]:
    return [Region(label, (10, 40 * at, 210, 40 * at + 30), at + 1, 0.9) for at, label in enumerate(labels)]


def test_a_picture_becomes_the_documented_json(served: Gateway, png: bytes) -> None:
    served.layout.regions = page_with("doc_title", "text")
    answer = served.post(files={"file": ("dir/a.png", png)})
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert set(result) == {
        *("id", "status", "model", "engine", "document", "pages", "markdown", "images", "usage", "timings", "warnings")
    }
    assert (result["status"], result["model"], result["engine"]) == ("ok", "stub-model", "embedded")
    assert result["document"]["name"] == "a.png"
    assert (result["document"]["media_type"], result["document"]["pages_total"]) == ("image/png", 1)
    assert result["markdown"] == "# line one line two\n\nline one line two"
    assert [block["content"] for block in result["pages"][0]["blocks"]] == ["line one\nline two"] * 2
    assert (result["usage"]["pages"], result["usage"]["regions"]) == (1, 2)


def test_json_with_base64_and_bare_bytes_are_read_the_same(served: Gateway, png: bytes) -> None:
    text = base64.b64encode(png).decode()
    expected = served.read(png, format="text").text
    wishes = {"format": "text"}
    assert served.post(json={"source": {"base64": text}, **wishes}).text == expected
    assert served.post(json={"source": {"base64": f"data:image/png;base64,{text}"}, **wishes}).text == expected
    lines = base64.encodebytes(png).decode()
    assert served.post(json={"source": {"base64": lines}, **wishes}).text == expected
    for kind in ("image/png", "application/octet-stream"):
        answer = served.post(content=png, params=wishes, headers={"content-type": kind})
        assert (answer.status_code, answer.text) == (200, expected)


def test_the_name_in_json_is_shown(served: Gateway, png: bytes) -> None:
    source = {"base64": base64.b64encode(png).decode(), "name": "scan.png"}
    assert served.post(json={"source": source}).json()["document"]["name"] == "scan.png"


@pytest.mark.parametrize(
    ("name", "media_type", "start"),
    [
        ("markdown", "text/markdown; charset=utf-8", "# line one line two"),
        ("text", "text/plain; charset=utf-8", "line one\nline two"),
        ("html", "text/html; charset=utf-8", "<!doctype html>"),
    ],
)
def test_formats_by_option_and_by_accept(served: Gateway, png: bytes, name: str, media_type: str, start: str) -> None:
    served.layout.regions = page_with("doc_title")
    by_option = served.read(png, format=name)
    by_accept = served.post(files={"file": png}, headers={"accept": media_type.partition(";")[0]})
    for answer in (by_option, by_accept):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == media_type
        assert answer.headers["x-ocr-status"] == "ok"
        assert answer.text.startswith(start)


def test_options_mean_the_same_in_query_form_and_json(served: Gateway, png: bytes) -> None:
    served.layout.regions = page_with("text", "header")
    wishes = {"ignore_labels": "text", "format": "markdown"}
    source = {"base64": base64.b64encode(png).decode()}
    served.engine.answer = lambda request: Reply("x" * len(served.engine.requests))
    answers = [
        served.post(files={"file": png}, data=wishes),
        served.post(files={"file": png}, params=wishes),
        served.post(json={"source": source, "ignore_labels": ["text"], "format": "markdown"}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [len(answer.text.split()) for answer in answers] == [1] * 3


class Attributes(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names += [name for name, _ in attrs]


def test_a_page_that_holds_a_script_comes_out_harmless(served: Gateway, png: bytes) -> None:
    served.layout.regions = page_with("text", "table", "figure_title")
    served.engine.answer = lambda _request: Reply("<script>alert(1)</script><img src=x onerror=alert(1)>")
    answer = served.read(png, format="html")
    seen = Attributes(answer.text)
    assert "script" not in seen.tags
    assert "img" not in seen.tags
    assert not [name for name in seen.names if name.startswith("on")]
    assert "alert(1)" in answer.text
    assert "script" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"format": "markdown"}, 1),
        ({"format": "html"}, 1),
        ({"format": "text"}, 1),
        ({"format": "markdown", "ignore_labels": ""}, 3),
        ({"format": "json"}, 3),
        ({"format": "markdown", "stream": "true"}, 3),
    ],
)
def test_what_the_answer_does_not_show_is_not_read(
    served: Gateway, png: bytes, options: dict[str, str], calls: int
) -> None:
    served.layout.regions = page_with("header", "text", "number")
    assert served.read(png, **options).status_code == 200
    assert len(served.engine.requests) == calls


def test_a_layout_model_that_stands_in_for_another_is_named(
    served: Gateway, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.layout, "warning", "the layout is by another")
    assert served.read(png).json()["warnings"] == ["the layout is by another"]
    assert served.read(png, task="text").json()["warnings"] == []
    monkeypatch.setattr(served.layout, "reason", "the hub is away")
    told = served.client.get("/health").json()["layout_warning"]
    assert told == "the layout is by another: the hub is away"


def test_pictures_come_inline_stored_or_not_at_all(served: Gateway, png: bytes) -> None:
    served.layout.regions = page_with("image", "text")
    inline = served.read(png, images="inline").json()
    (key,) = inline["images"]
    assert f'src="{key}"' in inline["markdown"]
    assert base64.b64decode(inline["images"][key]).startswith(b"\xff\xd8")
    stored = served.read(png, images="stored").json()
    picture = served.client.get(stored["images"][key])
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert picture.content.startswith(b"\xff\xd8")
    without = served.read(png, images="none").json()
    assert without["images"] == {}
    assert "<img" not in without["markdown"]


def test_markdown_shows_pictures_the_way_they_were_asked_for(served: Gateway, png: bytes) -> None:
    served.layout.regions = page_with("image")
    assert 'src="imgs/' in served.read(png, format="markdown").text
    assert 'src="/files/' in served.read(png, format="markdown", images="stored").text
    assert 'src="data:image/jpeg;base64,' in served.read(png, format="markdown", images="inline").text
    assert 'src="data:image/jpeg;base64,' in served.read(png, format="html").text


@pytest.mark.parametrize("restructured", [{}, {"merge_tables": "true"}])
def test_all_pages_are_in_each_format(served: Gateway, tiff: bytes, restructured: dict[str, str]) -> None:
    served.layout.by_page = {1: page_with("image"), 2: page_with("text"), 3: page_with("image", "text")}
    served.engine.answer = lambda _request: Reply('"pages":[] \\ "markdown":"" <b>')
    result = served.read(tiff, **restructured).json()
    assert [page["page"] for page in result["pages"]] == [1, 2, 3]
    assert result["markdown"] == "\n\n".join(page["markdown"] for page in result["pages"])
    assert sorted(result["images"]) == sorted(re.findall(r'src="([^"]*)"', result["markdown"]))
    assert len(result["images"]) == 2
    assert served.read(tiff, format="markdown", **restructured).text == result["markdown"] + "\n"
    shown = served.read(tiff, format="html", **restructured).text
    assert re.findall(r'<section id="page-(\d)">', shown) == ["1", "2", "3"]
    assert shown.count("data:image/jpeg") == 2
    text = result["pages"][1]["blocks"][0]["content"]
    assert served.read(tiff, format="text", **restructured).text == f"{text}\n\n{text}\n"


def test_pages_are_streamed_in_order(served: Gateway, tiff: bytes) -> None:
    served.layout.by_page = {1: page_with("text"), 2: page_with("image"), 3: page_with("text")}
    served.layout.delay_s = lambda number: 0.3 if number == 1 else 0
    try:
        answer = served.read(tiff, stream="true")
    finally:
        served.layout.delay_s = lambda _number: 0
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    assert [name for name, _ in events] == ["meta", "page", "page", "page", "done"]
    assert events[0][1]["pages"] == [1, 2, 3]
    assert events[0][1]["document"]["media_type"] == "image/tiff"
    assert [data["page"] for name, data in events if name == "page"] == [1, 2, 3]
    assert [len(data["images"]) for name, data in events if name == "page"] == [0, 1, 0]
    assert (events[-1][1]["status"], events[-1][1]["usage"]["pages"]) == ("ok", 3)


def test_a_table_over_pages_is_put_together_where_that_was_asked_for(served: Gateway, tiff: bytes) -> None:
    served.layout.regions = page_with("table")
    served.engine.answer = lambda _request: Reply(f"<fcel>head<nl><fcel>row {len(served.engine.requests)}<nl>")
    assert served.read(tiff, format="text").text.count("head") == 3
    result = served.read(tiff, merge_tables="true").json()
    assert result["markdown"].count("head") == 1
    assert result["markdown"].count("row") == 3
    assert [page["blocks"][0]["continues"] for page in result["pages"]] == [None, "p1-b1", "p1-b1"]


def test_a_stream_begins_before_the_document_is_done(served: Gateway, tiff: bytes) -> None:
    served.layout.regions = page_with("text")
    served.engine.script.extend([Reply("first"), Reply(hang=True), Reply(hang=True)])
    with served.client.stream("POST", "/ocr?stream=true", files={"file": tiff}) as answer:
        seen = ""
        for chunk in answer.iter_text():
            seen += chunk
            if "event: page" in seen and seen.endswith("\n\n"):
                break
    names = [name for name, _ in events_of(seen)]
    assert names == ["meta", "page"]


def test_what_is_wrong_at_once_has_its_status_even_when_a_stream_was_asked_for(served: Gateway, png: bytes) -> None:
    assert_problem(served.read(png, stream="true", pages="7-"), 422, "invalid_pages")
    assert_problem(served.post(files={"file": b"plain text"}, params={"stream": "true"}), 415, "unsupported_media_type")


def test_a_region_that_fails_costs_its_own_block(served: Gateway, png: bytes) -> None:
    served.engine.script.extend([Reply(status=400), Reply("fine")])
    result = served.read(png).json()
    assert result["status"] == "partial"
    assert sorted(block["status"] for block in result["pages"][0]["blocks"]) == ["failed", "ok"]
    assert len(result["warnings"]) == 1
    assert "secret internals" not in json.dumps(result)


def test_nothing_read_at_all_is_an_error_that_says_so(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply(status=400)
    problem = assert_problem(served.read(png), 502, "recognition_failed")
    assert "secret internals" not in problem["detail"]


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"content": b""}, 400, "empty_body"),
        ({"content": b"", "headers": {"content-type": "application/json"}}, 400, "empty_body"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "invalid_json"),
        ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 400, "invalid_json"),
        ({"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}, 400, "invalid_json"),
        ({"json": [1]}, 400, "invalid_json"),
        ({"json": {}}, 400, "no_source"),
        ({"json": {"source": "a.png"}}, 400, "no_source"),
        ({"json": {"source": {"path": "/etc/passwd"}}}, 400, "no_source"),
        ({"json": {"source": {"base64": BASE64, "url": "http://x"}}}, 400, "ambiguous_source"),
        ({"json": {"source": {"base64": "not base64!"}}}, 400, "invalid_base64"),
        ({"json": {"source": {"base64": "data:image/png,abc"}}}, 400, "invalid_base64"),
        ({"json": {"source": {"base64": 7}}}, 400, "invalid_base64"),
        ({"json": {"source": {"base64": ""}}}, 400, "empty_document"),
        ({"json": {"source": {"url": "http://127.0.0.1/a.png"}}}, 400, "url_not_allowed"),
        ({"json": {"source": {"url": 7}}}, 400, "url_not_allowed"),
        ({"json": {"source": {"url": "http://name.invalid/a.png"}}}, 400, "url_unreachable"),
        ({"json": {"source": {"s3": "s3://b/a.png"}}}, 400, "source_not_supported"),
        ({"json": {"source": {"base64": BASE64}, "nonsense": 1}}, 422, "unknown_option"),
        ({"json": {"source": {"base64": BASE64}, "dpi": 1}}, 422, "invalid_option"),
        ({"files": {"file": b""}}, 400, "empty_document"),
        ({"files": {"image": b"x"}}, 400, "no_source"),
        ({"files": [("file", b"x"), ("file", b"y")]}, 400, "ambiguous_source"),
        ({"files": {"file": b"x"}, "data": {"url": "http://x"}}, 400, "ambiguous_source"),
        ({"files": {"file": b"x"}, "data": {"nonsense": "1"}}, 422, "unknown_option"),
        ({"files": {"file": b"x"}, "data": {"dpi": "100"}, "params": {"dpi": "200"}}, 422, "conflicting_option"),
        ({"files": {"file": b"x"}, "params": {"nonsense": "1"}}, 422, "unknown_option"),
        ({"files": {"file": b"hello, I am text"}}, 415, "unsupported_media_type"),
        ({"content": b"a=b", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 415, None),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "invalid_multipart"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, None),
        ({"content": b"x" * 2_000_001, "headers": {"content-type": "image/png"}}, 413, "body_too_large"),
        ({"content": iter([b"x" * 1_000_000] * 3), "headers": {"content-type": "image/png"}}, 413, "body_too_large"),
        ({"files": {"file": b"x" * 2_000_001}}, 413, "body_too_large"),
    ],
)
def test_bad_input_is_a_problem_with_a_code_and_the_next_request_works(
    served: Gateway, png: bytes, arguments: dict[str, Any], status: int, code: str | None
) -> None:
    answer = served.post(**arguments)
    assert_problem(answer, status, code or answer.json()["code"])
    assert served.read(png).status_code == 200


@pytest.mark.parametrize(
    ("options", "named"), [({"nonsense": "1"}, "nonsense"), ({"dpi": "7"}, "dpi"), ({"pages": "9-"}, "9-")]
)
def test_a_bad_option_is_named(served: Gateway, tiff: bytes, options: dict[str, str], named: str) -> None:
    answer = served.read(tiff, **options)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n" + b"\0" * 20, b"%PDF-1.7\nbroken", b"\xff\xd8\xff\xe0cut"])
def test_a_broken_file_is_the_clients_fault(served: Gateway, png: bytes, data: bytes) -> None:
    answer = served.read(data)
    assert 400 <= answer.status_code < 500
    assert_problem(answer, answer.status_code, answer.json()["code"])
    assert served.read(png).status_code == 200
