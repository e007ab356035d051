"""The routes of coverage, areas and definitions: each parses, reads in one snapshot, and answers."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from services.metrics.explaining import findings
from services.metrics.figures import questions
from services.metrics.figures.definitions import DEFINITIONS
from services.metrics.folding.coverage import RULE_VERSION
from services.metrics.http.access import READ, days_of, granted_snapshot, snapshots_of
from services.metrics.http.bodies import area_body, basis, coverage_body, page
from services.metrics.http.figure_tables import coverage_table
from services.metrics.http.schemas import Area, AreasAnswer, AsOf, CoverageAnswer, DefinitionsAnswer, Grouping, KnownAt
from services.metrics.http.tables import AS_CSV, Format, csv_response
from services.metrics.measures import RATES
from shared.http.answers import json_response, language_of
from shared.http.requests import Router
from shared.http.web import CallerOf

router = Router(prefix="/v1")


@router.get("/coverage", response_model=CoverageAnswer, tags=["coverage"], responses=AS_CSV)
async def coverage(
    request: Request,
    caller: CallerOf,
    area: Area = None,
    by: Grouping = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: Format = "json",
) -> Response:
    """The coverage of an area: counts, and rates with numerator and denominator; `by` groups, the total is always the last row."""
    async with granted_snapshot(request, caller, area) as snapshot:
        day, known = days_of(snapshot, as_of, known_at)
        language = language_of(request)
        answer = await questions.coverage(snapshot, area=area, by=by, as_of=day, known_at=known, language=language)
        if form == "csv":
            table = coverage_table([*answer.rows, answer.total], basis(snapshot, as_of=day, known_at=known))
            return await csv_response(request, table, language, f"{area or 'all'}-coverage.csv")
        return page(snapshot, coverage_body(snapshot, answer, await findings.of_answer(snapshot, answer), language))


@router.get("/areas", response_model=AreasAnswer, tags=["areas"])
async def areas(request: Request, caller: CallerOf, parent: Area = None) -> Response:
    """The areas directly in `parent` (left out: the roots), as of today, and the path to it."""
    async with granted_snapshot(request, caller, parent, "parent") as snapshot:
        tree = snapshot.areas.at(snapshot.today, snapshot.today)
        path = [tree.areas[code] for code in reversed(tree.path(parent)) if code in tree.areas] if parent else []
        items = [area_body(tree, area) for area in tree.children(parent)]
        body = {"path": [area_body(tree, area) for area in path], "items": items, "left_out": 0}
        return page(snapshot, body)


@router.get("/definitions", response_model=DefinitionsAnswer, tags=["coverage"])
async def definitions(request: Request, caller: CallerOf) -> Response:
    """What each figure means, its formula and the source of its rule."""
    caller.require(READ)
    items = [{"measure": name, **definition._asdict(), "rate": name in RATES} for name, definition in DEFINITIONS.items()]
    async with snapshots_of(request).snapshot() as snapshot:
        return json_response({"rule_version": RULE_VERSION, "fold_version": snapshot.fold_version, "items": items, "left_out": 0})
