"""One enterprise on a day: what it adds, its unions, and every fact about it, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeAlias
from uuid import UUID

from services.metrics.counted import FIELDS
from services.metrics.explaining.contributors import id_of
from services.metrics.explaining.explain import Behind, behind
from services.metrics.explaining.sets.known import sets_known
from services.metrics.explaining.unions import Covering, covering, union_names, without_union_since
from services.metrics.figures.questions import Rate
from services.metrics.figures.scope import contribution_on, counts_of
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import fact_store, name_store, set_store
from services.metrics.figures.visibility import hidden
from shared.http.auth import UNNAMED
from shared.problems.errors import Forbidden

Position: TypeAlias = tuple[date, datetime, str, int]
"""(occurred_on, recorded_at, source, sequence) of an event."""
FIRST: Position = (date.max, datetime(9999, 12, 31, tzinfo=UTC), "", 0)


@dataclass(frozen=True, slots=True)
class Union:
    """A union that covers an enterprise; `name` None: it is not known."""

    covering: Covering
    name: str | None


@dataclass(frozen=True, slots=True)
class Enterprise:
    """An enterprise on a business day, as known at a day. `park` None: it does not operate.

    `counts`: what it adds to each count; `unions`: all that cover it; `waiting_since`: since when it has been without a union that it should
    have, `days_waited` until the day asked about.
    """

    id: UUID
    name: str | None
    credit_code: str | None
    park: str | None
    counts: Mapping[str, int]
    unions: Sequence[Union] = ()
    waiting_since: date | None = None
    days_waited: int | None = None
    hidden: bool = False
    """Whether the caller may not know who it is: it was elsewhere on this day, as is known now."""

    @property
    def joining(self) -> Rate:
        """Its members over its workers."""
        return Rate(self.counts["members"], self.counts["workers"])


async def enterprises_on(snapshot: Snapshot, subjects: Sequence[str], as_of: date, known_at: date) -> list[Enterprise]:
    """Enterprises as of a day, in the order given, without those that are not known; the names that the caller may see."""
    sets = await sets_known(snapshot, await set_store.states_of(snapshot.conn, snapshot.generation, subjects), known_at)
    names = await name_store.known_names(snapshot.conn, snapshot.generation, [id_of(subject) for subject in subjects])
    unseen = await hidden(snapshot, subjects, as_of)
    unions = {subject: covering(one, as_of, known_at) for subject, one in sets.items()}
    union_of = await union_names(snapshot, [one.union for found in unions.values() for one in found])
    listed = []
    for subject in (subject for subject in subjects if subject in sets):
        row = names.get(id_of(subject)) if subject not in unseen else None
        cell, value = contribution_on(sets[subject], as_of, known_at)
        since = without_union_since(sets[subject], as_of, known_at)
        listed.append(
            Enterprise(
                id=id_of(subject),
                name=row["name"] if row else None,
                credit_code=row["credit_code"] if row else None,
                park=cell[0] if cell else None,
                hidden=subject in unseen,
                counts=counts_of(value),
                unions=[Union(one, union_of.get(one.union)) for one in unions[subject]],
                waiting_since=since,
                days_waited=(as_of - since).days if since else None,
            )
        )
    return listed


async def enterprise_on(snapshot: Snapshot, enterprise: UUID, as_of: date, known_at: date) -> Enterprise | None:
    """An enterprise as of a day; None if it is not known. Raises AREA_NOT_GRANTED (403) for a day on which it was elsewhere."""
    found = next(iter(await enterprises_on(snapshot, [f"enterprise/{enterprise}"], as_of, known_at)), None)
    if found is not None and found.hidden:
        raise Forbidden("AREA_NOT_GRANTED", field="as_of", params={"area": UNNAMED})
    return found


async def facts(
    snapshot: Snapshot, enterprise: UUID, as_of: date, known_at: date, after: Position, limit: int
) -> tuple[list[Behind], bool]:
    """The next facts of an enterprise known by `known_at` that occurred by `as_of`, counted or not, and whether there are more.

    The latest business date first; of one day the last that was recorded.
    """
    subject, conn, generation = f"enterprise/{enterprise}", snapshot.conn, snapshot.generation
    rows = await fact_store.timeline(conn, generation, subject, as_of, known_at, list(FIELDS), after, limit + 1)
    return await behind(snapshot, subject, known_at, rows[:limit]), len(rows) > limit


def position_of(behind: Behind) -> Position:
    """The position of an event in a timeline."""
    row = behind.row
    return row["occurred_on"], row["recorded_at"], row["source"], row["sequence"]
