"""Login of browsers (a bearer token buys a one-time code, the code a session cookie), and the static files."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response

from services.metrics.dashboard import sessions
from services.metrics.dashboard.page import HEADERS, STATIC, YEAR_SECONDS, PageRoute, problem_page
from services.metrics.http.access import READ
from services.metrics.settings import Settings
from shared.http.answers import json_response
from shared.http.web import CallerOf
from shared.problems.errors import Unauthorised
from shared.process.db import Pool

TYPES = {"dashboard.css": "text/css", "dashboard.js": "text/javascript", "icon.svg": "image/svg+xml"}

codes = APIRouter(prefix="/v1")
router = APIRouter(route_class=PageRoute, include_in_schema=False)


class LoginCode(BaseModel):
    """An address that opens the dashboard in a browser, within ten minutes and once."""

    url: str


@codes.post("/login-codes", response_model=LoginCode, tags=["dashboard"])
async def new_code(request: Request, caller: CallerOf) -> Response:
    """A one-time address for a browser, which gets the token's areas. A browser's session cannot make another one."""
    if "authorization" not in request.headers:
        raise Unauthorised("TOKEN_MISSING", headers={"WWW-Authenticate": 'Bearer realm="parkunion"'})
    caller.require(READ)
    pool: Pool = request.app.state.pool
    async with pool.acquire(timeout=5) as conn:
        code = await sessions.new_code(conn, caller)
    settings: Settings = request.app.state.settings
    return json_response({"url": f"{settings.base_url}/login?code={code}"})


@router.get("/login")
async def login(request: Request, code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Use a code: sets the session cookie and redirects to the overview."""
    settings: Settings = request.app.state.settings
    pool: Pool = request.app.state.pool
    async with pool.acquire(timeout=5) as conn:
        cookie = await sessions.start_session(conn, code, settings.session_hours)
    if cookie is None:
        return problem_page(request, Unauthorised("LOGIN_CODE_USED"))
    response = RedirectResponse("/", 303, headers={**HEADERS, "Referrer-Policy": "no-referrer"})
    response.set_cookie(
        sessions.COOKIE, cookie, max_age=int(settings.session_hours * 3600), path="/", httponly=True, samesite="strict", secure=settings.https
    )  # fmt: skip
    return response


@router.get("/static/{name}")
async def static(name: Literal["dashboard.css", "dashboard.js", "icon.svg"]) -> Response:
    """Style, script and icon; their addresses change with their content."""
    headers = {"Cache-Control": f"public, max-age={YEAR_SECONDS}, immutable"}
    return Response((STATIC / name).read_bytes(), headers=headers, media_type=TYPES[name])
