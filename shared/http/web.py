"""The web application of a service: its routes, and around them what all services share.

Problems, body and rate limits, traces, logs, metrics, health, and documentation that works offline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

import asyncpg
import structlog
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from shared import __version__
from shared.contracts import codes
from shared.http.answers import language_of, problem_response
from shared.http.auth import Caller
from shared.http.edge import Edge, RequestMetrics
from shared.http.limits import MIB, BodyTooLargeError, Buckets
from shared.http.openapi import COMMON, describe
from shared.http.operations import Readiness, ReadinessCollector, operations, registry_of
from shared.http.requests import Router, origin_of
from shared.http.tokens import Authenticator, Verifier
from shared.http.tokens import caller as _caller
from shared.journal.journal import Actor, ClockAheadError, EventTooLargeError
from shared.problems.errors import STATUSES, BadRequest, Problem, TooLarge, Unavailable, Unprocessable, UnsupportedMediaType
from shared.problems.validation import problem_of, require_numbers
from shared.process import db
from shared.process.logs import described
from shared.process.settings import ServiceSettings
from shared.process.telemetry import traceparent_now

BATCH_PATH = "/v1/batch"
BODY_LIMITS: Mapping[str, int] = {BATCH_PATH: 8 * MIB}
"""{path: bytes} of routes that take more than BODY_LIMIT."""
CODES_OF_STATUS = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 415: "UNSUPPORTED_MEDIA_TYPE", 429: "TOO_MANY_REQUESTS", 503: "UNAVAILABLE"}
ROUTED_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NO_JSON = frozenset({"model_attributes_type", "model_type", "dict_type", "list_type", "bytes_type"})
"""Pydantic's errors for a body that is bytes because its Content-Type is not JSON."""

log = structlog.get_logger()


