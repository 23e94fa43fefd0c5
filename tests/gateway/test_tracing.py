"""Traces as their receiver gets them by HTTP, and where else a trace shows: at the engine, in log lines, in metrics."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from starlette.responses import Response

from tests.support.asgi import serving
from tests.support.ports import free_port
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-00"}
SAMPLED_BIT = 1
EXPORT_MS = "20"


@dataclass
class Receiver:
    """An OTLP receiver. `status` is what it answers, `asked` how often it was asked."""

    url: str = ""
    status: int = 200
    asked: int = 0
    spans: list[Span] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        self.asked += 1
        sent = ExportTraceServiceRequest.FromString(await request.body())
        if self.status == 200:
            scopes = (scope for resource in sent.resource_spans for scope in resource.scope_spans)
            self.spans += (span for scope in scopes for span in scope.spans)
        return Response(status_code=self.status, headers={"Retry-After": "0"})

    def await_span(self, name: str) -> Span:
        """The first span of that name. A request's own is among the last that end."""
        wait_until(lambda: any(span.name == name for span in self.spans), f"the span {name!r}")
        return self.named(name)[0]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def children(self, parent: Span) -> list[Span]:
        return [span for span in self.spans if span.parent_span_id == parent.span_id]


@contextmanager
def receiving() -> Iterator[Receiver]:
    found = Receiver()
    app = FastAPI()
    app.add_route("/v1/traces", found.answer, methods=["POST"])
    with serving(app, "127.0.0.1", free_port()) as url:
        found.url = url
        yield found


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Receiver]]:
    with pytest.MonkeyPatch.context() as patch, receiving() as receiver:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", EXPORT_MS)
        folder = tmp_path_factory.mktemp("traced")
        with gateway(folder, otel_exporter_otlp_endpoint=receiver.url, otel_traces_sampler_arg=0) as served:
            yield served, receiver


@pytest.fixture
def traced(collected: tuple[Gateway, Receiver]) -> tuple[Gateway, Receiver]:
    """A gateway that traces what its callers trace, and nothing else."""
    served, receiver = collected
    served.reset()
    receiver.spans.clear()
    return collected


def attributes(span: Span) -> dict[str, str | int]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_request_is_a_tree_down_to_the_engines_calls(traced: tuple[Gateway, Receiver], tiff: bytes) -> None:
    served, receiver = traced
    answer = served.post(files={"file": ("a.tiff", tiff)}, headers=SAMPLED)
    assert answer.status_code == 200
    request = receiver.await_span("POST /ocr")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, CALLER)
    assert request.kind == Span.SPAN_KIND_SERVER
    assert sorted(child.name for child in receiver.children(request)) == ["open document", "read document"]
    (document,) = receiver.named("read document")
    pages = receiver.children(document)
    assert sorted(attributes(page)["ocr.page"] for page in pages) == [1, 2, 3]
    for page in pages:
        assert sorted(child.name for child in receiver.children(page)) == ["layout", "region", "region"]
        assert page.start_time_unix_nano >= document.start_time_unix_nano
        for region in (child for child in receiver.children(page) if child.name == "region"):
            assert attributes(region) == {"ocr.region.label": "text", "ocr.status": "ok"}
            (call,) = receiver.children(region)
            assert (call.name, call.kind) == ("chat stub-model", Span.SPAN_KIND_CLIENT)
            assert attributes(call)["server.address"] == "127.0.0.1"
    assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}


def test_the_engine_gets_the_context_of_its_call(traced: tuple[Gateway, Receiver], png: bytes) -> None:
    served, receiver = traced
    assert served.post(files={"file": ("a.png", png)}, headers=SAMPLED).status_code == 200
    receiver.await_span("POST /ocr")
    calls = {f"00-{TRACE}-{span.span_id.hex()}-01" for span in receiver.named("chat stub-model")}
    assert len(calls) == 2
    assert {request.headers["traceparent"] for request in served.engine.requests} == calls


def test_what_is_not_sampled_makes_no_span_and_tells_the_engine_so(
    traced: tuple[Gateway, Receiver], png: bytes
) -> None:
    served, receiver = traced
    assert served.post(files={"file": ("a.png", png)}, headers=UNSAMPLED).status_code == 200
    assert served.read(png).status_code == 200
    told = [request.headers["traceparent"] for request in served.engine.requests]
    assert len(told) == 4
    assert not any(int(header.rpartition("-")[2], 16) & SAMPLED_BIT for header in told)
    assert [TRACE in header for header in told].count(True) == 2
    # What comes later arrives later: had the requests above left spans, they would be here by then.
    served.client.get("/v1/models", headers=SAMPLED)
    receiver.await_span("GET /v1/models")
    assert {span.name for span in receiver.spans} == {"GET /v1/models"}


