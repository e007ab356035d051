"""Renders pages: templates in the frame, security headers, and problems as pages."""

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

from shared.browser.site import settings_of, site_of
from shared.browser.words import NONE, Words, chosen
from shared.http.answers import language_of
from shared.http.auth import Caller
from shared.http.tokens import CALLER_KEY
from shared.problems.errors import Problem, Unavailable, messages
from shared.problems.validation import problem_of
from shared.process.db import OUTAGES, OutcomeUnknownError

LANGUAGE_COOKIE = "parkunion_lang"
UNION_SUFFIX = ".?"
"""The suffix that validation gives to the name of a field of several types."""
NOT_SIGNED_IN = frozenset({"TOKEN_MISSING", "TOKEN_EXPIRED", "TOKEN_INVALID"})
WAYS_IN = ("/login", "/sign-in", "/signed-out", "/logout")
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
def _templates(*folders: Path) -> Environment:
    return Environment(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@cache
def _version(file: Path) -> str:
    """A hash of the file for its address, so that browsers may cache it for ever."""
    return sha256(file.read_bytes()).hexdigest()[:12]


def words_of(request: Request) -> Words:
    """The language of a page: `?lang=`, else the cookie, else the browser's preference."""
    requested, remembered = request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)
    return site_of(request).words(chosen(requested, remembered, language_of(request)), settings_of(request).zone_info)


def render(request: Request, template: str, values: Mapping[str, Any], *, status: int = 200, part: bool = False) -> Response:
    """A page; `part`: a part of one, which sets no cookie."""
    words: Words = values.get("w") or words_of(request)
    site, settings = site_of(request), settings_of(request)
    label = settings.data_label_en if words.language == "en" else settings.data_label_zh

    def static(name: str) -> str:
        file = site.file(name)
        assert file is not None, "templates name files that there are"
        return f"/static/{name}?v={_version(file)}"

    content = (
        _templates(*site.templates)
        .get_template(template)
        .render(
            {
                **site.values(request, words),
                **values,
                "w": words,
                "t": words.t,
                "lang": "zh-CN" if words.language == "zh" else "en",
                "label": label,
                "here": request.url.path,
                "who": _who(request, words),
                "sign_in": _sign_in(request),
                "other_language": str(request.url.include_query_params(lang=words.other).replace(scheme="", netloc="")),
                "static": static,
                "styles": site.styles,
                "scripts": site.scripts,
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
    """Who looks at a page: the name, what they may see in words, until when, and whether it is a session that can be ended."""

    name: str
    standing: str
    until: str
    session: bool


def _who(request: Request, words: Words) -> Who | None:
    caller: Caller | None = request.scope.get(CALLER_KEY)
    if caller is None:
        return None
    until = words.moment(datetime.fromtimestamp(caller.valid_until, UTC)) if caller.valid_until < float("inf") else NONE
    return Who(caller.name or caller.client, site_of(request).standing(request, caller, words), until, caller.session)


def _sign_in(request: Request) -> str | None:
    """The address of the sign-in, which leads back to this page; None where no provider is set."""
    if not getattr(request.app.state, "provider", None):
        return None
    url = request.url
    here = f"{url.path}?{url.query}" if url.query else url.path
    return f"/sign-in?{urlencode({'then': '/' if here.startswith(WAYS_IN) or request.method != 'GET' else here})}"


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
        if site_of(request).session_cookie in request.cookies:
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
                # Of pages that write. Those that read use no such transaction.
                return problem_page(request, Unavailable("OUTCOME_UNKNOWN"))
            except OUTAGES:
                return problem_page(request, Unavailable("UNAVAILABLE"))

        return as_page