async def _with_known_parameters(request: Request, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    """The caller of a documented route, if the query has no misspelt parameter and none twice: they must not be ignored silently.

    Numbers of a query have the form of JSON. Raises UNKNOWN_FIELD, DUPLICATE_FIELD, NOT_A_WHOLE_NUMBER, NOT_A_NUMBER (422). Routes without documentation (pages) ignore unknown parameters.
    """
    if request.url.query:
        path = getattr(request.scope.get("route"), "path", "")
        operation = request.app.openapi()["paths"].get(path, {}).get("get" if request.method == "HEAD" else request.method.lower())
        if operation is not None:
            parameters = {parameter["name"]: parameter for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
            known = parameters.keys()
            if unknown := [name for name in request.query_params if name not in known]:
                raise problem_of({"type": "extra_forbidden", "loc": ("query", name)} for name in unknown)
            names = [name for name, _ in request.query_params.multi_items()]
            if len(names) > len(set(names)):
                raise Unprocessable("DUPLICATE_FIELD", field=next(name for name in names if names.count(name) > 1))
            require_numbers(request.query_params, parameters)
    return caller


CallerOf = Annotated[Caller, Depends(_with_known_parameters)]
"""The verified caller, for a route's signature."""


def create_app(
    settings: ServiceSettings,
    *,
    title: str,
    routers: Sequence[Router],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    readiness: Callable[[], Awaitable[Readiness]],
    authenticators: Sequence[Authenticator] = (),
    body_limits: Mapping[str, int] = BODY_LIMITS,
    verifier: Verifier | None = None,
    about: str = "",
) -> FastAPI:
    """The application. `about` describes it in the OpenAPI document; `readiness` serves /readyz and the gauges of /metrics; `authenticators` identify callers without a token.

    Sets `app.state.settings`, `.verifier`, `.authenticators` and `.registry` (Prometheus).
    """
    app = FastAPI(
        title=title,
        version=__version__,
        description=f"{about}\n{COMMON}",
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        # The framework's spans have query strings, and its logs exception texts: both may be personal.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    codes.add(settings.more_codes)
    app.state.settings = settings
    app.state.verifier = verifier or Verifier(settings)
    app.state.authenticators = list(authenticators)
    app.state.registry = registry_of(ReadinessCollector(readiness))
    for router in routers:
        app.router.routes.extend(router.routes)
    operations(app, readiness)
    describe(app, body_limits)
    _handle_errors(app)
    app.add_middleware(
        Edge,
        buckets=Buckets(settings.rate_per_second, settings.rate_burst),
        verifier=app.state.verifier,
        metrics=RequestMetrics(app.state.registry),
        body_limits=body_limits,
        hosts=settings.hosts,
    )
    return app


def actor_of(request: Request, caller: Caller) -> Actor:
    """The actor of this request's events, in the current trace. Raises BAD_IMPORT_ID (400), HOLDS_RESIDENT_NUMBER (422)."""
    return Actor(caller.client, origin_of(request), traceparent_now())


def _handle_errors(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClockAheadError, _on_clock_ahead)
    app.add_exception_handler(EventTooLargeError, _on_event_too_large)
    app.add_exception_handler(asyncpg.DataError, _on_unfit_value)
    app.add_exception_handler(db.OutcomeUnknownError, _on_outcome_unknown)
    for outage in db.OUTAGES:
        app.add_exception_handler(outage, _on_outage)


def _answer(request: Request, problem: Problem) -> Response:
    return problem_response(problem, language_of(request))


async def _on_problem(request: Request, error: Any) -> Response:
    return _answer(request, error)


async def _on_invalid(request: Request, error: Any) -> Response:
    errors = error.errors()
    if any(fault["type"] in NO_JSON and tuple(fault["loc"]) == ("body",) for fault in errors) and not _is_json(request):
        return _answer(request, UnsupportedMediaType("UNSUPPORTED_MEDIA_TYPE", params={"expected": "application/json"}))
    return _answer(request, problem_of(errors))


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def _on_http(request: Request, error: Any) -> Response:
    if isinstance(error, BodyTooLargeError):
        return _answer(request, error.problem())
    if error.status_code == 400:
        # The framework cannot read the body: it is not UTF-8, or nested too deep.
        return _answer(request, BadRequest("BROKEN_JSON"))
    kind = STATUSES.get(error.status_code, Problem)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(allowed_methods(request))
    problem = kind(CODES_OF_STATUS.get(error.status_code, "BAD_REQUEST"), headers=headers)
    problem.status = error.status_code
    return _answer(request, problem)


def allowed_methods(request: Request) -> list[str]:
    """The methods of a path, of all routes that share it; the framework names those of the first route only."""
    scope = {name: request.scope[name] for name in ("type", "path", "root_path", "headers", "query_string")}
    routes = request.app.router.routes
    found = [method for method in ROUTED_METHODS if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)]
    return ["GET", "HEAD", *found[1:]] if found[:1] == ["GET"] else found


async def _on_outage(request: Request, error: Any) -> Response:
    log.warning("database.away", error=described(error))
    return _answer(request, Unavailable("UNAVAILABLE"))


async def _on_outcome_unknown(request: Request, error: Any) -> Response:
    """A question has written nothing, whatever became of its transaction."""
    log.warning("database.unknown", error=described(error))
    reads = request.method in ("GET", "HEAD")
    return _answer(request, Unavailable("UNAVAILABLE" if reads else "OUTCOME_UNKNOWN"))


async def _on_clock_ahead(request: Request, error: Any) -> Response:
    log.warning("clock.ahead", error=described(error))
    return _answer(request, Unavailable("CLOCK_AHEAD"))


async def _on_event_too_large(request: Request, _error: Any) -> Response:
    return _answer(request, TooLarge("EVENT_TOO_LARGE"))


async def _on_unfit_value(request: Request, error: Any) -> Response:
    """The database refuses a value that passed validation, which should be made stricter."""
    log.warning("database.refuses", error=described(error))
    return _answer(request, Unprocessable("INVALID_VALUE"))