def test_a_chats_call_belongs_to_its_trace(traced: tuple[Gateway, Receiver], png: bytes) -> None:
    served, receiver = traced
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(png).decode()}"}}
    body = {"model": "stub-model", "messages": [{"role": "user", "content": [picture]}]}
    assert served.client.post("/v1/chat/completions", json=body, headers=SAMPLED).status_code == 200
    request = receiver.await_span("POST /v1/chat/completions")
    (call,) = receiver.children(request)
    (asked,) = served.engine.requests
    assert asked.headers["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"


def test_failures_are_the_spans_errors(traced: tuple[Gateway, Receiver], png: bytes) -> None:
    served, receiver = traced
    served.engine.answer = lambda _request: Reply(status=400)
    assert served.post(files={"file": ("a.png", png)}, headers=SAMPLED).status_code == 502
    request = receiver.await_span("POST /ocr")
    failed = {span.name for span in receiver.spans if span.status.code == Status.STATUS_CODE_ERROR}
    assert failed == {"POST /ocr", "page", "region", "chat stub-model"}
    assert request.status.code == Status.STATUS_CODE_ERROR


def test_no_secret_of_a_request_and_no_text_is_in_a_span(traced: tuple[Gateway, Receiver], png: bytes) -> None:
    served, receiver = traced
    served.engine.answer = lambda _request: Reply("words of the document")
    files = {"file": ("a.png", png)}
    headers = {**SAMPLED, "authorization": "Bearer key-of-a-client"}
    served.client.post("/ocr?priority=batch&password=word-to-open", files=files, headers=headers)
    receiver.await_span("POST /ocr")
    sent = "".join(str(span) for span in receiver.spans)
    assert "POST /ocr" in sent
    for secret in ("key-of-a-client", "word-to-open", "words of the document"):
        assert secret not in sent


def test_log_lines_name_their_trace(traced: tuple[Gateway, Receiver], png: bytes, logged: StringIO) -> None:
    served, _ = traced
    served.client.get("/v1/models")
    served.post(files={"file": ("a.png", png)}, headers={**SAMPLED, "x-request-id": "of-the-trace"})

    def written() -> dict[str, dict[str, str]]:
        lines = [json.loads(line) for line in logged.getvalue().splitlines()]
        return {line["event"]: line for line in lines if line.get("request_id") == "of-the-trace"}

    wait_until(lambda: "request" in written(), "the request's line")
    named = written()
    assert {event: line["trace_id"] for event, line in named.items()} == {"document read": TRACE, "request": TRACE}
    assert len(named["request"]["span_id"]) == len(CALLER)


def test_histograms_show_a_trace_to_who_asks_for_openmetrics(traced: tuple[Gateway, Receiver], png: bytes) -> None:
    served, _ = traced
    served.post(files={"file": ("a.png", png)}, headers=SAMPLED)
    plain = served.client.get("/metrics")
    open_metrics = served.client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert TRACE not in plain.text
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    shown = [line for line in open_metrics.text.splitlines() if f'# {{trace_id="{TRACE}"}}' in line]
    assert {line.partition("{")[0] for line in shown} == {
        "ocr_stage_duration_seconds_bucket",
        "ocr_document_duration_seconds_bucket",
    }


def test_a_job_is_a_trace_of_its_own(tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", EXPORT_MS)
    with receiving() as receiver, gateway(tmp_path, jobs=True, otel_exporter_otlp_endpoint=receiver.url) as served:
        assert served.client.post("/jobs", files={"file": ("a.png", png)}).status_code == 202
        job = receiver.await_span("read job")
        request = receiver.await_span("POST /jobs")
        assert job.parent_span_id == b""
        assert job.trace_id != request.trace_id
        assert [(link.trace_id, link.span_id) for link in job.links] == [(request.trace_id, request.span_id)]
        assert sorted(span.name for span in receiver.children(job)) == ["open document", "read document"]


def test_a_receiver_that_is_away_costs_a_log_line(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch, logged: StringIO
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", EXPORT_MS)
    with receiving() as receiver, gateway(tmp_path, otel_exporter_otlp_endpoint=receiver.url) as served:
        receiver.status = 503
        assert served.read(png).status_code == 200
        wait_until(lambda: receiver.asked > 2, "tries to deliver spans")
        assert served.read(png).status_code == 200
    told = [line for line in logged.getvalue().splitlines() if "opentelemetry" in line]
    assert [json.loads(line)["level"] for line in told] == ["warning"]


def test_without_an_endpoint_there_are_no_traces(tmp_path: Path, png: bytes) -> None:
    before = set(threading.enumerate())
    with gateway(tmp_path) as served:
        assert served.post(files={"file": ("a.png", png)}, headers=SAMPLED).status_code == 200
        assert [request.headers.get("traceparent") for request in served.engine.requests] == [None, None]
        assert not [thread for thread in set(threading.enumerate()) - before if "Otel" in thread.name]
