"""Renders pages: templates, security headers, and problems as pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from services.metrics.dashboard.address import ViewOptions
from services.metrics.dashboard.words import NONE, SESSION_COOKIE, Words, chosen
from services.metrics.figures.freshness import Freshness, StaleReason
from services.metrics.settings import Settings
from shared.http.answers import language_of
from shared.http.auth import Caller
from shared.http.tokens import CALLER_KEY
from shared.problems.errors import Problem, Unavailable, messages
from shared.problems.validation import problem_of
from shared.process.db import OUTAGES, OutcomeUnknownError

HERE = Path(__file__).parent
STATIC = HERE / "static"
LANGUAGE_COOKIE = "parkunion_lang"
UNION_SUFFIX = ".?"
"""The suffix that validation gives to the name of a field of several types."""
READING = "READING"
"""The text of CATCHING_UP while it is not known how many events are missing."""
NOT_SIGNED_IN = frozenset({"TOKEN_MISSING", "TOKEN_EXPIRED", "TOKEN_INVALID"})
WAYS_IN = ("/login", "/sign-in", "/signed-out", "/logout")
MOST_NAMED = 3
"""Areas that the head of a page names."""
YEAR_SECONDS = 365 * 24 * 3600
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Vary": "Accept-Language, Cookie",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


@cache
def static_version(name: str) -> str:
    """A hash of the file for its address, so that browsers may cache it for ever."""
    return sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def words_of(request: Request) -> Words:
    """The language of a page: `?lang=`, else the cookie, else the browser's preference."""
    settings: Settings = request.app.state.settings
    requested, remembered = request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)
    return Words(chosen(requested, remembered, language_of(request)), settings.zone_info)


@dataclass(frozen=True, slots=True)
class DataAge:
    """The age of the data as text. `old`: it is stale; `reason` is the code of why."""

    text: str
    old: bool
    seconds: float
    reason: str = ""


def age_of(freshness: Freshness | None, words: Words) -> DataAge:
    """The age that the head of the page shows."""
    if freshness is None:
        return DataAge(words.t("age.unknown"), old=True, seconds=0, reason="UNKNOWN")
    if freshness.reason is None:
        return DataAge(words.ago(freshness.age), old=False, seconds=freshness.age)
    key = freshness.reason.value
    if freshness.reason is StaleReason.CATCHING_UP and not freshness.lag_events:
        key = READING
    since = words.moment(freshness.since) if freshness.since else "—"
    text = words.t(f"age.{key}", since=since, events=words.number(freshness.lag_events))
    if freshness.since:
        text += f" · {words.ago(freshness.age)}"
    return DataAge(text, old=True, seconds=freshness.age, reason=freshness.reason)


def _age_texts(words: Words) -> dict[str, str]:
    """The texts of the age for dashboard.js, with placeholders."""
    reasons = {reason: words.t(f"age.{reason}", since="{since}", events="{events}") for reason in (*StaleReason, READING)}
    return (
        reasons
        | {key: words.t(key, number="{number}") for key in ("ago.seconds", "ago.minutes", "ago.hours", "ago.days")}
        | {key: words.t(key) for key in ("ended.TOO_MANY_STREAMS", "ended.AREA_NOT_GRANTED")}
    )


def render(request: Request, template: str, values: Mapping[str, Any], *, status: int = 200, part: bool = False) -> Response:
    """A page; `part`: a part of one, which sets no cookie."""
    words: Words = values.get("w") or words_of(request)
    settings: Settings = request.app.state.settings
    hub = getattr(request.app.state, "hub", None)
    label = settings.data_label_en if words.language == "en" else settings.data_label_zh
    content = (
        _templates()
        .get_template(template)
        .render(
            {
                "view": ViewOptions(),
                **values,
                "w": words,
                "t": words.t,
                "lang": "zh-CN" if words.language == "zh" else "en",
                "label": label,
                "reasons": _age_texts(words),
                "age": age_of(hub.freshness if hub else None, words),
                "here": request.url.path,
                "who": _who(request, words),
                "sign_in": _sign_in(request),
                "other_language": str(request.url.include_query_params(lang=words.other).replace(scheme="", netloc="")),
                "static": lambda name: f"/static/{name}?v={static_version(name)}",
            }
        )
    )
    response = Response(content, status, dict(HEADERS), "text/html")
    response.headers["Content-Language"] = words.language
    if not part and request.query_params.get("lang") in ("zh", "en"):
        response.set_cookie(
            LANGUAGE_COOKIE, words.language, max_age=YEAR_SECONDS, path="/", httponly=True, samesite="lax", secure=settings.https
        )
    return response


@dataclass(frozen=True, slots=True)
class Who:
    """Who looks at a page: the name, the areas in words, until when, and whether it is a session that can be ended."""

    name: str
    areas: str
    until: str
    session: bool


def _who(request: Request, words: Words) -> Who | None:
    caller: Caller | None = request.scope.get(CALLER_KEY)
    if caller is None:
        return None
    hub = getattr(request.app.state, "hub", None)
    codes = sorted(caller.areas.codes)
    names = (
        [words.t("everything")] if caller.areas.everything else [hub.areas.latest().display_name(code) if hub else code for code in codes]
    )
    shown = words.t("who.and").join(names[:MOST_NAMED]) or NONE
    if len(names) > MOST_NAMED:
        shown = words.t("who.more", names=shown, number=words.number(len(names) - MOST_NAMED))
    until = words.moment(datetime.fromtimestamp(caller.valid_until, UTC)) if caller.valid_until < float("inf") else NONE
    return Who(caller.name or caller.client, shown, until, caller.session)


def _sign_in(request: Request) -> str | None:
    """The address of the sign-in, which leads back to this page; None where no provider is set."""
    if not getattr(request.app.state, "provider", None):
        return None
    url = request.url
    here = f"{url.path}?{url.query}" if url.query else url.path
    return f"/sign-in?{urlencode({'then': '/' if here.startswith(WAYS_IN) else here})}"


def problem_page(request: Request, problem: Problem, words: Words | None = None) -> Response:
    """A problem as a page: what is wrong, by field, and what to do next."""
    words = words or words_of(request)
    # A field of several types has an error for each of them; the first is the one to show.
    first = {error.field or str(index): error for index, error in reversed([*enumerate(problem.errors)])}
    errors = [
        (words.field((error.field or "").removesuffix(UNION_SUFFIX)), messages(error.code, error.params)[words.language == "en"])
        for error in reversed(first.values())
    ]
    title = problem.as_dict(words.language)["title"]
    if problem.code in NOT_SIGNED_IN:
        # The texts of these codes are for clients of the API.
        title, errors = words.t("refusal.sign_in"), []
        if SESSION_COOKIE in request.cookies:
            errors = [("", words.t("refusal.ended"))]
    values = {"w": words, "status": problem.status, "title": title, "errors": errors, "code": problem.code}
    response = render(request, "refusal.html", values, status=problem.status)
    response.headers.update(problem.headers)
    return response


class PageRoute(APIRoute):
    """A route of pages: it answers problems as pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def as_page(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                return problem_page(request, problem)
            except RequestValidationError as error:
                return problem_page(request, problem_of(error.errors()))
            except OutcomeUnknownError:
                # Of pages that write: sign-in, sign-out. Those that read use no such transaction.
                return problem_page(request, Unavailable("OUTCOME_UNKNOWN"))
            except OUTAGES:
                return problem_page(request, Unavailable("UNAVAILABLE"))

        return as_page
