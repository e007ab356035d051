"""The routes of coverage, areas and definitions: each parses, reads in one snapshot, and answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, NamedTuple, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.metrics.explaining import changes, explain
from services.metrics.figures import questions
from services.metrics.figures.definitions import DEFINITIONS
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.scope import Scope
from services.metrics.folding.coverage import RULE_VERSION
from services.metrics.folding.measures import RATES
from services.metrics.http.access import READ, day_or_today, days_of, granted_snapshot, require_measure, snapshots_of
from services.metrics.http.bodies import (
    area_body,
    basis,
    behind_body,
    contribution_body,
    counts_of,
    coverage_body,
    figure_body,
    page,
    share_body,
)
from services.metrics.http.schemas import (
    After,
    Area,
    AreasAnswer,
    AsOf,
    ChangesAnswer,
    CoverageAnswer,
    DefinitionsAnswer,
    ExplainAnswer,
    Group,
    Grouping,
    KnownAt,
    Limit,
    Measure,
    OneEnterprise,
)
from shared.http.answers import json_response, language_of
from shared.http.forms import EARLIEST, Day
from shared.http.pages import Cursors
from shared.http.web import CallerOf
from shared.problems.errors import NotFound, Unprocessable

router = APIRouter(prefix="/v1")


class Figure(NamedTuple):
    """The figure to explain, in the order of the parameters of `explain`."""

    snapshot: Snapshot
    scope: Scope
    measure: str
    as_of: date
    known_at: date


def _cursors(request: Request) -> Cursors:
    return cast(Cursors, request.app.state.cursors)


@router.get("/coverage", response_model=CoverageAnswer, tags=["coverage"])
async def coverage(
    request: Request,
    caller: CallerOf,
    area: Area = None,
    by: Grouping = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> Response:
    """The coverage of an area: counts, and rates with numerator and denominator; `by` groups, the total is always the last row."""
    async with granted_snapshot(request, caller, area) as snapshot:
        day, known = days_of(snapshot, as_of, known_at)
        answer = await questions.coverage(snapshot, area=area, by=by, as_of=day, known_at=known, language=language_of(request))
        return page(snapshot, coverage_body(snapshot, answer))


@router.get("/coverage/explain", response_model=ExplainAnswer, response_model_exclude_none=True, tags=["coverage"])
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
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """The enterprises that make a figure up, and for one of them every event behind it."""
    caller.require(READ)
    require_measure(measure)
    if group is not None and by is None:
        raise Unprocessable("FIELD_REQUIRED", field="by")
    async with granted_snapshot(request, caller, area) as snapshot:
        day, known = days_of(snapshot, as_of, known_at)
        answer = await questions.coverage(snapshot, area=area, by=by, as_of=day, known_at=known)
        scope = Scope.of(snapshot.areas.at(day, known), area, by, group)
        body = {
            **basis(snapshot, as_of=day, known_at=known),
            "area": area,
            "by": by,
            "group": scope.group,
            "measure": measure,
            "figure": figure_body(answer.figures(group), measure),
        }
        figure, cursors = Figure(snapshot, scope, measure, day, known), _cursors(request)
        if enterprise is None:
            listed = await _contributors(figure, cursors, after, limit)
        else:
            listed = await _events(figure, enterprise, cursors, after, limit)
        return page(snapshot, {**body, **listed})


async def _contributors(figure: Figure, cursors: Cursors, after: str | None, limit: int) -> dict[str, Any]:
    start = cursors.decode(after, tuple[str])[0] if after else ""
    found, more = await explain.contributions(*figure, start, limit)
    return {"items": [contribution_body(one) for one in found], "next": cursors.encode([found[-1].subject]) if more else None}


async def _events(figure: Figure, enterprise: UUID, cursors: Cursors, after: str | None, limit: int) -> dict[str, Any]:
    subject = f"{'union' if figure.measure == 'unions' else 'enterprise'}/{enterprise}"
    contribution = await explain.one(*figure, subject)
    if contribution is None:
        raise NotFound("UNKNOWN_ENTERPRISE", field="enterprise", params={"enterprise": str(enterprise)})
    start = cursors.decode(after, tuple[datetime, str, int]) if after else explain.FIRST
    events, more = await explain.events(*figure, subject, start, limit)
    following = None
    if more:
        last = events[-1].row
        following = cursors.encode([last["recorded_at"].isoformat(), last["source"], last["sequence"]])
    return {"items": [contribution_body(contribution)], "events": [behind_body(behind) for behind in events], "next": following}


@router.get("/coverage/changes", response_model=ChangesAnswer, tags=["coverage"])
async def explain_change(
    request: Request,
    caller: CallerOf,
    known_from: Annotated[Day, Query(description="The end of this day is the earlier state of knowledge.")],
    known_to: Annotated[Day | None, Query(description="The end of this day is the later one; today by default.")] = None,
    as_of: AsOf = None,
    area: Area = None,
    measure: Measure | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Why the figures of a business day changed between two days of knowledge: each event with its share; the shares add up."""
    caller.require(READ)
    require_measure(measure)
    async with granted_snapshot(request, caller, area) as snapshot:
        until = day_or_today(snapshot, known_to, "known_to")
        if known_from > until:
            raise Unprocessable("DATE_OUT_OF_RANGE", field="known_from", params={"earliest": EARLIEST, "latest": f"known_to ({until})"})
        window = changes.Window(area, day_or_today(snapshot, as_of, "as_of"), known_from, until, measure)
        cursors = _cursors(request)
        start = cursors.decode(after, tuple[str, int]) if after else ("", -1)
        before, now = await changes.totals(snapshot, window)
        found, more = await changes.shares(snapshot, window, start, limit)
        body = {
            **basis(snapshot, as_of=window.as_of, known_from=known_from, known_to=until),
            "area": area,
            "measure": measure,
            "before": counts_of(before, measure),
            "after": counts_of(now, measure),
            "delta": counts_of(now - before, measure),
            "items": [share_body(change, measure) for change in found],
            "next": cursors.encode([found[-1].subject, found[-1].position]) if more else None,
        }
        return page(snapshot, body)


@router.get("/areas", response_model=AreasAnswer, tags=["areas"])
async def areas(request: Request, caller: CallerOf, parent: Area = None) -> Response:
    """The areas directly in `parent` (left out: the roots), as of today, and the path to it."""
    async with granted_snapshot(request, caller, parent, "parent") as snapshot:
        tree = snapshot.areas.at(snapshot.today, snapshot.today)
        path = [tree.areas[code] for code in reversed(tree.path(parent)) if code in tree.areas] if parent else []
        body = {"path": [area_body(tree, area) for area in path], "items": [area_body(tree, area) for area in tree.children(parent)]}
        return page(snapshot, body)


@router.get("/definitions", response_model=DefinitionsAnswer, tags=["coverage"])
async def definitions(request: Request, caller: CallerOf) -> Response:
    """What each figure means, its formula and the source of its rule."""
    caller.require(READ)
    items = [{"measure": name, **definition._asdict(), "rate": name in RATES} for name, definition in DEFINITIONS.items()]
    async with snapshots_of(request).snapshot() as snapshot:
        return json_response({"rule_version": RULE_VERSION, "fold_version": snapshot.fold_version, "items": items})
