"""Ways in and out for browsers: a bearer token buys a one-time code, the code a session; or officers sign in at the OpenID provider."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from shared.browser import sessions
from shared.browser.page import HEADERS, YEAR_SECONDS, PageRoute, problem_page, render, words_of
from shared.browser.provider import ATTEMPT_SECONDS, Attempt, Provider
from shared.browser.sessions import NewSession
from shared.browser.settings import BrowserSettings
from shared.browser.site import MEDIA_TYPES, settings_of, site_of
from shared.http.answers import json_response
from shared.http.edge import HEAD_KEY
from shared.http.pages import Cursors
from shared.http.requests import JsonRoute, Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound, Problem, Unauthorised
from shared.process import db
from shared.process.db import Pool

ATTEMPT_PATH = "/sign-in"
LOCAL_PAGE = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,1000}")
"""A page of this service: not //host, which is another one."""

codes = Router(prefix="/v1", route_class=JsonRoute)
router = Router(route_class=PageRoute, include_in_schema=False)


class LoginCode(BaseModel):
    """An address that opens the pages in a browser, within ten minutes and once."""

    url: str = Field(
        description="The address. It can be used once, within ten minutes.", examples=["http://127.0.0.1:8003/login?code=kT3d…"]
    )


@codes.post("/login-codes", response_model=LoginCode)
async def new_code(request: Request, caller: CallerOf) -> Response:
    """A one-time address for a browser, which gets the token's areas until the token ends. A browser's session cannot make another one.

    Each request makes a new address, so an idempotency key is refused.
    """
    if "authorization" not in request.headers:
        raise Unauthorised("TOKEN_MISSING", headers={"WWW-Authenticate": 'Bearer realm="parkunion"'})
    site, settings = site_of(request), settings_of(request)
    site.require(caller)
    pool: Pool = request.app.state.pool
    async with db.transaction(pool) as conn:
        code = await sessions.new_code(conn, caller, site.scopes)
    return json_response({"url": f"{settings.base_url}/login?code={code}"})


@router.get("/login")
async def login(request: Request, code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Use a code: sets the session cookie and redirects to the overview. HEAD, which link scanners send, does not use it."""
    settings = settings_of(request)
    pool: Pool = request.app.state.pool
    headers = {**HEADERS, "Referrer-Policy": "no-referrer"}
    async with db.transaction(pool) as conn:
        if request.scope.get(HEAD_KEY) and await sessions.knows_code(conn, code):
            return RedirectResponse("/", 303, headers=headers)
        session = (
            None if request.scope.get(HEAD_KEY) else await sessions.use_code(conn, code, settings.session_hours, site_of(request).scopes)
        )
    if session is None:
        return problem_page(request, Unauthorised("LOGIN_CODE_USED"))
    response = RedirectResponse("/", 303, headers=headers)
    _set_session(request, response, session)
    return response


@router.get("/sign-in")
async def sign_in(request: Request, then: Annotated[str, Query(max_length=1100)] = "/") -> Response:
    """Sends the browser to the OpenID provider. 404 where none is set."""
    address, attempt = await _provider(request).begin(then if LOCAL_PAGE.fullmatch(then) else "/")
    settings, site = settings_of(request), site_of(request)
    response = RedirectResponse(address, 303, headers=dict(HEADERS))
    # Lax: the provider's redirect back is a navigation from another site.
    response.set_cookie(
        site.attempt_cookie, _attempts(settings).encode(attempt), max_age=ATTEMPT_SECONDS, path=ATTEMPT_PATH, httponly=True, samesite="lax",
        secure=settings.https,
    )  # fmt: skip
    return response


@router.get("/sign-in/callback")
async def signed_in(
    request: Request,
    code: Annotated[str, Query(max_length=5000)] = "",
    state: Annotated[str, Query(max_length=200)] = "",
    iss: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """The provider's answer: sets the session cookie.

    Answers with a page that goes on by itself: after a redirect from another site browsers would not send a cookie of SameSite=Strict.
    """
    provider, settings, site = _provider(request), settings_of(request), site_of(request)
    try:
        attempt = Attempt(*_attempts(settings).decode(request.cookies.get(site.attempt_cookie, ""), tuple[str, str, str, str, int]))
    except Problem:
        raise Unauthorised("SIGN_IN_FAILED") from None
    caller = await provider.finish(attempt, code=code, state=state, issuer=iss, bearer=request.app.state.verifier)
    site.require(caller)
    pool: Pool = request.app.state.pool
    async with db.transaction(pool) as conn:
        session = await sessions.new_session(conn, caller, settings.session_hours, site.scopes)
    if session is None:
        raise Unauthorised("SIGN_IN_FAILED")
    response = render(request, "signed_in.html", {"w": words_of(request), "then": attempt.then}, part=True)
    response.delete_cookie(site.attempt_cookie, path=ATTEMPT_PATH)
    _set_session(request, response, session)
    return response


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Ends the session of the cookie at once, in every process of the service and for its open streams."""
    sessions.require_own_page(request)
    await sessions.end_session(request)
    response = RedirectResponse("/signed-out", 303, headers=dict(HEADERS))
    response.delete_cookie(site_of(request).session_cookie, path="/", httponly=True, samesite="strict", secure=settings_of(request).https)
    return response


@router.get("/signed-out")
async def signed_out(request: Request) -> Response:
    """What to do after a logout: come in again, or end the session at the provider, too."""
    provider: Provider | None = request.app.state.provider
    address = await provider.sign_out_address() if provider else None
    return render(request, "signed_out.html", {"w": words_of(request), "provider_sign_out": address})


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """Style, script and icon; their addresses change with their content."""
    file = site_of(request).file(name)
    if file is None:
        raise NotFound("NOT_FOUND")
    headers = {"Cache-Control": f"public, max-age={YEAR_SECONDS}, immutable"}
    return Response(file.read_bytes(), headers=headers, media_type=MEDIA_TYPES[file.suffix])


def _provider(request: Request) -> Provider:
    """Raises NOT_FOUND (404) where no provider is set."""
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise NotFound("NOT_FOUND")
    return provider


def _attempts(settings: BrowserSettings) -> Cursors:
    """Signs the cookie of an attempt."""
    return Cursors(settings.cursor_key, f"{settings.declared.name}.sign-in")


def _set_session(request: Request, response: Response, session: NewSession) -> None:
    name, secure = site_of(request).session_cookie, settings_of(request).https
    response.set_cookie(name, session.cookie, max_age=session.seconds, path="/", httponly=True, samesite="strict", secure=secure)
