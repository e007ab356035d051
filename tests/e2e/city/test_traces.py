"""One trace leads from a command through outbox and Kafka to the projection, for whoever collects spans by OTLP."""

from __future__ import annotations

from shared.contracts.services import SERVICES
from tests.e2e.city.conftest import City
from tests.e2e.platform import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
NAME = "示例不可入追踪厂"


def test_one_trace_from_the_command_to_the_projection(city: City) -> None:
    collector = city.collector
    body = {"name": NAME, "park": "C1-P001", "settled_on": "2024-01-02"}
    answer = city.platform.post("registry", "/v1/enterprises", body, traceparent=PARENT)
    assert answer.status_code == 201
    assert answer.headers["traceparent"].split("-")[1] == TRACE

    def names() -> set[tuple[str, str]]:
        return {(service, span.name) for service, spans in collector.traces[TRACE].items() for span in spans}

    whole = {
        ("parkunion-registry", "POST /v1/enterprises"),
        ("parkunion-registry", "parkunion.registry.v1 publish"),
        ("parkunion-membership", "membership.consume"),
        ("parkunion-metrics", "metrics.project"),
    }
    until(lambda: names() >= whole, f"the trace has {whole}", 20)
    spans = {span.name: span for found in collector.traces[TRACE].values() for span in found}
    command = spans["POST /v1/enterprises"]
    assert command.parent_span_id.hex() == "00f067aa0ba902b7"
    for name in ("parkunion.registry.v1 publish", "membership.consume", "metrics.project"):
        assert spans[name].parent_span_id == command.span_id
    assert command.start_time_unix_nano < spans["metrics.project"].end_time_unix_nano
    assert NAME.encode() not in collector.raw


def test_probes_and_scrapes_are_in_no_trace(city: City) -> None:
    for service in SERVICES:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert "traceparent" not in city.platform.get(service, path).headers
    test_one_trace_from_the_command_to_the_projection(city)
    names = {span.name for spans in city.collector.traces.values() for found in spans.values() for span in found}
    assert not {name for name in names if name.endswith(("/healthz", "/readyz", "/metrics"))}
