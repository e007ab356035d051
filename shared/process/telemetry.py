"""Traces: OpenTelemetry with W3C trace context.

Every command has valid trace ids, exported or not; the OTLP exporter is loaded only if OTEL_EXPORTER_OTLP_ENDPOINT is set.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.problems.personal import holds_resident_number

MOST_TRACES = 100
"""Commands of one batch that get a span."""

_context = TraceContextTextMapPropagator()
_exporting = False
_recording = True
"""Whether spans are made that could be exported. If not, a span has its ids alone: making one costs a tenth."""
_ids = RandomIdGenerator()


def setup_traces(service: str, otlp_endpoint: str | None) -> None:
    """Set the process's tracer provider, once. Spans are exported only if there is an endpoint."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"parkunion-{service}", "service.namespace": "parkunion"}))
    global _exporting, _recording
    _recording = bool(otlp_endpoint)
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        _exporting = True
    trace.set_tracer_provider(provider)


@functools.cache
def tracer() -> Tracer:
    """The process's tracer. It may be taken before `setup_traces`."""
    return trace.get_tracer("parkunion")


def traceparent_now() -> str | None:
    """The current span as W3C `traceparent`, for events; None outside every span."""
    return traceparent_of(trace.get_current_span().get_span_context())


def traceparent_of(context: SpanContext) -> str | None:
    """A span's W3C `traceparent`."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}" if context.is_valid else None


def trace_id_now() -> str | None:
    """The current trace's id, as logs carry it."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


@contextmanager
def span_from(
    traceparent: str | None, name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, Any] | None = None
) -> Iterator[Span]:
    """A span in the trace of `traceparent` (in a new trace if it is missing or malformed, or holds a resident number: events keep it), current until the block ends."""
    known = traceparent if traceparent and not holds_resident_number(traceparent.replace("-", "g")) else None
    parent = _context.extract({"traceparent": known}) if known else None
    if not _recording:
        with trace.use_span(_unrecorded(parent), record_exception=False, set_status_on_exception=False) as span:
            yield span
        return
    with tracer().start_as_current_span(
        name, context=parent, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span


def _unrecorded(parent: Context | None) -> Span:
    """A span that only has ids: in the trace of its parent, or in a new one."""
    above = trace.get_current_span(parent).get_span_context()
    if above.is_valid:
        own = SpanContext(above.trace_id, _ids.generate_span_id(), False, above.trace_flags, above.trace_state)
    else:
        own = SpanContext(
            _ids.generate_trace_id(), _ids.generate_span_id(), False, TraceFlags(TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID)
        )
    return NonRecordingSpan(own)


def remote(traceparent: str) -> Span | None:
    """The span of a `traceparent`, as a parent for others; None if it is malformed."""
    span = trace.get_current_span(_context.extract({"traceparent": traceparent}))
    return span if span.get_span_context().is_valid else None


def commands_reached(traceparents: Iterable[str | None], name: str, kind: SpanKind, began: datetime, attributes: Mapping[str, Any]) -> None:
    """Add a span `name`, from `began` until now, to the trace of each command: its events got there. Only if spans are exported.

    Of a batch at most MOST_TRACES commands get one: traces are for following a command, not for counting.
    """
    if not _exporting:
        return
    start = int(began.timestamp() * 1e9)
    for traceparent in list(dict.fromkeys(filter(None, traceparents)))[:MOST_TRACES]:
        if (command := remote(traceparent)) is not None:
            tracer().start_span(name, trace.set_span_in_context(command), kind, attributes, start_time=start).end()
