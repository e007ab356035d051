"""The middleware around every route: trace, limits, one log line, metrics, and the handling of unexpected errors.

One raw ASGI middleware: a stack of them costs more than many a route, and Starlette's BaseHTTPMiddleware breaks streaming.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.answers import problem_response
from shared.http.auth import current_client
from shared.http.limits import Buckets, counted, limit_of
from shared.http.requests import require_one_key
from shared.http.tokens import CLIENT_KEY, Verifier
from shared.problems.errors import BadRequest, MisdirectedRequest, Problem, TooLarge, TooManyRequests
from shared.problems.languages import preferred
from shared.process.logs import described
from shared.process.telemetry import span_from, traceparent_of

QUIET = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/swagger/")
"""Paths that are neither limited, logged nor traced."""
LEFT = 499
"""Status in logs and metrics of a request whose client disconnected before the response began."""
PROBES = ("/healthz", "/readyz", "/metrics")
"""Paths that orchestrators ask for by the address of a process, not by its name."""
HOST = re.compile(rb"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
HEAD_KEY = "parkunion.head"
"""Key of a HEAD request's ASGI scope, whose method is GET for the application: whatever has GET has HEAD."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

log = structlog.get_logger()


class RequestMetrics:
    """Prometheus metrics of requests. No label is an id or personal."""

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
    """What is known of one request's response."""

    __slots__ = ("ended", "head", "headers", "status", "stream", "traceparent")

    def __init__(self, head: bool) -> None:
        self.head = head
        self.ended = False
        self.status = 0
        self.stream = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.traceparent = ""


class Edge:
    """The middleware. `body_limits` = {path: bytes} of routes that take more than BODY_LIMIT."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        buckets: Buckets,
        verifier: Verifier,
        metrics: RequestMetrics,
        body_limits: Mapping[str, int],
        hosts: Collection[str] = (),
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._buckets = buckets
        self._verifier = verifier
        self._metrics = metrics
        self._body_limits = body_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        path: str = scope["path"]
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        quiet = path.startswith(QUIET)
        exchange = Exchange(method == "HEAD")
        if exchange.head:
            scope = {**scope, "method": "GET", HEAD_KEY: True}
        started = time.perf_counter()
        with self._span(headers, method, quiet) as span:
            try:
                exchange.traceparent = traceparent_of(span.get_span_context()) or ""
                await self._handle(scope, receive, self._sender(exchange, send), headers, exchange, quiet)
            finally:
                seconds = time.perf_counter() - started
                exchange.status = exchange.status or LEFT
                route = getattr(scope.get("route"), "path", None) or "unmatched"
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": exchange.status})
                if exchange.status >= 500:
                    span.set_status(StatusCode.ERROR)
                self._metrics.requests.labels(method, route, str(exchange.status)).inc()
                if not exchange.stream:
                    self._metrics.seconds.labels(route).observe(seconds)
                if not quiet:
                    ms = round(seconds * 1000, 2)
                    log.info("http", method=method, route=route, status=exchange.status, ms=ms, client=scope.get(CLIENT_KEY))

    @staticmethod
    def _span(headers: Mapping[bytes, bytes], method: str, quiet: bool) -> AbstractContextManager[Span]:
        """The request's span. Probes and scrapes have none: they would be most of what a collector gets."""
        if quiet:
            return nullcontext(INVALID_SPAN)
        return span_from(headers.get(b"traceparent", b"").decode("latin-1"), method, kind=SpanKind.SERVER)

    async def _handle(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[bytes, bytes], exchange: Exchange, quiet: bool
    ) -> None:
        try:
            self._require_host(scope)
            if not quiet:
                self._limit_rate(scope, headers, exchange)
            require_one_key(scope["headers"])
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

    def _require_host(self, scope: Scope) -> None:
        """Raises BAD_HOST (400) unless there is one well-formed Host (RFC 9112 §3.2), MISDIRECTED_REQUEST (421) for another service's name."""
        sent = [value for name, value in scope["headers"] if name == b"host"]
        if not sent and scope["http_version"] == "1.0":
            return
        found = HOST.fullmatch(sent[0]) if len(sent) == 1 else None
        if found is None:
            raise BadRequest("BAD_HOST", field="Host")
        if self._hosts and found["name"].decode().lower().strip("[]").rstrip(".") not in self._hosts and scope["path"] not in PROBES:
            raise MisdirectedRequest("MISDIRECTED_REQUEST", field="Host")

    def _limit_rate(self, scope: Scope, headers: Mapping[bytes, bytes], exchange: Exchange) -> None:
        authorization = headers.get(b"authorization", b"")
        known = self._verifier.known(authorization[7:].decode("latin-1")) if authorization else None
        if known:
            # Also for requests that are refused before their route asks for the caller.
            scope[CLIENT_KEY] = known.client
        client = f"client:{known.client}" if known else f"address:{(scope.get('client') or ('',))[0]}"
        current_client.set(client)
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
                if exchange.traceparent:
                    own.append((b"traceparent", exchange.traceparent.encode()))
                own.append((b"x-content-type-options", b"nosniff"))
                if b"cache-control" not in names:
                    own.append((b"cache-control", b"no-store"))
                message = {**message, "headers": own}
            if not exchange.head:
                await send(message)
            elif not exchange.ended:
                # The headers of GET and no body, also of a stream that would not end.
                exchange.ended = True
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        return send_with_headers


async def _answer(problem: Problem, scope: Scope, receive: Receive, send: Send, headers: Mapping[bytes, bytes], exchange: Exchange) -> None:
    """Answer with the problem. If a response has begun, it is cut off, which the client notices."""
    if not exchange.status:
        response: Any = problem_response(problem, preferred(headers.get(b"accept-language", b"").decode("latin-1")))
        await response(scope, receive, send)
