"""Subscriptions and their deliveries: the bureau's pages, which the federation sees of all bureaus."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from services.subscriptions.portal import federation_store, store
from services.subscriptions.portal.disclosure import Told, told, told_to_federation
from services.subscriptions.portal.page import HEADERS, Page, PageRoute, federation, owns, portal_page, see
from services.subscriptions.portal.store import FIRST_ID, DeliveryRow, Subscription
from services.subscriptions.portal.strip import first_day, strip_of
from services.subscriptions.subscribing import rules
from shared.http.forms import Day, Id
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

SHOWN = 50
BEHIND_ALL = 2**62
LONGEST_SUBJECT = 200
MOST_ATTEMPTS = 50
MOST_KEYS = 10
MOST_CHANGES = 20
MOST_PROBES = 5

State = Literal["queued", "delivered", "parked", "withheld"]
NEEDS_SOMEBODY = ("disabled", "verifying", "paused", "active", "ended")
"""The order of the list: what somebody has to do something about comes first."""

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/")
async def start(caller: CallerOf, request: Request) -> Response:
    """To the page that the caller wants first: the federation's grants, a bureau's subscriptions."""
    language = request.query_params.get("lang")
    address = "/grants" if federation(caller) else "/subscriptions"
    return RedirectResponse(f"{address}?{urlencode({'lang': language})}" if language else address, 303, headers=dict(HEADERS))


@router.get("/subscriptions")
async def list_page(request: Request, caller: CallerOf, after: str | None = None) -> Response:
    """A bureau's subscriptions, or all: state, what waits and since when, and the last days. Also what the bureau is granted."""
    async with portal_page(request, caller) as page:
        start = page.cursors.decode(after, tuple[UUID])[0] if after else FIRST_ID
        if page.federation:
            found = await store.subscriptions(page.conn, page.within, start, SHOWN + 1)
        else:
            found = await store.subscriptions_of(page.conn, caller.client, start, SHOWN + 1)
        more = page.cursors.encode([str(found[SHOWN - 1].id)]) if len(found) > SHOWN else None
        shown = found[:SHOWN]
        counts = await store.day_counts(page.conn, [one.id for one in shown], first_day(page.today))
        granted = await federation_store.grants_of(page.conn, caller.client, FIRST_ID, SHOWN) if not page.federation else []
        waits = [one.waiting_since for one in shown if one.waiting_since is not None]
        return page.render(
            "subscriptions.html",
            lines=[(one, strip_of(counts.get(one.id, {}), page.today)) for one in sorted(shown, key=_urgency)],
            grants=granted,
            more=more,
            active=sum(one.status == "active" for one in shown),
            waiting=sum(one.waiting for one in shown),
            parked=sum(one.parked for one in shown),
            waiting_since=min(waits, default=None),
        )


def _urgency(one: Subscription) -> tuple[bool, int, str]:
    return not (one.parked or one.failing_since), NEEDS_SOMEBODY.index(one.status), str(one.id)


@router.get("/subscriptions/{key}")
async def subscription_page(
    request: Request,
    caller: CallerOf,
    key: Id,
    state: State | Literal[""] | None = None,
    subject: Annotated[str, Query(max_length=LONGEST_SUBJECT)] = "",
    day: Annotated[Day | Literal[""] | None, Query()] = None,
    after: str | None = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """One subscription: how far it is, its last days, its deliveries by state, subject and day, its keys and what was done to it."""
    async with portal_page(request, caller) as page:
        one = await see(page, key)
        grant = await federation_store.grant(page.conn, one.grant_id)
        before = page.cursors.decode(after, tuple[int])[0] if after else BEHIND_ALL
        on = day if isinstance(day, date) else None
        rows = await store.deliveries(page.conn, key, before, SHOWN + 1, state=state or None, day=on, subject=subject.strip() or None)
        lines = _told(page, one.client, key, rows[:SHOWN])
        if subject.strip():
            # That a number is found by a subject would tell its subject.
            lines = [line for line in lines if line.named]
        counts = await store.day_counts(page.conn, [key], first_day(page.today))
        await page.note_access(one, [line.row.number for line in lines])
        chosen = {"state": state or None, "subject": subject.strip() or None, "day": on}
        return page.render(
            "subscription.html",
            one=one,
            grant=grant,
            standing=grant.standing(page.now) if grant else "",
            strip=strip_of(counts.get(key, {}), page.today),
            lines=lines,
            chosen=chosen,
            query=urlencode({name: value for name, value in chosen.items() if value}),
            more=page.cursors.encode([rows[SHOWN - 1].number]) if len(rows) > SHOWN else None,
            keys=await store.keys_of(page.conn, key, MOST_KEYS),
            actions=_actions(one, owns(caller, one.client)),
            changes=await store.changes(page.conn, key, MOST_CHANGES),
            probes=await store.probes(page.conn, key, MOST_PROBES),
            done=done if f"done.{done}" in page.words.texts else "",
        )


@router.get("/subscriptions/{key}/deliveries/{number}")
async def delivery_page(
    request: Request, caller: CallerOf, key: Id, number: str, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """One number: what became of it, each attempt, why it failed and what to do."""
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise NotFound("NOT_FOUND")
    async with portal_page(request, caller) as page:
        one = await see(page, key)
        rows = await store.deliveries(page.conn, key, int(number) + 1, 1)
        if not rows or rows[0].number != int(number):
            raise NotFound("NOT_FOUND")
        row = rows[0]
        attempts = await store.attempts(page.conn, key, row.number, MOST_ATTEMPTS)
        line = _told(page, one.client, key, [row])[0]
        await page.note_access(one, [row.number])
        failed = next((attempt.error for attempt in attempts if attempt.error is not None), None)
        return page.render(
            "delivery.html",
            one=one,
            line=line,
            row=row,
            attempts=attempts,
            lane=await store.lane(page.conn, key, row.subject) if row.pending else None,
            redelivery=one.kind == "webhook" and one.status in rules.REPLAYABLE and line.named and row.gone is None and not row.pending,
            why=row.reason if row.reason in PLAIN else failed or row.reason,
            done=done if f"done.{done}" in page.words.texts else "",
        )


PLAIN = frozenset({"NOT_GRANTED", "ERASED", "RETENTION", "ENDED"})
"""Reasons that are no fault of the endpoint."""


def _told(page: Page, client: str, key: UUID, rows: list[DeliveryRow]) -> list[Told]:
    """What the page may tell of these numbers."""
    if page.federation and not owns(page.caller, client):
        return told_to_federation(rows)
    found = page.current.subscriptions.get(key)
    return told(rows, found.terms if found else None, page.now)


def _actions(one: Subscription, own: bool) -> list[str]:
    """The buttons that fit the subscription's state. A new key is its client's alone to make."""
    if one.kind == "pull":
        return ["resume"] if one.status in rules.RESUMABLE else []
    able = {"test": rules.TESTABLE, "verification": rules.VERIFIABLE, "pause": rules.PAUSABLE, "resume": rules.RESUMABLE}
    found = [name for name, states in able.items() if one.status in states]
    return [*found, "rotation"] if own and one.status in rules.ROTATABLE else found
