"""Logs: one JSON object a line on standard output, with the trace's id and without personal fields."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import msgspec
import structlog

from shared.process.telemetry import trace_id_now

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
"""Fields that are removed from every line. Callers must not pass them; this is the second line of defence."""
RESIDENT_ID = re.compile(r"(?<![0-9A-Za-z])(?:\d{17}[\dXx]|\d{15})(?![0-9A-Za-z])", re.ASCII)
SHORTEST_RESIDENT_ID = 15
QUIET = {"aiokafka": logging.WARNING, "httpx": logging.WARNING, "httpcore": logging.WARNING, "uvicorn.access": logging.CRITICAL}
DEEPEST = 12
"""Innermost frames of a traceback that are kept; levels of a value."""


def setup_logs(level: str, service: str, role: str) -> None:
    """Log everything, also of libraries, as JSON. May be called again."""
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
    """Standard output. A line that cannot be written (disk full, reader gone) is lost; nothing fails."""

    def write(self, text: str) -> None:
        """One line."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(text)

    def flush(self) -> None:
        """After each line."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()


def _serialise(event: Any, **_: Any) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=str).decode()
    except Exception:
        # A line that cannot be written must not fail what it tells of: values may come from a client.
        return msgspec.json.encode(writable(event)).decode()


def writable(value: Any, depth: int = 0) -> Any:
    """The value as JSON that every reader takes: lone surrogates are escaped, numbers past 64 bits and what has no text are named."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else f"integer of {value.bit_length()} bits"
    if isinstance(value, dict | list | tuple | set | frozenset) and depth >= DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {str(writable(key, depth + 1)): writable(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [writable(inner, depth + 1) for inner in value]
    try:
        return writable(str(value), depth)
    except Exception:
        return f"{type(value).__module__}.{type(value).__qualname__}"


def _identity(service: str, role: str) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        event["role"] = role
        if (trace_id := trace_id_now()) is not None:
            event.setdefault("trace_id", trace_id)
        return event

    return add


def without_personal_fields(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove what may be personal, also inside values (invariant I5)."""
    for key in list(event):
        event[key] = _clean(event[key])
        if key.lower() in PERSONAL:
            del event[key]
    return event


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return RESIDENT_ID.sub("…", value) if len(value) >= SHORTEST_RESIDENT_ID else value
    if isinstance(value, dict | list | tuple) and depth >= DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {key: _clean(inner, depth + 1) for key, inner in value.items() if str(key).lower() not in PERSONAL}
    if isinstance(value, list | tuple):
        return [_clean(inner, depth + 1) for inner in value]
    return value


def failure_without_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Log an exception as its type and traceback. Its text is kept only if we or the system wrote it: others may quote values."""
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
    """An exception for a log: its type, and its text unless that may quote a value of a request."""
    kind = type(error)
    ours = kind.__module__.startswith(("shared.", "services."))
    state = getattr(error, "sqlstate", None)
    if state:
        return f"{kind.__module__}.{kind.__qualname__} ({state})"
    if ours or isinstance(error, OSError):
        return f"{kind.__qualname__}: {error}"
    return f"{kind.__module__}.{kind.__qualname__}"
