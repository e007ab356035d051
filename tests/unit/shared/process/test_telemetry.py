"""Traces and logs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from shared.problems.errors import Conflict
from shared.process import logs, telemetry
from tests.unit.shared.http.web_service import RESIDENT_ID

ROOT = Path(__file__).parents[4]
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def provider() -> None:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())


def logged(**event: Any) -> dict[str, Any]:
    event = logs.failure_without_values(None, "", event)  # type: ignore[assignment]
    return dict(logs.without_personal_fields(None, "", event))


@pytest.fixture(params=[True, False], ids=["recorded", "ids alone"])
def _either_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans that are exported, and those of a process without an endpoint."""
    monkeypatch.setattr(telemetry, "_recording", request.param)


@pytest.mark.usefixtures("_either_kind")
def test_a_span_continues_the_trace_of_its_traceparent() -> None:
    with telemetry.span_from(TRACEPARENT, "work") as span:
        now = telemetry.traceparent_now()
        assert now is not None
        assert now.split("-")[1] == TRACEPARENT.split("-")[1] == telemetry.trace_id_now()
        assert now.split("-")[2] != TRACEPARENT.split("-")[2]
        assert span.get_span_context().is_valid
    assert telemetry.traceparent_now() is None


@pytest.mark.usefixtures("_either_kind")
@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_span_keeps_what_its_parent_says_of_sampling(flags: str) -> None:
    with telemetry.span_from(f"{TRACEPARENT[:-2]}{flags}", "work"):
        assert (telemetry.traceparent_now() or "")[-2:] == flags
    with telemetry.span_from(None, "work"):
        assert (telemetry.traceparent_now() or "")[-2:] == "03"  # sampled, and its id is random


@pytest.mark.usefixtures("_either_kind")
@pytest.mark.parametrize("traceparent", [None, "", "x", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_ids_are_valid_without_a_parent_too(traceparent: str | None) -> None:
    with telemetry.span_from(traceparent, "work"):
        version, trace_id, span_id, _flags = (telemetry.traceparent_now() or "").split("-")
        assert (version, len(trace_id), len(span_id)) == ("00", 32, 16)
        assert int(trace_id, 16)
        assert int(span_id, 16)


@pytest.mark.invariant("I5")
def test_personal_fields_are_dropped_wherever_they_stand() -> None:
    line = logged(event="joined", document="x", Number="1", rows=[{"phone": "1", "code": "a"}], deep={"inner": {"name": "张三", "n": 1}})
    assert line == {"event": "joined", "rows": [{"code": "a"}], "deep": {"inner": {"n": 1}}}


@pytest.mark.invariant("I5")
@pytest.mark.parametrize("text", [f"member {RESIDENT_ID} joined", "440101198001011234", "320311770706001", f"[{RESIDENT_ID.lower()}]"])
def test_a_document_number_inside_a_text_is_hidden(text: str) -> None:
    assert not any(digits in str(logged(event=text, rows=[text])) for digits in ("19491231", "19800101", "770706"))


def test_trace_ids_and_uuids_stay_whole() -> None:
    event = {"event": "x", "trace_id": "12345678901234567890123456789012", "id": "01234567-8901-7234-8901-234567890123"}
    assert logged(**event) == event


@pytest.mark.invariant("I5")
def test_an_exception_is_logged_without_the_values_that_it_quotes() -> None:
    try:
        raise ValueError("no such person: 张三")
    except ValueError as error:
        line = logged(event="failed", exc_info=error)
    assert line["error"] == "builtins.ValueError"
    assert "张三" not in str(line)
    assert line["traceback"][-1].endswith("test_an_exception_is_logged_without_the_values_that_it_quotes")
    assert logs.described(ConnectionRefusedError("refused")) == "ConnectionRefusedError: refused"
    assert logs.described(Conflict("ALREADY_MEMBER", field="on")) == "Conflict: ALREADY_MEMBER (on)"


SCRIPT = """
import logging, structlog
from shared.process import logs, telemetry
telemetry.setup_traces("registry", None)
logs.setup_logs("info", "registry", "relay+consumer")
with telemetry.span_from(None, "work"):
    structlog.get_logger().info("sent", events=3, document="secret")
logging.getLogger("aiokafka").warning("away: %s", "host")
logging.getLogger("aiokafka").info("chatter")
logging.getLogger("uvicorn.error").info("started")
structlog.get_logger().debug("unseen")
try:
    raise RuntimeError("secret")
except RuntimeError:
    logging.getLogger("x").exception("failed")
import sys
assert "opentelemetry.exporter" not in sys.modules
assert not {"fastapi", "starlette", "httpx", "joserfc"} & sys.modules.keys()
"""


def test_every_line_is_json_with_service_role_and_trace() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("sent", "info"),
        ("away: host", "warning"),
        ("started", "info"),
        ("failed", "error"),
    ]
    assert all((line["service"], line["role"]) == ("registry", "relay+consumer") for line in lines)
    assert len(lines[0]["trace_id"]) == 32
    assert "secret" not in done.stdout
