"""Traces (OpenTelemetry, W3C trace context) and logs (structlog, one JSON object a line, with the trace's id and no personal field).

Every command has valid trace ids, exported or not; the OTLP exporter is loaded only if OTEL_EXPORTER_OTLP_ENDPOINT is set.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol, TextIO, cast

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PERSONAL = frozenset(
    {
        *(
            "document",
            "document_kind",
            "document_number",
            "number",
            "id_number",
            "name",
            "person",
            "person_name",
            "phone",
            "mobile",
            "email",
        ),
        *("address", "birth", "birthday", "credit_code", "q", "query", "body", "content", "text", "note", "notes"),
        *("password", "secret", "token", "authorization", "cookie", "dsn"),
    }
)
"""Fields that no line carries, whoever passed them: the last net, not the rule."""
RESIDENT_ID = re.compile(r"(?<![0-9A-Za-z])(?:\d{17}[\dXx]|\d{15})(?![0-9A-Za-z])", re.ASCII)
SHORTEST_RESIDENT_ID = 15
QUIET = {"aiokafka": logging.WARNING, "httpx": logging.WARNING, "httpcore": logging.WARNING, "uvicorn.access": logging.CRITICAL}
DEEPEST = 12
"""Frames of a traceback that are kept, the last ones."""

MOST_TRACES = 100
"""Commands of one batch that get a span of it."""

_context = TraceContextTextMapPropagator()
_exporting = False


class Telling(Protocol):
    """The settings that concern telemetry."""

    @property
    def log_level(self) -> str: ...
    @property
    def otlp_endpoint(self) -> str | None: ...


def setup(settings: Telling, service: str, role: str) -> None:
    """Once in a process: the tracer provider, and every log line, also of libraries, as JSON on stdout."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"parkunion-{service}", "service.namespace": "parkunion"}))
    global _exporting
    if settings.otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        _exporting = True
    trace.set_tracer_provider(provider)
    setup_logs(settings.log_level, service, role)


@functools.cache
def tracer() -> Tracer:
    """The process's tracer; one that is asked for before `setup` serves after it."""
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
    """A span that continues the trace of `traceparent` (a new one without, or if it is malformed), current until the block ends."""
    parent = _context.extract({"traceparent": traceparent}) if traceparent else None
    with tracer().start_as_current_span(
        name, context=parent, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span


def remote(traceparent: str) -> Span | None:
    """The span that `traceparent` names, to link to or to nest under; None if it is malformed."""
    span = trace.get_current_span(_context.extract({"traceparent": traceparent}))
    return span if span.get_span_context().is_valid else None


def commands_reached(traceparents: Iterable[str | None], name: str, kind: SpanKind, began: datetime, attributes: Mapping[str, Any]) -> None:
    """In the trace of each command: its events got to `name`, by work that began at `began` and ends now. Only if spans are exported.

    Of a batch of many commands, MOST_TRACES are told: a trace is looked up by one who follows a command, not by one who counts.
    """
    if not _exporting:
        return
    start = int(began.timestamp() * 1e9)
    for traceparent in list(dict.fromkeys(filter(None, traceparents)))[:MOST_TRACES]:
        if (command := remote(traceparent)) is not None:
            tracer().start_span(name, trace.set_span_in_context(command), kind, attributes, start_time=start).end()


def no_span() -> Span:
    """A span that is none: to leave a trace in a block."""
    return NonRecordingSpan(SpanContext(0, 0, is_remote=False, trace_flags=TraceFlags(0)))


def setup_logs(level: str, service: str, role: str) -> None:
    """The logs' half of `setup`; may be done again."""
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _identity(service, role),
        failure_without_values,
        without_personal_fields,
    ]
    number = logging.getLevelName(level.upper())
    number = number if isinstance(number, int) else logging.INFO
    structlog.configure(
        processors=[*chain, structlog.processors.JSONRenderer(serializer=_serialise)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, Output())),
    )
    handler = logging.StreamHandler(Output())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *chain],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_serialise),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name, quiet in QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, number))


class Output:
    """Standard output, at which no work fails: a line that cannot be written (disk full, reader gone) is lost, the command is not."""

    def write(self, text: str) -> None:
        """One line."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(text)

    def flush(self) -> None:
        """After each line."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()


def _serialise(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def _identity(service: str, role: str) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        event["role"] = role
        if (trace_id := trace_id_now()) is not None:
            event.setdefault("trace_id", trace_id)
        return event

    return add


def without_personal_fields(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drops what may be personal, also inside values (invariant I5)."""
    for key in list(event):
        event[key] = _clean(event[key])
        if key.lower() in PERSONAL:
            del event[key]
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return RESIDENT_ID.sub("…", value) if len(value) >= SHORTEST_RESIDENT_ID else value
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items() if str(key).lower() not in PERSONAL}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value


def failure_without_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception as its type and the lines it went through. Its text is kept only if we or the system wrote it: others quote values."""
    failure = event.pop("exc_info", None)
    if failure is True:
        failure = sys.exc_info()
    error = failure[1] if isinstance(failure, tuple) else failure
    if isinstance(error, BaseException):
        event["error"] = described(error)
        frames = traceback.extract_tb(error.__traceback__)[-DEEPEST:]
        event["traceback"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def described(error: BaseException) -> str:
    """An exception for a log: its type; its text too where that cannot quote a value that somebody sent."""
    kind = type(error)
    ours = kind.__module__.startswith(("shared.", "services."))
    state = getattr(error, "sqlstate", None)
    if state:
        return f"{kind.__module__}.{kind.__qualname__} ({state})"
    if ours or isinstance(error, OSError):
        return f"{kind.__qualname__}: {error}"
    return f"{kind.__module__}.{kind.__qualname__}"
