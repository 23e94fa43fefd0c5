"""Traces by OpenTelemetry: a document's way as spans, sent to an OTLP receiver. Off unless an endpoint is set.

The provider is the service's own, not the process's global one: libraries that trace by themselves stay silent, and two
applications in a process don't mix. A trace that isn't sampled costs its root's decision and one look at the current
span for each that is left out.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway import __version__
from gateway.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

Attributes: TypeAlias = Mapping[str, str | int]

CLOSE_S = 2.0
"""How long the end of the service waits for the last spans to be delivered."""
LOG_INTERVAL_S = 60.0
"""A receiver that is away is told of once in so long, not with each batch and each try."""
_NO_SPAN: AbstractContextManager[Span] = nullcontext(trace.INVALID_SPAN)
_PROPAGATOR = TraceContextTextMapPropagator()
_LOGGERS = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")


class Tracing:
    """Makes spans, where `settings.otel_exporter_otlp_endpoint` says where to; else none, and it has no thread."""

    def __init__(self, settings: Settings) -> None:
        self.provider: TracerProvider | None = None
        self._exporter: SpanExporter | None = None
        self._tracer: trace.Tracer | None = None
        self._filter = _Sparse()
        if settings.otel_exporter_otlp_endpoint:
            self.provider, self._exporter = _create_provider(settings, settings.otel_exporter_otlp_endpoint)
            self._tracer = self.provider.get_tracer("paddleocr-vl-service", __version__)
            for name in _LOGGERS:
                logging.getLogger(name).addFilter(self._filter)

    def root_span(
        self, name: str, attributes: Attributes, linked: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """The current span for a while: a child of the one before, or the root of a new trace. `linked`: the
        `trace_headers` of a span elsewhere that has caused it."""
        return self._start(name, attributes, linked=linked) if self._tracer else _NO_SPAN

    def span(
        self,
        name: str,
        attributes: Attributes | None = None,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        began: float | None = None,
    ) -> AbstractContextManager[Span]:
        """A child of the current span; none where that isn't recorded. `began`: when, a time of `monotonic`, if it
        wasn't now. An exception is the span's error, and is not caught."""
        if self._tracer is None or not trace.get_current_span().is_recording():
            return _NO_SPAN
        return self._start(name, attributes, kind, began)

    async def close(self) -> None:
        """Delivers what is left, if that is soon done."""
        if self.provider is None or self._exporter is None:
            return
        # A thread of our own: the interpreter waits at its end for those of `asyncio.to_thread`.
        flush = threading.Thread(target=self.provider.shutdown, name="last-spans", daemon=True)
        flush.start()
        await asyncio.to_thread(flush.join, CLOSE_S)
        if flush.is_alive():
            self._exporter.shutdown()  # ends its tries
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._filter)

    def _start(
        self,
        name: str,
        attributes: Attributes | None,
        kind: SpanKind = SpanKind.INTERNAL,
        began: float | None = None,
        linked: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Span]:
        assert self._tracer is not None
        return self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes=attributes,
            links=_links(linked),
            start_time=None if began is None else _wall_time_ns(began),
            # Its traceback would hold what no log line may: pieces of documents.
            record_exception=False,
        )


def mark_status(span: Span, status: str) -> None:
    """Says in the span what became of its page or region."""
    span.set_attribute("ocr.status", status)
    if status == "failed":
        span.set_status(StatusCode.ERROR)


def trace_headers() -> Mapping[str, str]:
    """W3C's `traceparent` and `tracestate` of the current span; none outside of a trace."""
    headers: dict[str, str] = {}
    if trace.get_current_span().get_span_context().is_valid:
        _PROPAGATOR.inject(headers)
    return headers


def trace_ids() -> Mapping[str, str]:
    """`trace_id` and `span_id` of the current span, in hexadecimal; none outside of a trace."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def exemplar() -> dict[str, str] | None:
    """What an observation of a histogram names as its example: the current trace, where that is recorded."""
    if not trace.get_current_span().get_span_context().trace_flags.sampled:
        return None
    return {"trace_id": trace_ids()["trace_id"]}


def _links(headers: Mapping[str, str] | None) -> Sequence[trace.Link]:
    """To the span of the headers; none where they name none."""
    context = trace.get_current_span(_PROPAGATOR.extract(headers or {}, Context())).get_span_context()
    return [trace.Link(context)] if context.is_valid else ()


def _wall_time_ns(moment: float) -> int:
    """Nanoseconds since 1970 at a time of `monotonic`, or a little later, never earlier."""
    elapsed_s = time.monotonic() - moment
    return time.time_ns() - int(elapsed_s * 1e9)


def _create_provider(settings: Settings, endpoint: str) -> tuple[TracerProvider, SpanExporter]:
    # A fifth of a second of imports, for those who trace.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import Span as SdkSpan
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    class RemoveQuery(SpanProcessor):
        """Queries hold signatures of links and passwords of documents."""

        def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
            if span.attributes and "url.query" in span.attributes:
                span.set_attribute("url.query", "REDACTED")

    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.otel_traces_sampler_arg),
        resource=Resource.create({SERVICE_NAME: settings.otel_service_name, SERVICE_VERSION: __version__}),
        shutdown_on_exit=False,  # it would wait for half a minute for a receiver that is away
    )
    provider.add_span_processor(RemoveQuery())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter


class _Sparse(logging.Filter):
    """Lets one record pass in `LOG_INTERVAL_S`."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + LOG_INTERVAL_S
        return True


OFF = Tracing(Settings.model_construct(otel_exporter_otlp_endpoint=None))
