"""One trace leads from a command through outbox and Kafka to the projection, for whoever collects spans by OTLP."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.platform import Platform, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
NAME = "示例不可入追踪厂"


class Collector:
    """An OTLP collector: what arrived, per trace, as {service name: spans}."""

    def __init__(self) -> None:
        self.traces: defaultdict[str, defaultdict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
        self.raw = bytearray()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, body: bytes) -> None:
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.traces[span.trace_id.hex()][service].append(span)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                collector.take(body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: object) -> None:
                return

        return Handler


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()


def test_one_trace_from_the_command_to_the_projection(collector: Collector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    platform = Platform.start(tmp_path / "stack")
    try:
        assert platform.say("registry", "/v1/areas", {"code": "T", "name": "示例市", "kind": "division", "parent": None}).status_code == 201
        assert platform.say("registry", "/v1/areas", {"code": "T-P001", "name": "示例园", "kind": "park", "parent": "T"}).status_code == 201
        body = {"name": NAME, "park": "T-P001", "settled_on": "2024-01-02"}
        answer = platform.say("registry", "/v1/enterprises", body, traceparent=PARENT)
        assert answer.status_code == 201
        assert answer.headers["traceparent"].split("-")[1] == TRACE

        def names() -> set[tuple[str, str]]:
            return {(service, span.name) for service, spans in collector.traces[TRACE].items() for span in spans}

        whole = {
            ("parkunion-registry", "POST /v1/enterprises"),
            ("parkunion-registry", "parkunion.registry.v1 publish"),
            ("parkunion-metrics", "metrics.project"),
        }
        until(lambda: names() >= whole, f"the trace has {whole}", 20)
    finally:
        platform.stop()
    spans = {span.name: span for found in collector.traces[TRACE].values() for span in found}
    command = spans["POST /v1/enterprises"]
    assert command.parent_span_id.hex() == "00f067aa0ba902b7"
    for name in ("parkunion.registry.v1 publish", "metrics.project"):
        assert spans[name].parent_span_id == command.span_id
    assert command.start_time_unix_nano < spans["metrics.project"].end_time_unix_nano
    assert NAME.encode() not in collector.raw
