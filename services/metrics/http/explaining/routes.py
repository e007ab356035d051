"""The routes of explanations and changes: who makes a figure up, the events behind it, and why it changed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, NamedTuple, cast
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.metrics.explaining import changes, explain, ranking
from services.metrics.explaining.contributors import Contributors, Question
from services.metrics.explaining.measures import COMPARED
from services.metrics.explaining.ranking import Key, Listing
from services.metrics.figures.snapshots import Snapshot
from services.metrics.http.access import READ, day_or_today, days_of, granted_snapshot, known_or_today, require_measure
from services.metrics.http.bodies import basis, page
from services.metrics.http.explaining import lists
from services.metrics.http.explaining.bodies import behind_bodies, contribution_body, counts_compared, figure_body, share_body
from services.metrics.http.explaining.schemas import ChangesAnswer, Compared, ExplainAnswer, Measure, Search, Sort
from services.metrics.http.schemas import After, Area, AsOf, Group, Grouping, KnownAt, Limit, OneEnterprise
from services.metrics.http.tables import AS_CSV, Format, csv_response
from shared.http.answers import language_of
from shared.http.forms import EARLIEST, Day
from shared.http.openapi import adding
from shared.http.pages import Cursors
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import BadRequest, NotFound, Unprocessable

router = Router(prefix="/v1")


class _Asked(NamedTuple):
    """An explanation as asked for."""

    request: Request
    snapshot: Snapshot
    question: Question
    listing: Listing
    cursors: Cursors
    after: str | None
    limit: int
    language: str


def cursors_of(request: Request) -> Cursors:
    """Encodes and decodes the cursors of the API's pages."""
    return cast(Cursors, request.app.state.cursors)


def position_in(cursors: Cursors, after: str | None, listing: Listing) -> Key | None:
    """The position of a ranked list in a cursor. Raises BAD_CURSOR (400), also for a cursor of another order."""
    if after is None:
        return None
    found: Key = cursors.decode(after, Key)
    if found[0] != listing.order:
        raise BadRequest("BAD_CURSOR", field="after")
    return found


@router.get("/coverage/explain", response_model=ExplainAnswer, tags=["coverage"], responses=AS_CSV, openapi_extra=adding("REBUILD_NEEDED"))
async def explain_figure(
    request: Request,
    caller: CallerOf,
    measure: Measure,
    area: Area = None,
    by: Grouping = None,
    group: Group = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    enterprise: OneEnterprise = None,
    q: Search = None,
    sort: Sort = "workers",
    limit: Limit = 100,
    after: After = None,
    form: Format = "json",
) -> Response:
    """The enterprises that make a figure up, ranked and searched, and for one of them every event behind it."""
    caller.require(READ)
    require_measure(measure)
    if group is not None and by is None:
        raise Unprocessable("FIELD_REQUIRED", field="by")
    async with granted_snapshot(request, caller, area) as snapshot:
        question = Question(measure, area, by, group, *days_of(snapshot, as_of, known_at))
        asked = _Asked(request, snapshot, question, Listing(sort, q or ""), cursors_of(request), after, limit, language_of(request))
        if form == "csv":
            return await _as_csv(asked, enterprise)
        body = {
            **basis(snapshot, as_of=question.as_of, known_at=question.known_at),
            "area": area,
            "by": by,
            "group": group,
            "measure": measure,
            "figure": figure_body(await explain.figure(snapshot, question)),
        }
        listed = await (_contributors(asked) if enterprise is None else _events(asked, enterprise))
        return page(snapshot, {**body, **listed})


async def _contributors(asked: _Asked) -> dict[str, Any]:
    start = position_in(asked.cursors, asked.after, asked.listing)
    found = await ranking.page(asked.snapshot, asked.question, asked.listing, start, asked.limit)
    items = [contribution_body(one, asked.question.measure) for one in found.items]
    return {"total": found.total, "items": items, "next": asked.cursors.encode(found.next) if found.next else None}


