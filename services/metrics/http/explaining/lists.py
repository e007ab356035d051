"""The lists of explanations and changes as tables for CSV, complete."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from typing import TypeVar
from uuid import UUID

import msgspec

from services.metrics.explaining import changes, explain, ranking, timeline
from services.metrics.explaining.changes import Share, Window
from services.metrics.explaining.contributors import Contribution, Question
from services.metrics.explaining.explain import Behind
from services.metrics.explaining.measures import TIME_TO_FOUND, measure_of
from services.metrics.explaining.ranking import Listing
from services.metrics.figures.labels import reason_text
from services.metrics.figures.questions import Rate
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.tree import Tree
from services.metrics.http.bodies import basis
from services.metrics.http.explaining.bodies import WAITED, behind_bodies, counts_compared
from services.metrics.http.figure_tables import flat
from services.metrics.http.tables import Row, Table

WHO = ("id", "name", "credit_code", "park", "park_name")
RANKED = ("workers", "days_waited")
EVENT = ("event", "type", "occurred_on", "recorded_at", "actor", "reason", "reason_text")
CHUNK = 500
P = TypeVar("P")


async def contributors(snapshot: Snapshot, question: Question, listing: Listing) -> Table:
    """Who makes a figure up."""
    measure, tree = question.measure, snapshot.areas.at(question.as_of, question.known_at)
    columns, amounts, rates = _amounts(question)
    found = await ranking.everything(snapshot, question, listing)
    rows = (
        {**_who(None if one.hidden else one.subject, one.name, one.credit_code, one.cell[0], tree), **_ranks(one), **amounts(one)}
        for one in found
    )
    names = (*WHO, *dict.fromkeys((*columns, *RANKED)))
    return Table(names, rows, {"area": question.area, "group": question.group, "measure": measure, **_basis(snapshot, question)}, rates)


def _ranks(one: Contribution) -> Row:
    return {"workers": one.workers, "days_waited": one.days}


def _amounts(question: Question) -> tuple[tuple[str, ...], Callable[[Contribution], Row], frozenset[str]]:
    """The columns of the amounts, the amounts of one contribution, and which columns are rates."""
    measure = question.measure
    if measure == TIME_TO_FOUND:
        return WAITED[:2], lambda one: dict(zip(WAITED[:2], one.amounts, strict=False)), frozenset()
    found = measure_of(measure)
    if found.form == "rate":
        return (measure,), lambda one: {measure: Rate(*one.amounts)}, frozenset((measure,))
    names = tuple(f"{name}_change" for name in found.columns) if found.form == "lag" else found.columns
    return names, lambda one: dict(zip(names, one.amounts, strict=True)), frozenset()


def _who(subject: str | None, name: str | None, credit_code: str | None, park: str | None, tree: Tree) -> Row:
    place = {"park": park, "park_name": tree.display_name(park) if park else None}
    return {"id": subject.partition("/")[2] if subject else None, "name": name, "credit_code": credit_code, **place}


def events(snapshot: Snapshot, question: Question, subject: str, language: str) -> Table:
    """The events behind one contribution."""

    async def pages(after: explain.Position) -> tuple[list[Behind], bool]:
        return await explain.events(snapshot, question, subject, after, CHUNK)

    days = {"measure": question.measure, **_basis(snapshot, question)}
    return _facts(snapshot, pages, explain.FIRST, explain.position_of, days, language)


def facts(snapshot: Snapshot, enterprise: UUID, as_of: date, known_at: date, language: str) -> Table:
    """The timeline of an enterprise."""

    async def pages(after: timeline.Position) -> tuple[list[Behind], bool]:
        return await timeline.facts(snapshot, enterprise, as_of, known_at, after, CHUNK)

    days = flat(basis(snapshot, as_of=as_of, known_at=known_at))
    return _facts(snapshot, pages, timeline.FIRST, timeline.position_of, {"id": str(enterprise), **days}, language)


def _facts(
    snapshot: Snapshot,
    pages: Callable[[P], Awaitable[tuple[list[Behind], bool]]],
    first: P,
    position_of: Callable[[Behind], P],
    basis_of_rows: Row,
    language: str,
) -> Table:
    """Events with what they say; `pages(after)` reads the next ones and whether there are more."""

    async def rows() -> AsyncIterator[Row]:
        after, more = first, True
        while more:
            found, more = await pages(after)
            for body in await behind_bodies(snapshot, found, language):
                says = msgspec.json.encode(body["says"]).decode() if body["says"] else None
                yield {**body, "event": str(body["id"]), "says": says}
            if found:
                after = position_of(found[-1])

    return Table((*EVENT, "in_force", "union_name", "says"), rows(), basis_of_rows)


def changes_table(snapshot: Snapshot, window: Window, language: str) -> Table:
    """Why a figure changed: a line for each count that an event changed."""

    async def rows() -> AsyncIterator[Row]:
        after, more = changes.START, True
        while more:
            found, more = await changes.shares(snapshot, window, after, CHUNK)
            for share in found:
                for line in _lines(share, window, language):
                    yield line
            if found:
                after = found[-1].subject, found[-1].position

    days = basis(snapshot, as_of=window.as_of, known_from=window.known_from, known_to=window.known_to)
    columns = ("id", "name", "credit_code", "change", *EVENT, "figure", "before", "after", "delta")
    return Table(columns, rows(), {"area": window.area, "measure": window.measure, **flat(days)})


def _lines(share: Share, window: Window, language: str) -> list[Row]:
    told: Row = dict.fromkeys(EVENT)
    if (event := share.event) is not None:
        text = reason_text(event["type"], event["reason"], language)
        told = {**{name: event[name] for name in EVENT[1:-1]}, "event": str(event["event_id"]), "reason_text": text}
    who = {
        "id": None if share.hidden else share.subject.partition("/")[2],
        "name": share.name,
        "credit_code": share.credit_code,
        "change": share.kind,
    }
    before, after = counts_compared(share.before, window.measure), counts_compared(share.after, window.measure)
    return [
        {**who, **told, "figure": name, "before": was, "after": after[name], "delta": after[name] - was}
        for name, was in before.items()
        if was != after[name]
    ]


def _basis(snapshot: Snapshot, question: Question) -> Row:
    return flat(basis(snapshot, as_of=question.as_of, known_at=question.known_at))
