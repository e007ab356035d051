"""Which unions cover an enterprise on a day, and since when it has been without one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.metrics.attributes import CoverageEnd, CoverageStart
from services.metrics.figures.scope import shape_known
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import name_store
from services.metrics.folding.facts import FactSet
from services.metrics.folding.steps import NEVER, without_union


class Covering(NamedTuple):
    """A union that covers an enterprise since a day; `kind` is a code of the glossary's kinds of union."""

    union: UUID
    kind: str
    since: date


def covering(facts: FactSet, as_of: date, known_at: date) -> list[Covering]:
    """The unions that cover an enterprise on a business day as known at a day, the first one first."""
    found: dict[str, Covering] = {}
    past = (fact for fact in facts.in_force(known_at.toordinal()) if fact.occurred <= as_of.toordinal())
    for fact in sorted(past, key=lambda fact: (fact.occurred, fact.rank)):
        match fact.content:
            case CoverageStart(union_id=union, kind=kind):
                since = found[union].since if union in found else date.fromordinal(fact.occurred)
                found[union] = Covering(UUID(union), kind, since)
            case CoverageEnd(union_id=union):
                found.pop(union, None)
    return list(found.values())


def without_union_since(facts: FactSet, as_of: date, known_at: date) -> date | None:
    """The day since which an enterprise has been without a union that it should have; None if it has one, need not, or does not operate."""
    past = [step.since for step in without_union(shape_known(facts, known_at)) if step.start <= as_of.toordinal()]
    return date.fromordinal(past[-1]) if past and past[-1] != NEVER else None


async def union_names(snapshot: Snapshot, unions: Iterable[UUID]) -> Mapping[UUID, str | None]:
    """{id: name} of unions; those without a name, or founded before a generation kept names, have none."""
    return await name_store.union_names(snapshot.conn, snapshot.generation, list(dict.fromkeys(unions)))
