"""The buttons of the portal: forms that carry out the commands of the API, for the person's client.

A form is taken only from a page of this service (`shared.browser.sessions.require_own_page`, the cookie being SameSite=Strict). Each button
carries an idempotency key of its own, so that pressing it twice does it once.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal
from urllib.parse import parse_qs

import msgspec
from fastapi import Request
from starlette.responses import RedirectResponse, Response

from services.subscriptions.portal.page import HEADERS, PageRoute, portal_page, see
from services.subscriptions.subscribing import delivery_routes, state_routes
from shared.http.auth import Caller
from shared.http.forms import Id
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

KEY = "key"
A_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
"""What `page.new_key` makes; anything else is no key of ours."""
Action = Literal["pause", "resume", "test", "verification"]
ROUTES: dict[str, Callable[[Request, Caller, Any, str | None], Awaitable[Response]]] = {
    "pause": state_routes.pause_subscription,
    "resume": state_routes.resume_subscription,
    "test": state_routes.send_test,
    "verification": state_routes.send_verification,
}

router = Router(route_class=PageRoute, include_in_schema=False)


@router.post("/subscriptions/{key}/rotation")
async def rotate(request: Request, caller: CallerOf, key: Id) -> Response:
    """A new key of signatures. A secret is shown on this page alone."""
    answered = msgspec.json.decode((await state_routes.rotate_key(request, caller, key, await _key_of(request))).body)
    async with portal_page(request, caller) as page:
        response = page.render("rotated.html", one=await see(page, key), signing=answered["signing"])
    response.headers["Cache-Control"] = "no-store"
    return response


@router.post("/subscriptions/{key}/{action}")
async def act(request: Request, caller: CallerOf, key: Id, action: Action) -> Response:
    """Pause, resume, test, verify again; then back to the subscription."""
    await ROUTES[action](request, caller, key, await _key_of(request))
    return _back(f"/subscriptions/{key}", action)


@router.post("/subscriptions/{key}/deliveries/{number}/redelivery")
async def redeliver(request: Request, caller: CallerOf, key: Id, number: str) -> Response:
    """Send a number again; then back to it."""
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise NotFound("NOT_FOUND")
    await delivery_routes.redeliver(request, caller, key, str(int(number)), await _key_of(request))
    return _back(f"/subscriptions/{key}/deliveries/{int(number)}", "redelivery")


async def _key_of(request: Request) -> str | None:
    """The idempotency key of the form that was sent."""
    given = parse_qs((await request.body()).decode("ascii", "replace")).get(KEY, [""])[0]
    return given if A_KEY.fullmatch(given) else None


def _back(address: str, done: str) -> Response:
    return RedirectResponse(f"{address}?done={done}", 303, headers=dict(HEADERS))
