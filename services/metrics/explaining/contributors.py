"""Lists the contributors to a figure: enterprises (or unions) in order of subject, page by page, with their names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeAlias
from uuid import UUID

from services.metrics.explaining.fact_sets import sets_known, sets_of
from services.metrics.figures import sql
from services.metrics.figures.questions import Snapshot
from services.metrics.folding.coverage import Cell
from services.metrics.folding.facts import FactSet

CHUNK = 400


@dataclass(frozen=True, slots=True)
class Contribution:
    """One enterprise or union: its cell and what it adds, as one count, as numerator and denominator of a rate, or as several counts."""

    subject: str
    cell: Cell
    value: tuple[int, ...]
    name: str | None = None
    credit_code: str | None = None


Contribute: TypeAlias = Callable[[str, FactSet], Contribution | None]
"""The contribution of a subject by its set of facts; None if it is not in the scope."""


async def contributors(
    snapshot: Snapshot, contribute: Contribute, known_at: date, parks: Collection[str] | None, after: str, limit: int
) -> tuple[list[Contribution], bool]:
    """The next `limit` contributions that are not 0, after a subject, and whether there are more; `parks` None: all."""
    found: list[Contribution] = []
    while len(found) <= limit:
        rows = await sql.states(snapshot.conn, snapshot.generation, after, CHUNK, parks)
        made = (contribute(subject, facts) for subject, facts in (await sets_of(snapshot, rows, known_at)).items())
        found += [one for one in made if one is not None and any(one.value)]
        if len(rows) < CHUNK:
            break
        after = rows[-1]["subject"]
    return await _named(snapshot, found[:limit]), len(found) > limit


async def contributor(snapshot: Snapshot, contribute: Contribute, known_at: date, subject: str) -> list[Contribution]:
    """The contribution of one subject, also if it is 0; empty if it is not in the scope."""
    stored = await sql.states_of(snapshot.conn, snapshot.generation, [subject])
    sets = await sets_known(snapshot, stored, known_at)
    one = contribute(subject, sets[subject]) if subject in sets else None
    return await _named(snapshot, [one] if one else [])


async def _named(snapshot: Snapshot, page: Sequence[Contribution]) -> list[Contribution]:
    names = await sql.names(snapshot.conn, snapshot.generation, [id_of(one.subject) for one in page])
    return [
        replace(one, name=names[key]["name"], credit_code=names[key]["credit_code"]) if (key := id_of(one.subject)) in names else one
        for one in page
    ]


def id_of(subject: str) -> UUID:
    """The enterprise's or union's id."""
    return UUID(subject.partition("/")[2])