def subject_of(question: Question, key: UUID) -> str:
    """The subject of an enterprise, or, for the count of unions, of a union."""
    return f"{'union' if question.measure == 'unions' else 'enterprise'}/{key}"


async def _events(asked: _Asked, key: UUID) -> dict[str, Any]:
    snapshot, question, cursors = asked.snapshot, asked.question, asked.cursors
    subject = subject_of(question, key)
    contribution = await Contributors(snapshot, question).one(subject)
    if contribution is None:
        raise NotFound("UNKNOWN_ENTERPRISE", field="enterprise", params={"enterprise": str(key)})
    start = cursors.decode(asked.after, tuple[datetime, str, int]) if asked.after else explain.FIRST
    events, more = await explain.events(snapshot, question, subject, start, asked.limit)
    following = None
    if more:
        last = events[-1].row
        following = cursors.encode([last["recorded_at"].isoformat(), last["source"], last["sequence"]])
    items = [contribution_body(contribution, question.measure)]
    return {"total": 1, "items": items, "events": await behind_bodies(snapshot, events, asked.language), "next": following}


async def _as_csv(asked: _Asked, key: UUID | None) -> Response:
    """Everything that the pages of the list hold; `enterprise`: the events behind it."""
    snapshot, question = asked.snapshot, asked.question
    if key is None:
        table = await lists.contributors(snapshot, question, asked.listing)
        return await csv_response(asked.request, table, asked.language, f"{question.measure}.csv")
    if await Contributors(snapshot, question).one(subject_of(question, key)) is None:
        raise NotFound("UNKNOWN_ENTERPRISE", field="enterprise", params={"enterprise": str(key)})
    table = lists.events(snapshot, question, subject_of(question, key), asked.language)
    return await csv_response(asked.request, table, asked.language, f"{question.measure}-events.csv")


@router.get("/coverage/changes", response_model=ChangesAnswer, tags=["coverage"], responses=AS_CSV)
async def explain_change(
    request: Request,
    caller: CallerOf,
    known_from: Annotated[
        Day, Query(description="The end of this day is the earlier state of knowledge.", openapi_examples={"day": {"value": "2026-05-31"}})
    ],
    known_to: Annotated[
        Day | None, Query(description="The end of this day is the later one; today by default.", examples=["2026-06-30"])
    ] = None,
    as_of: AsOf = None,
    area: Area = None,
    measure: Compared = None,
    limit: Limit = 100,
    after: After = None,
    form: Format = "json",
) -> Response:
    """Why the figures of a business day changed between two days of knowledge: each event with its share; the shares add up."""
    caller.require(READ)
    require_measure(measure, COMPARED)
    language = language_of(request)
    async with granted_snapshot(request, caller, area) as snapshot:
        until = known_or_today(snapshot, known_to, "known_to")
        if known_from > until:
            raise Unprocessable("DATE_OUT_OF_RANGE", field="known_from", params={"earliest": EARLIEST, "latest": f"known_to ({until})"})
        window = changes.Window(area, day_or_today(snapshot, as_of, "as_of"), known_from, until, measure)
        if form == "csv":
            return await csv_response(request, lists.changes_table(snapshot, window, language), language, "changes.csv")
        cursors = cursors_of(request)
        start = cursors.decode(after, tuple[str, int]) if after else changes.START
        before, now = await changes.totals(snapshot, window)
        found, more = await changes.shares(snapshot, window, start, limit)
        body = {
            **basis(snapshot, as_of=window.as_of, known_from=known_from, known_to=until),
            "area": area,
            "measure": measure,
            "before": counts_compared(before, measure),
            "after": counts_compared(now, measure),
            "delta": counts_compared(now - before, measure),
            "items": [share_body(change, measure, language) for change in found],
            "next": cursors.encode([found[-1].subject, found[-1].position]) if more else None,
        }
        return page(snapshot, body)
