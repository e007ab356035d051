"""What happens to every request before and after its route: trace, limits, one wide log line, figures, and the last net for errors.

One raw ASGI middleware: stacked ones cost more than many a route, and the usual class for them breaks streaming.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.answers import preferred, problem_response
from shared.http.limits import Buckets, counted, limit_of
from shared.http.tokens import CLIENT_KEY, Verifier
from shared.problems.errors import BadRequest, Problem, TooLarge, TooManyRequests
from shared.process.telemetry import described, tracer

QUIET = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/swagger/")
"""Paths that are neither limited nor logged."""
LEFT = 499
"""The status of a request whose client left before the answer began (by custom; nobody receives it)."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

log = structlog.get_logger()
_context = TraceContextTextMapPropagator()


class Figures:
    """What Prometheus is told of requests: no label is an id or a person."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter("parkunion_http_requests", "Requests answered.", ("method", "route", "status"), registry=registry)
        self.seconds = Histogram(
            "parkunion_http_request_seconds",
            "Seconds from request to the end of its answer.",
            ("route",),
            registry=registry,
            buckets=BUCKETS,
        )


class Exchange:
    """One request and what is learned of its answer."""

    __slots__ = ("headers", "status", "stream", "traceparent")

    def __init__(self) -> None:
        self.status = 0
        self.stream = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.traceparent = ""


class Edge:
    """The middleware. `body_limits`: bytes by path, where a route takes more than others."""

    def __init__(self, app: ASGIApp, *, buckets: Buckets, verifier: Verifier, figures: Figures, body_limits: Mapping[str, int]) -> None:
        self._app = app
        self._buckets = buckets
        self._verifier = verifier
        self._figures = figures
        self._body_limits = body_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        path: str = scope["path"]
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        quiet = path.startswith(QUIET)
        exchange = Exchange()
        started = time.perf_counter()
        incoming = headers.get(b"traceparent")
        parent = _context.extract({"traceparent": incoming.decode("latin-1")}) if incoming else None
        span = tracer().start_span(method, parent, SpanKind.SERVER)
        token = attach(trace.set_span_in_context(span))
        try:
            context = span.get_span_context()
            exchange.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
            await self._handle(scope, receive, self._sender(exchange, send), headers, exchange, quiet)
        finally:
            seconds = time.perf_counter() - started
            exchange.status = exchange.status or LEFT
            route = getattr(scope.get("route"), "path", None) or "unmatched"
            span.update_name(f"{method} {route}")
            span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": exchange.status})
            if exchange.status >= 500:
                span.set_status(StatusCode.ERROR)
            self._figures.requests.labels(method, route, str(exchange.status)).inc()
            if not exchange.stream:
                self._figures.seconds.labels(route).observe(seconds)
            if not quiet:
                log.info(
                    "http", method=method, route=route, status=exchange.status, ms=round(seconds * 1000, 2), client=scope.get(CLIENT_KEY)
                )
            span.end()
            detach(token)

    async def _handle(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[bytes, bytes], exchange: Exchange, quiet: bool
    ) -> None:
        try:
            if not quiet:
                self._limit_rate(scope, headers, exchange)
            most = limit_of(scope["path"], self._body_limits)
            length = headers.get(b"content-length", b"")
            if length.isdigit() and int(length) > most:
                raise TooLarge("BODY_TOO_LARGE", params={"most": most})
            if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
                raise BadRequest("BAD_REQUEST")
            await self._app(scope, counted(receive, most), send)
        except ClientDisconnect:
            log.info("http.left", route=getattr(scope.get("route"), "path", None))
        except Problem as problem:
            await _answer(problem, scope, receive, send, headers, exchange)
        except Exception as error:
            log.error("http.failed", exc_info=error, route=getattr(scope.get("route"), "path", None))
            trace.get_current_span().set_attribute("error.type", described(error))
            await _answer(Problem("INTERNAL", params={"trace": exchange.traceparent[3:35]}), scope, receive, send, headers, exchange)

    def _limit_rate(self, scope: Scope, headers: Mapping[bytes, bytes], exchange: Exchange) -> None:
        authorization = headers.get(b"authorization", b"")
        known = self._verifier.known(authorization[7:].decode("latin-1")) if authorization else None
        if known:
            # Also of a request that is answered before its route asks who calls.
            scope[CLIENT_KEY] = known.client
        client = f"client:{known.client}" if known else f"address:{(scope.get('client') or ('',))[0]}"
        granted, left, seconds = self._buckets.take(client)
        exchange.headers = [
            (b"ratelimit-policy", self._buckets.policy),
            (b"ratelimit", f'"default";r={left};t={seconds}'.encode()),
        ]
        if not granted:
            raise TooManyRequests("TOO_MANY_REQUESTS", headers={"Retry-After": str(max(1, seconds))})

    @staticmethod
    def _sender(exchange: Exchange, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                own: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
                names = dict(own)
                exchange.stream = names.get(b"content-type", b"").startswith(b"text/event-stream")
                own += exchange.headers
                own.append((b"traceparent", exchange.traceparent.encode()))
                own.append((b"x-content-type-options", b"nosniff"))
                if b"cache-control" not in names:
                    own.append((b"cache-control", b"no-store"))
                message = {**message, "headers": own}
            await send(message)

        return send_with_headers


async def _answer(problem: Problem, scope: Scope, receive: Receive, send: Send, headers: Mapping[bytes, bytes], exchange: Exchange) -> None:
    """Answer the problem, unless the answer has begun: then the connection ends without its proper end, which the client sees."""
    if not exchange.status:
        response: Any = problem_response(problem, preferred(headers.get(b"accept-language", b"").decode("latin-1")))
        await response(scope, receive, send)
